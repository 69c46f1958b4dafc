"""What the flows are made of, without a Prefect server: keys, pictures, names, the deployments' file."""

import inspect
import json
import logging
import os
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.plugins import HookContext
from prefect.utilities.importtools import import_object
from pydantic import ValidationError

from memory_r1.flows import names
from memory_r1.flows.pipeline import work
from memory_r1.flows.pipeline.pipeline import Gate, Steps
from memory_r1.memory.errors import InputError, SettingsError, StoreUnavailableError
from memory_r1.rl.report.picture import image, reward_picture
from memory_r1.rl.trainer.errors import TrainingError

INFRA = Path(__file__).resolve().parents[2] / "infra"


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEMORY_R1_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def test_the_same_inputs_have_the_same_place_and_others_another(runs: Path) -> None:
    found = work.place("rows", {"task": "world", "rows": 3})
    assert found == work.place("rows", {"rows": 3, "task": "world"})
    assert found.parent == runs / "rows"
    assert found != work.place("rows", {"task": "world", "rows": 4})


def test_other_source_is_another_place(monkeypatch: pytest.MonkeyPatch) -> None:
    found = work.place("rows", {})
    assert len(work.source()) == 64
    monkeypatch.setattr(work, "source", lambda: "other")
    assert found != work.place("rows", {})


def test_a_signature_changes_with_any_file(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a").write_text("1")
    before = work.signature(str(folder))
    assert before == work.signature(str(folder))
    os.utime(folder / "deep" / "a", ns=(1, 1))
    assert before != work.signature(str(folder))
    assert work.signature("") == work.signature(str(tmp_path / "none")) == []
    assert len(work.signature(str(folder / "deep" / "a"))) == 1


class Failed:
    """A state that failed by an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def result(self, raise_on_failure: bool) -> Exception:
        assert not raise_on_failure
        return self.error


@pytest.mark.parametrize("kind", [TrainingError, StoreUnavailableError])
def test_what_may_pass_is_tried_again(kind: Callable[[str], Exception]) -> None:
    assert work.may_pass(None, None, Failed(kind("away")))


@pytest.mark.parametrize("kind", [InputError, SettingsError, ValueError])
def test_what_is_wrong_is_not_tried_again(kind: Callable[[str], Exception]) -> None:
    assert not work.may_pass(None, None, Failed(kind("wrong")))


def test_a_short_name_means_flow_and_deployment() -> None:
    assert names.full_name("train-manager") == names.full_name("train-manager/train-manager")
    assert names.full_name("train-manager/nightly") == "train-manager/nightly"


async def test_prefect_does_not_take_short_names_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails, Prefect has learned it, and `flows/names.py` can go."""
    asked: list[str] = []
    nobody: Any = None

    async def read(_: PrefectClient, name: str) -> None:
        asked.append(name)

    with pytest.raises(ValueError, match="Expected format"):
        await inspect.unwrap(PrefectClient.read_deployment_by_name)(nobody, "train-manager")
    monkeypatch.setattr(PrefectClient, "read_deployment_by_name", read)
    for _ in range(2):  # teaching twice is teaching once
        names.setup_environment(ctx=HookContext("3", None, logging.getLogger))
    await PrefectClient.read_deployment_by_name(nobody, "train-manager")
    await PrefectClient.read_deployment_by_name(nobody, "train-manager/nightly")
    assert asked == ["train-manager/train-manager", "train-manager/nightly"]


def test_every_deployment_is_a_flow_of_its_name() -> None:
    deployments = yaml.safe_load((INFRA / "prefect.yaml").read_text())["deployments"]
    assert {one["name"] for one in deployments} == {
        "prepare-data", "train-manager", "train-answerer", "evaluate", "memory-r1-pipeline",
    }  # fmt: skip
    for one in deployments:
        found = import_object(one["entrypoint"])
        assert isinstance(found, Flow)
        assert found.name == one["name"]
        assert found.description
        assert set(found.parameters.properties) == set(found.fn.__annotations__) - {"return"}
        told = [found.parameters.properties[name].get("description") for name in found.parameters.properties]
        assert all(told), f"{found.name}: a parameter that the interface doesn't explain"


@pytest.mark.parametrize("wrong", [{"sft": -1}, {"manager": 0}, {"others": 3}])
def test_steps_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Steps(**wrong)


@pytest.mark.parametrize("wrong", [{"margin": 2}, {"split": "train"}, {"metric": "luck"}])
def test_a_gate_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Gate.model_validate(wrong)


def test_a_picture_stands_alone() -> None:
    svg = '<svg viewBox="0 0 10 20" role="img" xmlns="http://www.w3.org/2000/svg"><path stroke="var(--s3)"/></svg>'
    kind, _, data = image(svg).partition(",")
    assert kind == "data:image/svg+xml;base64"
    root = ElementTree.fromstring(b64decode(data))
    assert b"var(" not in b64decode(data)
    assert [child.tag.rpartition("}")[2] for child in root] == ["rect", "path"]
    assert root.get("viewBox") == "-12 -12 34 44"


def test_a_run_without_reward_has_no_picture(tmp_path: Path) -> None:
    line = {"step": 1, "data": {"train/loss": 0.5}}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert reward_picture(tmp_path) == ""
    line["data"] = {"memory_r1/reward/mean": 0.5}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert reward_picture(tmp_path).startswith("data:image/svg+xml;base64,")
