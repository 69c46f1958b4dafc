"""The recipe of the shipped policy: every stage is a command that can start, and what is done is not done again."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("verl", reason="training is an extra: pip install 'memory-r1[train]'")

from memory_r1.graphs.local.folder import read_limits
from memory_r1.rl.tiny import data, recipe
from memory_r1.rl.tiny.make import LIMITS, make
from memory_r1.rl.trainer import launch, plan
from memory_r1.rl.trainer.progress import Progress


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    make(tmp_path / "made", "test", worlds=2)
    data.write(tmp_path / "data", worlds=1)
    return tmp_path


def test_every_stage_prepares_and_begins_where_the_one_before_ended(begun: Path, monkeypatch: pytest.MonkeyPatch):
    trained: list[plan.Prepared] = []
    exported: list[tuple[str, str]] = []

    def train(run: plan.Prepared, _tell: launch.OnProgress) -> Progress:
        trained.append(run)
        return Progress(run.steps, run.steps)

    def export(out: Path, folder: Path, which: str = "best") -> None:
        exported.append((str(folder.relative_to(begun)), which))
        shutil.copytree(begun / "made", folder)

    monkeypatch.setattr(launch, "train", train)
    monkeypatch.setattr(recipe, "export", export)
    policy = recipe.follow(begun)
    assert policy == begun / "tiny" / "policy" and read_limits(policy) == LIMITS
    assert [(run.out.name, run.steps, run.supervised) for run in trained] == [
        ("recall", 900, True), ("start", 3_500, True), ("longer", 9_000, True),
        ("longest", 14_000, True), ("tiny", 14_000, True),
    ]  # fmt: skip
    assert exported == [
        ("recall/policy", "best"), ("start/early", "1000"), ("start/policy", "best"),
        ("longer/policy", "best"), ("longest/policy", "best"), ("tiny/policy", "best"),
    ]  # fmt: skip
    config = (begun / "tiny" / "config.yaml").read_text()
    assert str(begun / "longest" / "policy") in config and "lr: 0.0015" in config
    assert recipe.follow(begun) == policy and len(trained) == 5
