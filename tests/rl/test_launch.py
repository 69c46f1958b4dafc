"""A run's command: what it starts from, how it is followed, and that nothing of it stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

pytest.importorskip("verl", reason="training is an extra: pip install 'memory-r1[train]'")

from memory_r1.memory.errors import FileFormatError, InputError, SettingsError
from memory_r1.rl.rollouts.types import ManagerRow
from memory_r1.rl.trainer import guard, launch, plan
from memory_r1.rl.trainer.errors import TrainingError
from memory_r1.rl.trainer.plan import Prepared, Request, model_path, prepare, read_rewards
from memory_r1.rl.trainer.progress import ATTEMPT, FILE, Follower, Progress, Step, merged, read_metrics, spoken
from memory_r1.rl.training.leaks import LeakError
from memory_r1.rl.training.rows import write_rows
from memory_r1.rl.training.world_rows import Choice, world_manager_rows
from memory_r1.rl.world.make import Size
from tests.tiny_models import make_model


def line(step: int, **metrics: float) -> bytes:
    return json.dumps({"step": step, "data": metrics}).encode() + b"\n"


def test_of_a_step_that_was_done_twice_the_later_metrics_count() -> None:
    lines = [line(1, a=1.0), line(2, a=2.0), line(2, b=3.0), line(1, a=9.0)]
    assert merged(lines) == [Step(1, {"a": 9.0}), Step(2, {"a": 2.0, "b": 3.0})]


def test_the_runs_metrics_go_on_over_attempts_and_lose_no_line_of_one_that_was_killed(tmp_path: Path) -> None:
    first = Follower(tmp_path)
    first.begin()
    (tmp_path / ATTEMPT).write_bytes(line(1, a=1.0) + line(2, a=2.0)[:10])
    assert [step.number for step in first.new()] == [1]
    (tmp_path / ATTEMPT).write_bytes(line(1, a=1.0) + line(2, a=2.0))  # nobody reads on: the launcher was killed
    second = Follower(tmp_path)
    second.begin()
    (tmp_path / ATTEMPT).write_bytes(line(3, a=3.0))
    assert [step.number for step in second.new()] == [3]
    assert second.new() == []
    assert [step.number for step in read_metrics(tmp_path / FILE)] == [1, 2, 3]


def test_the_line_tells_the_step_the_time_left_and_the_main_metrics() -> None:
    progress = Progress(60, started=0.0)
    assert progress.line(4.0) == "starting · 4 s"
    progress.take(Step(1, {"memory_r1/reward/mean": 0.25, "something/else": 1.0}), now=10.0)
    assert progress.line(10.0) == "step 1/60 · reward 0.25"
    progress.take(Step(2, {"memory_r1/reward/mean": 0.5, "actor/entropy": 1.25}), now=12.0)
    assert progress.line(12.0) == "step 2/60 · 2 s/step · 1 min 56 s left · reward 0.5 · entropy 1.25"
    assert progress.summary() == {"memory_r1/reward/mean": 0.5, "actor/entropy": 1.25}


def test_seconds_are_spoken() -> None:
    assert [spoken(second) for second in (12.4, 200, 3900)] == ["12 s", "3 min 20 s", "1 h 5 min"]


def test_the_error_of_a_log_is_its_last_and_innermost(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(
        "\x1b[36m(TaskRunner pid=7)\x1b[0m ValueError: an old one\n"
        "Traceback\nray.exceptions.RayTaskError(RolloutsLostError): ray::TaskRunner.run()\n  File x\n"
        "memory_r1.rl.trainer.errors.RolloutsLostError: step 3: 5 of 48 rollouts were lost\nbye\n"
    )
    assert launch.why(log) == "memory_r1.rl.trainer.errors.RolloutsLostError: step 3: 5 of 48 rollouts were lost"
    log.write_text("no error here\n\n")
    assert launch.why(log) == "no error here"


@pytest.mark.parametrize(
    ("text", "weights"), [("em", {"em": 1.0}), ("em=1, malformed=-0.2", {"em": 1, "malformed": -0.2})]
)
def test_rewards_are_read(text: str, weights: dict[str, float]) -> None:
    assert read_rewards(text) == weights


@lru_cache
def rows(split: str) -> tuple[ManagerRow, ...]:
    return tuple(world_manager_rows(0, split, 6, Choice(Size(1, 8, 60))))


def request(tmp_path: Path, **more: object) -> Request:
    write_rows(tmp_path / "rows.parquet", rows("train"))
    given: dict[str, object] = {
        "roles": ("manager",), "algorithm": "grpo", "config": "tiny-cpu", "data": str(tmp_path / "rows.parquet"),
        "model": str(make_model(tmp_path / "model")), "out": tmp_path / "run",
    }  # fmt: skip
    return Request(**{**given, **more})  # type: ignore[arg-type]


def test_a_request_becomes_one_resolved_config(tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    asked = request(
        tmp_path, rewards="f1=0.5,em=0.5", steps=7, seed=3, answerer="rules", settings=("trainer.save_freq=2",)
    )
    run = prepare(asked)
    config = OmegaConf.load(run.out / "config.yaml")
    assert (run.steps, run.supervised, run.gpus) == (7, False, 1)
    assert run.env["VERL_PLATFORM"] == "cpu"
    assert config.memory_r1.rewards == {"f1": 0.5, "em": 0.5}
    assert (config.memory_r1.answerer, config.memory_r1.seed, config.data.seed) == ("rules", 3, 3)
    assert (config.trainer.total_training_steps, config.trainer.save_freq, config.trainer.test_freq) == (7, 2, -1)
    assert config.critic.model.path == config.actor_rollout_ref.model.path == str(tmp_path / "model")
    assert config.ray_kwargs.ray_init.address == "local"
    assert prepare(asked) == run


def test_another_request_is_refused_in_the_same_folder_but_for_more_steps(tmp_path: Path) -> None:
    prepare(request(tmp_path, steps=7))
    assert prepare(request(tmp_path, steps=9)).steps == 9
    with pytest.raises(InputError, match=r"holds another run, with seed 0 where you say 1"):
        prepare(request(tmp_path, seed=1))


def test_a_cluster_is_joined_with_our_variables_and_its_own_size(tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    config = OmegaConf.load(prepare(request(tmp_path, ray_address="10.0.0.1:6379")).out / "config.yaml")
    given = config.ray_kwargs.ray_init
    assert given.address == "10.0.0.1:6379"
    assert "num_cpus" not in given
    assert given.runtime_env.env_vars.VERL_PLATFORM == "cpu"


def test_what_can_not_be_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="there is no file"):
        prepare(request(tmp_path, data=str(tmp_path / "nothing.parquet")))
    with pytest.raises(SettingsError, match="there is no folder"):
        model_path("local:nowhere")
    with pytest.raises(InputError, match="trains one role"):
        prepare(request(tmp_path, roles=("manager", "answerer")))
    with pytest.raises(InputError, match="--reward is for"):
        prepare(request(tmp_path, algorithm="sft", rewards="em"))
    assert not (tmp_path / "run" / "config.yaml").exists()
    assert model_path("Qwen/Qwen2.5-3B-Instruct") == "Qwen/Qwen2.5-3B-Instruct"


def test_rows_that_leak_are_refused_before_anything_starts(tmp_path: Path) -> None:
    for name, split in (("held", "validation"), ("same", "train")):
        write_rows(tmp_path / f"{name}.parquet", rows(split))
    with pytest.raises(LeakError, match="is also in row"):
        prepare(request(tmp_path, validation=str(tmp_path / "same.parquet")))
    with pytest.raises(LeakError, match="it is of split 'validation'"):
        prepare(request(tmp_path, data=str(tmp_path / "held.parquet")))
    assert not (tmp_path / "run" / "config.yaml").exists()
    prepare(request(tmp_path, validation=str(tmp_path / "held.parquet")))


def test_rows_of_the_world_are_made_once_within_the_models_limits(tmp_path: Path) -> None:
    from memory_r1.rl.training.rows import read_rows

    asked = request(tmp_path, data="world:names=60,sessions=1", steps=1)
    prepare(asked)
    train = tmp_path / "run" / "data" / "manager-train.parquet"
    before = train.stat().st_mtime_ns
    assert len(read_rows(train)) == 12
    prepare(asked)
    assert train.stat().st_mtime_ns == before
    assert plan.is_world("world:names=60")
    assert not plan.is_world("worlds.parquet")


GRANDCHILD = "import time; time.sleep(600)"
FAMILY = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {GRANDCHILD!r}], start_new_session=True)
print(child.pid, flush=True)
time.sleep(float(sys.argv[1]))
"""


def family(seconds: float, token: str) -> tuple[subprocess.Popen[bytes], int]:
    """A guard over a process whose child left its process group; and that child's id."""
    command = [sys.executable, guard.__file__, token, sys.executable, "-c", FAMILY, str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def gone(pid: int, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def closed(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def told(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
@pytest.mark.parametrize("end", [closed, told])
def test_nothing_outlives_the_one_who_asked(end: Callable[[subprocess.Popen[bytes]], None]) -> None:
    process, grandchild = family(600, f"test-{os.getpid()}-{end.__name__}")
    end(process)
    assert process.wait(30) == 128 + signal.SIGTERM
    assert gone(grandchild)
    _release(process)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
def test_a_command_that_ends_by_itself_leaves_no_child_and_tells_its_status() -> None:
    process, grandchild = family(0, f"test-{os.getpid()}-itself")
    assert process.wait(30) == 0
    assert gone(grandchild)
    _release(process)


def _release(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()


def prepared(out: Path, steps: int = 3) -> Prepared:
    out.mkdir(exist_ok=True)
    return Prepared(out, steps, supervised=False, gpus=1)


def fake(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(launch, "command", lambda _run: [sys.executable, "-c", code])


def test_a_run_is_followed_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(
        monkeypatch,
        "import os, json\nwith open(os.environ['VERL_FILE_LOGGER_PATH'], 'w') as file:\n"
        "    for step in (1, 2, 3): file.write(json.dumps({'step': step, 'data': {'train/loss': 3.0 - step}}) + '\\n')",
    )
    seen: list[int] = []
    progress = launch.train(prepared(tmp_path / "run"), lambda now, new: seen.append(now.step) if new else None)
    assert (progress.step, seen) == (3, [1, 2, 3])
    assert [step.metrics["train/loss"] for step in read_metrics(tmp_path / "run" / FILE)] == [2.0, 1.0, 0.0]


def test_a_run_that_fails_tells_why_and_where_the_log_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "raise ValueError('the weights are gone')")
    with pytest.raises(
        TrainingError, match=r"status 1 after step 0 of 3: ValueError: the weights are gone; the log is"
    ):
        launch.train(prepared(tmp_path / "run"))


def test_a_run_that_is_done_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "raise SystemExit(9)")
    folder = tmp_path / "run" / "checkpoints" / "global_step_3"
    folder.mkdir(parents=True)
    for name in ("data.pt", "model_world_size_1_rank_0.pt"):
        (folder / name).write_bytes(b"")
    assert launch.train(prepared(tmp_path / "run")).step == 3


def test_two_commands_never_train_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepared(tmp_path / "run")
    fake(monkeypatch, "import time; time.sleep(600)")

    def meanwhile(_progress: Progress, _new: bool) -> None:
        with pytest.raises(TrainingError, match=r"another command is training in '.*run'"):
            launch.train(run)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch.train(run, meanwhile)
    fake(monkeypatch, "pass")
    launch.train(run)
