"""The best checkpoint is kept by validation reward, whatever verl rotates away; and settings are read strictly."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

OmegaConf = pytest.importorskip("omegaconf").OmegaConf

from memory_r1.memory.errors import SettingsError  # noqa: E402
from memory_r1.rl.trainer.best import Best  # noqa: E402
from memory_r1.rl.trainer.settings import read_settings  # noqa: E402


def config(folder: Path, save: int = 1, resume: str = "auto") -> Any:
    trainer = {"save_freq": save, "default_local_dir": str(folder / "checkpoints"), "resume_mode": resume}
    return OmegaConf.create({"trainer": trainer, "actor_rollout_ref": {"model": {"path": "start/model"}}})


def checkpoint(folder: Path, step: int) -> Path:
    made = folder / "checkpoints" / f"global_step_{step}"
    (made / "actor").mkdir(parents=True)
    (made / "actor" / "model.pt").write_text(f"weights {step}")
    (made / "data.pt").write_text("")
    return made


def told(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "best.json").read_text())


def test_the_best_stays_when_verl_removes_its_own(tmp_path: Path) -> None:
    best = Best.of(config(tmp_path))
    for step, reward in ((1, 0.5), (2, 0.7), (3, 0.6)):
        made = checkpoint(tmp_path, step)
        assert best.saved(step)
        if best.beaten_by(reward):
            best.keep(step, reward)
        shutil.rmtree(made)
    assert told(tmp_path) == {"step": 2, "reward": 0.7, "path": str(tmp_path / "checkpoints/best/global_step_2")}
    assert (Path(told(tmp_path)["path"]) / "actor" / "model.pt").read_text() == "weights 2"
    assert [one.name for one in (tmp_path / "checkpoints" / "best").iterdir()] == ["global_step_2"]


def test_a_run_that_goes_on_knows_its_best_and_one_that_starts_anew_does_not(tmp_path: Path) -> None:
    checkpoint(tmp_path, 4)
    Best.of(config(tmp_path)).keep(4, 0.7)
    assert not Best.of(config(tmp_path)).beaten_by(0.7)
    assert Best.of(config(tmp_path)).beaten_by(0.71)
    assert Best.of(config(tmp_path, resume="disable")).beaten_by(0.1)


def test_the_start_is_the_best_until_a_step_does_better(tmp_path: Path) -> None:
    Best.of(config(tmp_path)).keep(0, 0.4)
    assert told(tmp_path) == {"step": 0, "reward": 0.4, "path": "start/model"}


def test_a_run_without_checkpoints_keeps_none(tmp_path: Path) -> None:
    best = Best.of(config(tmp_path, save=-1))
    assert not best.beaten_by(9.0)
    assert not best.saved(1)


@pytest.mark.parametrize(
    ("key", "value"), [("role", "extractor"), ("max_lost", 2), ("rewards", {}), ("steps", 3), ("session", {"rolls": 0})]
)
def test_settings_name_the_key_that_is_wrong(key: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf"memory_r1\.{key}"):
        read_settings(OmegaConf.create({"memory_r1": {key: value}}))


def test_settings_without_a_section_are_the_usual_ones() -> None:
    assert read_settings({}).rewards == {"em": 1.0}
