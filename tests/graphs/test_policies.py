"""The policy registry: what is published, what is in use, what is refused, and what a crash leaves."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import policy_worker
import pytest
from policy_worker import NOW, make_folder, put, state

from memory_r1.graphs.policies.registry import Registry
from memory_r1.graphs.policies.types import Decision, read_candidate, standing, withdrawn
from memory_r1.memory.errors import (
    DamagedPolicyError,
    PolicyError,
    SettingsError,
    StoreUnavailableError,
    UnknownPolicyError,
)

WORKER = Path(policy_worker.__file__)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "model", hits=3)


def start(registry: Registry, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), str(registry.folder), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_policy_is_copied_named_by_number_and_content_and_put_in_use(registry: Registry, model: Path):
    assert registry.in_use() is None and registry.ids() == registry.decisions() == [] and registry.mark() == b""
    id = put(registry, manager=model, answerer="openai:m@http://127.0.0.1:9/v1")
    found = registry.in_use()
    assert found is not None and found.id == id and id == f"v0001-{found.digest[:8]}"
    assert found.roles == {"extractor": "rules", "manager": "./manager", "answerer": "openai:m@http://127.0.0.1:9/v1"}
    assert (found.source, found.created, found.given["manager"]) == ("test", NOW, str(model))
    copied = registry.folder / "versions" / id / "manager"
    assert registry.models(found)["manager"] == f"local:{copied}"
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == {
        path.name: path.read_bytes() for path in model.iterdir()
    }
    shutil.rmtree(model)
    assert registry.verify(id) == found and registry.mark()


def test_roles_of_one_content_have_one_folder_and_content_alone_makes_the_digest(tmp_path: Path, model: Path):
    twin = Path(shutil.copytree(model, tmp_path / "elsewhere" / "twin"))
    both = read_candidate({"manager": str(model), "answerer": f"local:{twin}"})
    assert both.roles["manager"] == both.roles["answerer"] == "./manager" and list(both.folders) == ["manager"]
    assert len(set(both.models().values())) == 2  # rules, and the one folder
    assert both.digest == read_candidate({"answerer": str(model), "manager": str(twin)}).digest
    (twin / "model.safetensors").write_text("other")
    other = read_candidate({"manager": str(model), "answerer": str(twin)})
    assert other.digest != both.digest and set(other.folders) == {"manager", "answerer"}
    assert read_candidate({"manager": "rules"}).digest == read_candidate({"answerer": "rules"}).digest


def test_the_same_content_is_one_version_and_a_damaged_one_is_published_anew(registry: Registry, model: Path):
    first = put(registry, manager=model)
    second = put(registry, manager="rules")
    assert put(registry, manager=model) == first and registry.ids() == [first, second]
    (registry.folder / "versions" / first / "manager" / "model.safetensors").write_text("WEIGHTS")
    assert put(registry, manager=model) == f"v0003-{first[-8:]}"


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({}, "a policy needs a model for some role"),
        ({"judge": "rules"}, "there is no role 'judge'"),
        ({"manager": "nowhere/model"}, "manager: 'nowhere/model' is neither a folder nor a model"),
        ({"manager": "policy:there"}, "is a policy itself"),
        ({"manager": "openai:m@http://me:hush@host/v1"}, "holds a secret, which a registry must not keep"),
        ({"extractor": "tiny"}, "plays no extractor, but manager and answerer"),
        ({"manager": "local:/nowhere"}, "there is no folder '/nowhere'"),
    ],
)
def test_what_can_t_be_a_policy_is_refused(registry: Registry, roles: dict[str, str], message: str):
    with pytest.raises(SettingsError, match=message) as refused:
        put(registry, **roles)
    assert "hush" not in str(refused.value) and not registry.folder.exists()


def test_a_folder_that_changes_while_it_is_copied_is_refused(registry: Registry, model: Path):
    candidate = read_candidate({"manager": str(model)})
    (model / "tokenizer.json").write_text("[]")
    with pytest.raises(SettingsError, match="changed while it was copied"):
        registry.store(candidate, "test", {}, NOW)
    (model / "tokenizer.json").unlink()
    with pytest.raises(SettingsError, match="changed while it was copied"):
        registry.store(candidate, "test", {}, NOW)
    assert registry.ids() == []


def test_rollback_goes_one_back_each_time_and_every_decision_is_in_the_log(registry: Registry, tmp_path: Path):
    ids = [put(registry, manager=make_folder(tmp_path / str(n), str(n))) for n in range(3)]
    back = registry.rollback("", "worse", NOW, "me")
    assert (back.kind, back.version, back.previous, back.promoted) == ("rolled back", ids[1], ids[2], False)
    assert registry.rollback("", "worse still", NOW, "me").version == ids[0] == registry.used()
    with pytest.raises(PolicyError, match=f"{ids[0]} has no policy before it"):
        registry.rollback("", "again", NOW, "me")
    assert registry.rollback(ids[2], "not so bad", NOW, "me").version == ids[2]
    with pytest.raises(PolicyError, match="in use already"):
        registry.rollback(ids[2], "again", NOW, "me")
    with pytest.raises(UnknownPolicyError, match="there is no policy 'v0009-00000000'"):
        registry.rollback("v0009-00000000", "again", NOW, "me")
    log = [json.loads(line) for line in (registry.folder / "log.jsonl").read_text().splitlines()]
    assert [(one["number"], one["kind"], one["version"]) for one in log] == [
        (1, "promoted", ids[0]), (2, "promoted", ids[1]), (3, "promoted", ids[2]),
        (4, "rolled back", ids[1]), (5, "rolled back", ids[0]), (6, "rolled back", ids[2]),
    ]  # fmt: skip
    assert log[3]["reason"] == "worse" and log[3]["by"] == "me"


def test_there_is_nothing_to_roll_back_before_the_first(registry: Registry):
    with pytest.raises(PolicyError, match="no policy is in use"):
        registry.rollback("", "no", NOW, "me")


def decisions(*steps: tuple[str, str]) -> list[Decision]:
    """Decisions that end in these kinds and versions."""
    before, found = "", []
    for number, (kind, version) in enumerate(steps, 1):
        found.append(Decision(number, kind, version, before, "", NOW, ""))  # type: ignore[arg-type]
        before = version
    return found


def test_what_stands_after_promotions_and_rollbacks():
    promoted, back = "promoted", "rolled back"
    assert standing([]) == []
    assert standing(decisions((promoted, "a"), (promoted, "b"), ("kept", "b"), (promoted, "c"))) == ["a", "b", "c"]
    twice = decisions((promoted, "a"), (promoted, "b"), (promoted, "c"), (back, "b"), (promoted, "d"), (back, "b"))
    assert standing(twice) == ["a", "b"]
    assert withdrawn("c", twice) == twice[3] and withdrawn("d", twice) == twice[5] and withdrawn("b", twice) is None
    far = decisions((promoted, "a"), (promoted, "b"), (promoted, "c"), (back, "a"), (back, "x"))
    assert standing(far) == ["x"]
    assert withdrawn("c", [*far, *decisions((promoted, "c"))]) is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "manager" / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "manager" / "config.json").write_text("{ }"), "config.json has 3 bytes instead of 2"),
        (lambda folder: (folder / "policy.json").write_text("{"), "policy.json"),
        (lambda folder: (folder / "policy.json").unlink(), "policy.json"),
        (
            lambda folder: (folder / "policy.json").write_text(
                (folder / "policy.json").read_text().replace('"rules"', '"openai:evil"')
            ),
            "policy.json was changed",
        ),
        (lambda folder: shutil.rmtree(folder), "its folder is gone"),
    ],
)
def test_damage_that_shows_is_an_error_whenever_the_policy_is_used(registry: Registry, model: Path, damage, message):
    before = put(registry, manager="rules")
    id = put(registry, manager=model)
    damage(registry.folder / "versions" / id)
    with pytest.raises(DamagedPolicyError, match=message) as refused:
        registry.in_use()
    assert "roll back" in str(refused.value)
    assert registry.rollback("", "damaged", NOW, "me").version == before and registry.in_use() is not None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.safetensors").write_text("WEIGHTS"), "manager/model.safetensors was changed"),
        (lambda folder: (folder / "more.safetensors").write_text("x"), "manager/more.safetensors was not published"),
    ],
)
def test_damage_of_bytes_alone_is_found_when_the_files_are_compared(registry: Registry, model: Path, damage, message):
    id = put(registry, manager=model)
    put(registry, manager="rules")
    damage(registry.folder / "versions" / id / "manager")
    assert registry.policy(id).id == id
    for use in (registry.verify, lambda id: registry.rollback(id, "", NOW, "me")):
        with pytest.raises(DamagedPolicyError, match=message):
            use(id)
    with pytest.raises(DamagedPolicyError, match=message):
        registry.promote(id, "", NOW, "me")


def test_a_log_or_pointer_that_can_t_be_read_is_named(registry: Registry):
    put(registry, manager="rules")
    log = registry.folder / "log.jsonl"
    good = log.read_bytes()
    log.write_bytes(b"{}\n" + good)
    with pytest.raises(DamagedPolicyError, match=r"log.jsonl', line 1"):
        registry.decisions()
    log.write_bytes(good)
    (registry.folder / "in_use.json").write_text("{")
    with pytest.raises(DamagedPolicyError, match=r"in_use.json"):
        registry.in_use()


def test_a_decision_that_a_crash_kept_from_the_log_is_made_good_from_the_pointer(registry: Registry):
    first = put(registry, manager="rules")
    put(registry, manager="openai:m")
    log = registry.folder / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + lines[1][:20])  # cut off in the middle of the second line
    assert [one.number for one in registry.decisions()] == [1, 2]
    assert registry.rollback("", "", NOW, "me").version == first
    assert [json.loads(line)["number"] for line in log.read_text().splitlines()] == [1, 2, 3]
    assert log.read_bytes().startswith(lines[0] + lines[1])


def test_what_an_earlier_publisher_left_is_never_listed_and_removed_by_the_next(registry: Registry, model: Path):
    put(registry, manager="rules")
    left = registry.folder / "versions" / ".new-v0002-00000000"
    shutil.copytree(model, left / "manager")
    assert len(registry.ids()) == 1
    put(registry, manager=model)
    assert not left.exists() and len(registry.ids()) == 2


def test_a_disk_that_refuses_is_said_and_nothing_is_decided(registry: Registry, tmp_path: Path):
    (tmp_path / "registry").write_text("a file")
    with pytest.raises(StoreUnavailableError, match="can't write"):
        put(registry, manager="rules")


def test_killed_at_every_step_a_publisher_leaves_a_registry_that_works(registry: Registry):
    worker = start(registry, "points")
    out, err = worker.communicate(timeout=240)
    assert worker.returncode == 0, err
    found = json.loads(out)
    assert found["killed"] > 20 and found["versions"] >= 2 and found["left"] == []
    assert found["numbers"] == list(range(1, len(found["numbers"]) + 1))


def test_killed_at_any_time_a_publisher_leaves_a_registry_that_works(registry: Registry, tmp_path: Path):
    put(registry, manager=make_folder(tmp_path / "first", "first"))
    for number in range(3):
        worker = start(registry, "many", 1_000, f"round{number}")
        goal = len(registry.ids()) + 3 + 2 * number
        while len(registry.ids()) < goal and worker.poll() is None:
            time.sleep(0.005)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        state(registry)
    id = put(registry, manager=make_folder(tmp_path / "last", "last"))
    assert registry.used() == id == state(registry)[-1]
    assert sorted(path.name for path in (registry.folder / "versions").iterdir()) == registry.ids()


def test_publishers_at_the_same_time_take_turns(registry: Registry):
    workers = [start(registry, "many", 8, seed) for seed in ("a", "b")]
    for worker in workers:
        _, err = worker.communicate(timeout=240)
        assert worker.returncode == 0, err
    ids = state(registry)
    assert [int(id[1:5]) for id in ids] == list(range(1, 17))
    made = registry.decisions()
    assert [one.number for one in made] == list(range(1, 17))
    assert [one.previous for one in made] == ["", *(one.version for one in made[:-1])]
    assert sum(one.promoted for one in made) >= 8
