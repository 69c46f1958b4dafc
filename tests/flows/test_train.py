"""`memory-r1 train`: what it says, what it refuses, and that a real run resumes after a kill and ends as a policy."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import run

from memory_r1.rl.training.rows import write_rows
from memory_r1.rl.training.world_rows import Choice, world_manager_rows
from memory_r1.rl.world.make import Size
from tests.tiny_models import make_model

pytest.importorskip("verl", reason="needs pip install 'memory-r1[train]'")

ENDED = """
import json, os, shutil, torch
from pathlib import Path
from transformers import AutoModelForCausalLM, AutoTokenizer
start = {start!r}
with open(os.environ["VERL_FILE_LOGGER_PATH"], "w") as file:
    for step in (1, 2):
        file.write(json.dumps({{"step": step, "data": {{"train/loss": 2.0 - step}}}}) + "\\n")
folder = Path("checkpoints/global_step_2")
model = AutoModelForCausalLM.from_pretrained(start)
model.config.save_pretrained(folder / "huggingface")
AutoTokenizer.from_pretrained(start).save_pretrained(folder / "huggingface")
torch.save(model.state_dict(), folder / "model_world_size_1_rank_0.pt")
torch.save({{}}, folder / "data_0.pt")
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "start", positions=2_048)


def asked(tmp_path: Path, model: Path, *more: object) -> list[object]:
    write_rows(tmp_path / "rows.parquet", world_manager_rows(0, "train", 6, Choice(Size(1, 8, 60))))
    data = ["--data", tmp_path / "rows.parquet", "--out", tmp_path / "run", "--model", model]
    return ["train", "manager", *data, *more]


def test_it_trains_exports_and_tells_where(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from memory_r1.rl.trainer import launch

    monkeypatch.setattr(launch, "command", lambda _run: [sys.executable, "-c", ENDED.format(start=str(model))])
    done = run(*asked(tmp_path, model, "--algorithm", "sft", "--steps", "2"))
    assert done.exit_code == 0, done.stderr
    assert re.search(r"step 2/2 · .*loss 0", done.stderr)
    assert "the policy after step 2" in done.stdout
    assert (tmp_path / "run" / "policy" / "model.safetensors").is_file()
    told = json.loads(run("--json", *asked(tmp_path, model, "--algorithm", "sft", "--steps", "2")).stdout)
    assert told["steps"] == 2
    assert told["policy"]["step"] == 2
    copied = run("train", "export", tmp_path / "run", tmp_path / "copy", "--which", "last")
    assert copied.exit_code == 0, copied.stderr
    assert (tmp_path / "copy" / "config.json").is_file()


def test_a_run_that_fails_is_one_line_that_names_the_log(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memory_r1.rl.trainer import launch

    monkeypatch.setattr(launch, "command", lambda _run: [sys.executable, "-c", "raise RuntimeError('no weights')"])
    done = run(*asked(tmp_path, model))
    assert done.exit_code == 1
    assert done.stderr.strip().count("\n") == 0
    assert "RuntimeError: no weights" in done.stderr
    assert "log.txt" in done.stderr


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--algorithm", "dpo"], "there is no algorithm 'dpo': choose from grpo, ppo, sft"),
        (["--config", "nothing"], "there is no config 'nothing': choose from"),
        (["--set", "trainer.save_freq"], "is no KEY=VALUE"),
        (["--set", "trainer.nothing=1"], "can't be composed"),
        (["--reward", "em=much"], "is no weight"),
        (["--roles", "manager"], "--roles is for sft"),
        (["--config", "paper/qwen2.5-7b-ppo-manager"], "is not for grpo of the manager"),
    ],
)
def test_what_can_not_be_is_refused(tmp_path: Path, model: Path, more: list[str], complaint: str) -> None:
    done = run(*asked(tmp_path, model, *more))
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_without_a_model_it_says_so(tmp_path: Path) -> None:
    done = run("train", "manager", "--data", "world", "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert "give --model FOLDER" in done.stderr


def test_the_configs_are_listed_with_their_algorithms() -> None:
    found = {row["name"]: row["algorithms"] for row in json.loads(run("--json", "train", "configs").stdout)}
    assert found["tiny-cpu"] == found["paper/qwen2.5-7b"] == ["grpo", "ppo", "sft"]


def alive(out: Path) -> list[int]:
    """Processes that work for the run in `out`."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes()
        except OSError:
            continue
        if f"VERL_FILE_LOGGER_PATH={out}/".encode() in variables and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_a_real_run_is_killed_resumed_and_becomes_a_policy_that_answers(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "run"
    command = [
        str(Path(sys.executable).with_name("memory-r1")), "train", "manager", "--algorithm", "sft",
        "--data", "world:names=60,sessions=2,turns=8,conversations=20", "--model", str(model), "--out", str(out),
        "--set", "data.train_batch_size=8", "--set", "trainer.save_freq=2", "--set", "data.max_length=2048",
    ]  # fmt: skip
    first = subprocess.Popen([*command, "--steps", "100000"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    mark = out / "checkpoints" / "latest_checkpointed_iteration.txt"
    until = time.monotonic() + 400
    while not mark.is_file() and time.monotonic() < until and first.poll() is None:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    kept = int(mark.read_text())
    until = time.monotonic() + 60
    while alive(out) and time.monotonic() < until:
        time.sleep(0.1)
    assert alive(out) == []
    last = kept + 20
    done = subprocess.run([*command, "--steps", str(last)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line)["step"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert steps[-1] == last
    assert steps.count(1) == 1, "it went on, and did not begin anew"
    answer = run("--model", f"local:{out / 'policy'}", "--store", "memory://", "ask", "Where?", "--bank", "anna")
    assert "can't be loaded" not in answer.stderr
