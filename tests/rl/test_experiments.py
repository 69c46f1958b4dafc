"""Experiments: what is declared fits together, what is done isn't done again, and the table tells what came out."""

from dataclasses import replace
from pathlib import Path

import pytest

from memory_r1.memory.errors import InputError, SettingsError
from memory_r1.rl.experiments.catalogue import EARLY, EXPERIMENTS, RUNS, START, experiment, needed
from memory_r1.rl.experiments.data import plain, steps_of, write_data
from memory_r1.rl.experiments.folder import Folder, digest, read_setup
from memory_r1.rl.experiments.rows import PARTS, held_out
from memory_r1.rl.experiments.run import Runner
from memory_r1.rl.experiments.table import line, markdown, pair_name
from memory_r1.rl.experiments.training import request
from memory_r1.rl.experiments.types import Run, Scored, Setup
from memory_r1.rl.trainer.configs import check, compose_config, find
from memory_r1.rl.trainer.settings import read_settings
from memory_r1.rl.training.rows import read_rows
from memory_r1.rl.training.sft import Example

SETUP = Setup("policy", "answerer", "oracle", "world:names=60,sessions=2,turns=8", held=6, scale=0.04)


def scored(*values: float, kind: str = "add") -> list[Scored]:
    return [Scored(f"r{at}", f"c{at % 3}", kind, value, 0, 0.25, 1.0) for at, value in enumerate(values)]


def test_every_run_of_every_experiment_is_declared():
    names = [one.name for one in EXPERIMENTS]
    assert len(set(names)) == len(names)
    assert {run.name for run in needed(tuple(names))} == set(RUNS)
    with pytest.raises(InputError, match="'z'"):
        experiment("z")


@pytest.mark.parametrize("name", ["ppo-manager", "session-manager", "grpo-answerer"])
def test_a_run_s_rows_are_its_own_and_none_is_held_out(name: str, tmp_path: Path):
    run = RUNS[name]
    train, validation = write_data(run, SETUP, 1, tmp_path / "one")
    rows = read_rows(train)
    assert len(rows) == steps_of(run, SETUP) * run.rows
    other = read_rows(write_data(run, SETUP, 2, tmp_path / "two")[0])
    held = {row.conversation for test in PARTS for row in held_out(test, SETUP)}
    told = [{row.conversation for row in part} for part in (rows, other, read_rows(validation))]
    assert not told[0] & told[1]
    assert not held & (told[0] | told[1] | told[2])


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_every_run_s_config_composes_and_its_numbers_fit(run: Run, tmp_path: Path):
    pytest.importorskip("verl")
    setup = replace(SETUP, policy=str(tmp_path), answerer_policy=str(tmp_path))
    asked = request(run, Folder(tmp_path, setup), 1, tmp_path / "train.parquet")
    overrides = [f"out={asked.out}", f"data.train_files={asked.data}", "data.val_files=null", *asked.settings]
    config = compose_config(find(asked.config, asked.algorithm, run.role), overrides)
    check(config)
    if run.algorithm == "sft":
        assert config.data.train_batch_size == run.rows
        return
    settings, many = read_settings(config), config.actor_rollout_ref.rollout.n
    assert settings.role == run.role
    assert config.data.train_batch_size == run.rows
    decisions = run.rows * many * (settings.session.rolls * run.turns if run.turns > 1 else 1)
    assert decisions == (192 if run.natural else 96)
    longer = {"patient": 150, "careful": 60}
    assert run.steps == (12 if run.natural else next((n for word, n in longer.items() if word in run.name), 30))


def test_a_setup_s_settings_are_those_of_every_rl_run_that_has_none_of_its_own(tmp_path: Path):
    rate = "actor_rollout_ref.actor.optim.lr"
    folder = Folder.open(tmp_path, replace(SETUP, settings=(f"{rate}=1e-3",)))
    assert read_setup(tmp_path) == folder.setup

    def rates(name: str) -> list[str]:
        asked = request(RUNS[name], folder, 1, tmp_path / "train.parquet")
        return [part for part in asked.settings if part.startswith(rate)]

    assert rates("grpo-manager") == [f"{rate}=1e-3"]
    assert rates("session-manager") == [f"{rate}=5e-5"]
    assert rates("sft-manager") == []


def test_an_answerer_without_selection_gives_the_answer_alone():
    messages = ({"role": "system", "content": "select"}, {"role": "user", "content": "Memories"})
    made = plain(Example("answerer", messages, '{"selected":["1"],"answer":"Oslo"}', ("present",), "w", "Rome"))
    assert made.reply == '{"answer":"Oslo"}'
    assert made.messages[1] == messages[1]
    assert made.messages[0]["content"] != "select"


def test_a_folder_keeps_one_setup(tmp_path: Path):
    Folder.open(tmp_path, SETUP)
    assert read_setup(tmp_path) == SETUP
    with pytest.raises(InputError, match="held"):
        Folder.open(tmp_path, replace(SETUP, held=7))
    with pytest.raises(InputError, match="no experiments"):
        read_setup(tmp_path / "none")


def test_a_policy_without_weights_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="safetensors"):
        digest(str(tmp_path))


def test_scores_come_back_as_they_were_kept(tmp_path: Path):
    folder = Folder.open(tmp_path, SETUP)
    folder.keep("manager", "x", scored(0.5, 1.0))
    assert folder.scores("manager", "x") == scored(0.5, 1.0)
    assert folder.scores("manager", "y") is None
    (tmp_path / "scores" / "manager" / "x.json").write_text("[{]")
    with pytest.raises(InputError, match="delete it"):
        folder.scores("manager", "x")


def test_a_line_has_the_mean_of_the_seeds_and_the_gain():
    found = line("grpo", {1: scored(1.0, 1.0, 0.0), 2: scored(1.0, 0.0, 0.0)}, scored(0.0, 0.0, 0.0))
    assert found.seeds == {1: pytest.approx(2 / 3), 2: pytest.approx(1 / 3)}
    assert found.mean.mean == pytest.approx(0.5)
    assert found.gain is not None
    assert found.gain.mean == pytest.approx(0.5)
    assert found.kinds == {"add": pytest.approx(0.5)}


def test_a_gain_is_over_the_same_rows_or_none():
    assert line("grpo", {1: scored(1.0, 1.0)}, scored(0.0)).gain is None


def test_a_wrong_answer_costs_where_an_experiment_says_so():
    rows = [replace(one, wrong=value) for one, value in zip(scored(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), strict=True)]
    found = line("grpo", {1: rows}, scored(0.0, 0.0, 0.0), cost=1.0)
    assert (found.mean.mean, found.right, found.wrong) == (0.0, pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert found.gain and found.gain.mean == 0.0
    assert line("grpo", {1: rows}, None).mean.mean == pytest.approx(1 / 3)


class Trainer:
    """Makes policies of nothing; `broken` runs fail."""

    def __init__(self, broken: str = "") -> None:
        self.made: list[str] = []
        self.broken = broken

    def __call__(self, run: Run, folder: Folder, seed: int) -> Path:
        self.made.append(f"{run.name}-s{seed}")
        if run.name == self.broken:
            raise InputError("no more room")
        policy = folder.policy(run, seed)
        policy.mkdir(parents=True)
        (policy / "config.json").write_text("{}")
        return policy


class Measured(Runner):
    """Measures nothing: everyone earns a half."""

    def _measured(self, test, name, players) -> None:
        if self._folder.scores(test, name) is None:
            self._folder.keep(test, name, scored(0.5, 0.5, 0.5))


def test_what_is_done_is_not_done_again(tmp_path: Path):
    folder, trainer, told = Folder.open(tmp_path, SETUP), Trainer(), list[str]()
    assert Measured(folder, trainer, told.append).run(["a", "e"], [1])
    assert trainer.made == ["grpo-manager-s1", "shuffled-manager-s1", "grpo-answerer-s1"]
    assert Measured(folder, trainer, told.append).run(["a", "e"], [1])
    assert len(trainer.made) == 3
    assert folder.scores("manager", START) is not None
    assert folder.scores("together", f"{pair_name('grpo-manager', 'grpo-answerer')}-s1") is not None


def test_an_early_answerer_starts_where_managers_do(tmp_path: Path):
    folder, made = Folder.open(tmp_path, SETUP), Trainer()
    assert Measured(folder, made, print).run(["i"], [1])
    assert made.made == ["early-answerer-s1", "shuffled-early-answerer-s1"]
    assert folder.scores("answerer", EARLY) is not None and folder.scores("answerer", START) is None
    assert f"| {EARLY} | 50.0" in markdown(folder)
    models = {name: request(RUNS[name], folder, 1, tmp_path).model for name in ("early-answerer", "grpo-answerer")}
    assert models == {"early-answerer": SETUP.policy, "grpo-answerer": SETUP.answerer_policy}


def test_a_failed_run_is_told_and_stops_no_other(tmp_path: Path):
    folder, told = Folder.open(tmp_path, SETUP), list[str]()
    assert not Measured(folder, Trainer("grpo-manager"), told.append).run(["a"], [1, 2])
    assert set(folder.failed()) == {"grpo-manager-s1", "grpo-manager-s2"}
    text = markdown(folder)
    assert "Failed: grpo-manager-s1: no more room" in text
    assert "| shuffled-manager |" in text
    assert "Not run: grpo-manager (seed 1)" in text
    assert Measured(folder, Trainer(), told.append).run(["a"], [1])
    assert set(folder.failed()) == {"grpo-manager-s2"}


def test_the_table_shows_what_always_noop_and_the_oracle_earn(tmp_path: Path):
    folder = Folder.open(tmp_path, SETUP)
    folder.keep("manager", START, scored(0.5, 0.5, 0.5))
    folder.keep("manager", "grpo-manager-s1", scored(1.0, 1.0, 0.5))
    text = markdown(folder)
    assert "| always-noop | 25.0 [25.0, 25.0] |" in text
    assert "| oracle | 100.0 [100.0, 100.0] |" in text
    assert "| grpo-manager | 83.3" in text


def test_held_out_rows_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Seen(Runner):
        def rows(self, test):
            return self._held_out(test)

    folder = Folder.open(tmp_path, SETUP)
    made = Seen(folder, Trainer(), print).rows("answerer")
    assert list(made) == list(held_out("answerer", SETUP))
    monkeypatch.setattr("memory_r1.rl.experiments.run.held_out", None)
    assert Seen(folder, Trainer(), print).rows("answerer") == made
