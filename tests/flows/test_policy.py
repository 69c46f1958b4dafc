"""`memory-r1 policy`: publish, look, promote, roll back; and `--model policy`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import process, read, run
from policy_worker import make_folder

from memory_r1.graphs.policies.registry import Registry
from tests.rl.test_metrics import needs_punkt

WORLD = ("--task", "world:conversations=2,sessions=1,turns=8,names=120", "--limit-questions", 6, "--gold")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("MEMORY_R1_POLICIES", str(tmp_path / "registry"))
    return Registry(tmp_path / "registry")


def forced(*roles: str) -> str:
    words = [word for role in roles for word in ("--role", role)]
    return read("policy", "promote", *words, "--force", "--reason", "a test")["version"]


@needs_punkt
def test_promote_weighs_and_says_why_or_why_not(registry: Registry):
    first = read("policy", "promote", "--role", "manager=rules", *WORLD)
    assert first["promoted"] and first["version"].startswith("v0001-")
    told = run("policy", "promote", "--role", "manager=rules", "--role", "answerer=rules", *WORLD)
    assert told.exit_code == 0 and "is in use already" in told.stdout
    pytest.importorskip("transformers", reason="needs pip install 'memory-r1[local]'")
    worse = run("policy", "promote", "--role", "answerer=tiny", *WORLD, "--margin", 1)
    assert worse.exit_code == 1 and worse.stdout.startswith(f"kept: {first['version']} is in use\nwhy: em ")
    assert "less than the margin of 100.0" in worse.stdout
    results = list((registry.folder / "weighed").iterdir())
    assert len(results) == 2 and all((folder / "run.json").exists() for folder in results)
    log = read("policy", "log")["decisions"]
    assert [one["kind"] for one in log] == ["promoted", "kept", "kept"]
    assert {one["by"] for one in log} == {"memory-r1 policy promote"}


def test_list_show_and_rollback(registry: Registry, tmp_path: Path):
    assert "No policy is in" in run("policy", "list").stdout
    assert read("policy", "list") == {"registry": str(registry.folder), "in_use": "", "policies": []}
    model = make_folder(tmp_path / "model", "one", hits=3)
    ids = [forced("manager=rules"), forced(f"manager={model}"), forced("answerer=openai:m@http://127.0.0.1:9/v1")]
    listed = read("policy", "list")
    assert [one["id"] for one in listed["policies"]] == ids and listed["in_use"] == ids[2]
    assert [one["in_use"] for one in listed["policies"]] == [False, False, True]
    shown = read("policy", "show", ids[1])
    assert shown["models"]["manager"] == f"local:{registry.folder}/versions/{ids[1]}/manager"
    assert shown["given"]["manager"] == str(model) and not shown["in_use"]
    assert run("policy", "show").stdout.startswith(f"{ids[2]}, in use: published 20")
    back = run("policy", "rollback", "--reason", "rude")
    assert back.stdout == f"rolled back: {ids[1]} is in use, before {ids[2]}\nwhy: rude\n"
    assert read("policy", "rollback")["version"] == ids[0]
    assert read("policy", "rollback", "--to", ids[1])["version"] == ids[1]
    assert read("policy", "promote", ids[2], "--force", "--reason", "polite")["version"] == ids[2]
    told = run("policy", "log").stdout
    assert "rolled back" in told and "rude" in told and "polite" in told


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("show",), 2, "no policy is in use"),
        (("show", "v0009-00000000"), 3, "there is no policy 'v0009-00000000'"),
        (("rollback",), 1, "there is nothing to roll back"),
        (("promote",), 2, "say what to promote"),
        (("promote", "v0001-00000000", "--role", "manager=rules"), 2, "say what to promote"),
        (("promote", "v0001-00000000"), 3, "there is no policy"),
        (("promote", "--role", "manager"), 2, "--role 'manager' is not ROLE=MODEL"),
        (("promote", "--role", "judge=rules"), 2, "there is no role 'judge'"),
        (("promote", "--role", "manager=nowhere"), 2, "neither a folder nor a model"),
        (("promote", "--role", "manager=rules", "--force"), 2, "needs a reason"),
        (("promote", "--role", "manager=rules", "--metric", "vibes"), 2, "there is no metric 'vibes'"),
    ],
)
def test_wrong_usage_is_told_in_one_line(registry: Registry, words, code: int, message: str):
    done = run("policy", *words)
    assert done.exit_code == code and message in done.stderr and done.stderr.count("\n") == 1
    assert not registry.ids()


def test_a_damaged_version_is_listed_as_such_and_shown_with_what_is_wrong(registry: Registry, tmp_path: Path):
    id = forced(f"manager={make_folder(tmp_path / 'model')}")
    good = forced("manager=rules")
    (registry.folder / "versions" / id / "manager" / "config.json").unlink()
    listed = {one["id"]: one for one in read("policy", "list")["policies"]}
    assert "config.json is missing" in listed[id]["damaged"] and "damaged" not in listed[good]
    assert "damaged" in run("policy", "list").stdout
    done = run("policy", "show", id)
    assert done.exit_code == 1 and "config.json is missing" in done.stderr


def test_another_registry_is_named_by_an_option(registry: Registry, tmp_path: Path):
    other = tmp_path / "other"
    read("policy", "promote", "--role", "manager=rules", "--force", "--reason", "a test", "--registry", other)
    assert read("policy", "list", "--registry", other)["policies"] and not read("policy", "list")["policies"]


def test_ask_and_doctor_use_the_policy(registry: Registry, filled: str):
    words = ("ask", "When did Ben buy a kayak?", "--bank", "anna", "--store", filled, "--model", "policy")
    refused = run(*words)
    assert refused.exit_code == 2 and "`memory-r1 policy promote" in refused.stderr
    failed = run("doctor", "--store", filled, "--model", "policy", "--json")
    check = next(one for one in json.loads(failed.stdout) if one["topic"] == "policy")
    assert failed.exit_code == 4 and (check["state"], check["name"]) == ("failed", "policy")
    id = forced("manager=rules")
    assert read(*words)["answer"] == read(*words[:-2])["answer"] != ""
    checks = {(one["topic"], one["name"]): one for one in read("doctor", "--store", filled, "--model", "policy")}
    assert checks["policy", "policy"]["found"].startswith(f"{id}, published")
    assert checks["model", "rules"]["state"] == "ok"


@pytest.mark.slow
def test_the_shipped_policy_is_published_and_answers(registry: Registry, filled: str):
    pytest.importorskip("transformers", reason="needs pip install 'memory-r1[local]'")
    env = {"MEMORY_R1_POLICIES": str(registry.folder)}
    roles = ("--role", "manager=tiny", "--role", "answerer=tiny")
    code, out, err = process("policy", "promote", *roles, "--force", "--reason", "the first", env=env)
    assert code == 0 and out.startswith("promoted: v0001-"), err
    asked = ("ask", "When did Ben buy a kayak?", "--bank", "anna", "--store", filled, "--model", "policy", "--json")
    code, out, err = process(*asked, env=env)
    assert code == 0 and json.loads(out)["usage"]["calls"] == 1, err
