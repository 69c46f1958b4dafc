"""Model strings that mean the policy in use: who plays, within which limits, by which server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from graph_fakes import facts, operations, said
from model_server import ModelServer
from policy_worker import make_folder, put
from tiny_models import make_model

from memory_r1.graphs import Limits, ModelOptions, Settings, build_agent, load_limits, load_model, load_roles
from memory_r1.graphs.chat_roles import ChatAnswerer, ChatManager
from memory_r1.graphs.local.completer import LocalCompleter
from memory_r1.graphs.local.folder import FolderLimits, find_folder
from memory_r1.graphs.models import check_role, learned
from memory_r1.graphs.policies.pinned import is_policy, mark, pinned
from memory_r1.graphs.policies.registry import Registry
from memory_r1.graphs.rules import RulesAnswerer, RulesExtractor
from memory_r1.memory.errors import DamagedPolicyError, SettingsError
from memory_r1.memory.stores.memory import InMemoryStore

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_folder(
        tmp_path / "model", roles=("manager", "answerer"), hits=3, candidates=2, answer_chars=200, max_tokens=77,
        repair=False, distil=False,
    )  # fmt: skip


def test_a_policy_becomes_the_model_strings_of_one_version(registry: Registry, model: Path):
    id = put(registry, manager=model, answerer=f"openai:m@{URL}")
    folder = registry.folder / "versions" / id / "manager"
    name = f"policy:{registry.folder}"
    assert pinned({"default": name}) == {
        "extractor": "rules", "manager": f"local:{folder}", "answerer": f"openai:m@{URL}",
    }  # fmt: skip
    assert pinned({"manager": f"{name}@{URL}", "answerer": "tiny"}) == {
        "manager": f"served:{folder}@{URL}", "answerer": "tiny",
    }  # fmt: skip
    assert find_folder(f"served:{folder}@{URL}") == folder
    plain = {"default": "rules", "manager": "local:there"}
    assert pinned(plain) is plain and mark(plain) == ()


def test_the_default_registry_is_that_of_the_settings(registry: Registry, model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEMORY_R1_POLICIES", str(registry.folder))
    id = put(registry, manager=model)
    assert id in pinned({"default": "policy"})["manager"]
    assert pinned({"default": f"policy@{URL}"})["manager"].startswith("served:")
    monkeypatch.delenv("MEMORY_R1_POLICIES")
    monkeypatch.setenv("XDG_DATA_HOME", str(registry.folder.parent))
    with pytest.raises(SettingsError, match=r"no policy is in use in .*memory-r1/policies.*policy promote"):
        pinned({"default": "policy"})


def test_what_is_no_policy_is_left_alone():
    assert [is_policy(name) for name in ("policy", "policy:x", f"policy:x@{URL}", f"policy@{URL}")] == [True] * 4
    assert not any(map(is_policy, ("rules", "policies", "local:policy", "openai:policy", None, 7)))
    for nameless in ("policy:", "policy:@http://me:hush@host/v1"):
        with pytest.raises(SettingsError, match="names no registry") as refused:
            load_roles(nameless)
        assert "hush" not in str(refused.value)
    with pytest.raises(SettingsError, match="a policy has a model for each role"):
        load_model("policy")


def test_a_registry_without_a_policy_says_how_to_promote_one(registry: Registry):
    for load in (load_roles, load_limits):
        with pytest.raises(SettingsError, match=r"no policy is in use in .*`memory-r1 policy promote"):
            load(f"policy:{registry.folder}")


def test_a_damaged_policy_is_an_error(registry: Registry, model: Path):
    id = put(registry, manager=model)
    (registry.folder / "versions" / id / "manager" / "config.json").unlink()
    with pytest.raises(DamagedPolicyError, match=r"config.json is missing; roll back"):
        load_roles({"manager": f"policy:{registry.folder}"})


def test_what_the_folder_states_binds_as_it_does_with_local(registry: Registry, model: Path):
    put(registry, manager=model, answerer=model)
    for name in (f"policy:{registry.folder}", f"policy:{registry.folder}@{URL}"):
        limits = load_limits(name, Limits(context=1))
        assert (limits.context, limits.candidates, limits.hits) == (1, 2, 3)
        assert load_limits({"default": "rules", "answerer": name}).candidates == Limits().candidates
        roles = load_roles(name)
        assert isinstance(roles.extractor, RulesExtractor) and isinstance(roles.manager, ChatManager)
        assert isinstance(roles.answerer, ChatAnswerer)
        assert (roles.answerer.chars, roles.answerer.distil) == (200, False)
        assert len(roles.owned) == 1  # one model, or one client, for both roles
        asyncio.run(roles.close())
        check_role(name, "extractor")
        assert learned(name) == ("extractor", "manager", "answerer")


def test_a_folder_of_another_policy_can_play_one_role(registry: Registry, model: Path):
    id = put(registry, manager=model)
    roles = load_roles({"default": f"policy:{registry.folder}", "answerer": "rules"})
    assert isinstance(roles.answerer, RulesAnswerer)
    [local] = roles.owned
    assert isinstance(local, LocalCompleter) and local.folder == registry.folder / "versions" / id / "manager"


async def test_roles_and_limits_of_an_agent_are_of_one_version(registry: Registry, tmp_path: Path):
    agents = []
    for hits in (3, 4):
        put(registry, answerer=make_folder(tmp_path / str(hits), hits=hits))
        agents.append(build_agent(InMemoryStore(), models=f"policy:{registry.folder}"))
    for agent, id in zip(agents, registry.ids(), strict=True):
        assert id in str(agent.roles.owned[0].folder)


async def test_a_served_policy_is_asked_by_its_path_and_kept_to_its_limits(registry: Registry, model: Path):
    id = put(registry, manager=model, extractor="rules", answerer=model)
    replies = [operations((0, "ADD", [], "")), "no JSON", '{"answer": "Rex"}']
    with ModelServer([json.dumps(one) if not isinstance(one, str) else one for one in replies]) as server:
        models = f"policy:{registry.folder}@{server.url}"
        agent = build_agent(
            InMemoryStore(), models=models, settings=Settings(options=ModelOptions(max_tokens=9, api_key="mine"))
        )
        done = await agent.learn(said("I have a dog called Rex.", 0), "ann")
        assert done.created == ("m1",) and not done.failures
        spoiled = await agent.learn(said("I have a cat called Tom.", 1), "ann")
        assert [one.kind for one in spoiled.failures] == ["malformed"] and spoiled.usage.calls == 1  # repair: false
        found = await agent.ask("What is the dog called?", "ann")
        assert found.answer.text == "Rex" and found.answer.selected == ()  # distil: false
        await agent.close()
    folder = registry.folder / "versions" / id / "manager"
    assert {request["model"] for request in server.requests} == {str(folder)}
    limits = [request.get("max_completion_tokens") or request.get("max_tokens") for request in server.requests]
    assert limits == [77, 77, 77]


@pytest.mark.parametrize("name", ["served:folder", f"served:@{URL}", "served:folder@ftp://host"])
def test_a_served_folder_needs_a_path_and_a_url(name: str):
    with pytest.raises(SettingsError, match="needs a folder and a URL"):
        load_model(name)


def test_a_served_folder_must_be_there_and_play_the_role(tmp_path: Path):
    with pytest.raises(SettingsError, match="there is no folder"):
        load_model(f"served:{tmp_path / 'nowhere'}@{URL}")
    folder = make_folder(tmp_path / "model", roles=("answerer",))
    with pytest.raises(SettingsError, match="plays no manager, but answerer"):
        load_roles({"manager": f"served:{folder}@{URL}"})


async def test_a_policy_in_this_process_loads_its_one_model_once(registry: Registry, tmp_path: Path):
    pytest.importorskip("transformers", reason="needs pip install 'memory-r1[local]'")
    folder = make_model(tmp_path / "model", hidden=16, layers=1, positions=2_048)
    FolderLimits(max_tokens=4, repair=False).save(folder)
    put(registry, extractor=folder, manager=folder, answerer=folder)
    agent = build_agent(InMemoryStore(), models=f"policy:{registry.folder}")
    done = await agent.learn(said("I have a dog called Rex."), "ann")
    assert [one.kind for one in done.failures] == ["malformed"] and facts()
    assert len(agent.roles.owned) == 1
    assert [path.name for path in (registry.folder / "versions" / registry.used()).iterdir() if path.is_dir()] == [
        "extractor"
    ]
    await agent.close()
