"""An agent server takes a newly promoted policy up: runs under way end as they began, then their models are closed."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_server import serving
from graph_fakes import bank, facts, operations, said
from model_server import ModelServer, Request
from policy_worker import NOW, put
from tiny_models import make_model

from memory_r1.graphs import serve
from memory_r1.graphs.build import Agent
from memory_r1.graphs.local.folder import FolderLimits
from memory_r1.graphs.policies.registry import Registry
from memory_r1.graphs.policies.types import Verdict

ASKED = {"question": "What is Ann's dog called?", "asked": None}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The registry that the server's settings name; its store is a file."""
    monkeypatch.setenv("MEMORY_R1_STORE", f"sqlite:///{tmp_path / 'memory.db'}")
    monkeypatch.setenv("MEMORY_R1_POLICIES", str(tmp_path / "registry"))
    monkeypatch.setenv("MEMORY_R1_MODEL", "policy")
    for role in ("EXTRACTOR", "MANAGER", "ANSWERER"):
        monkeypatch.delenv(f"MEMORY_R1_{role}_MODEL", raising=False)
    yield Registry(tmp_path / "registry")


async def learn(text: str) -> None:
    async with serve.remember() as remember:
        await remember.ainvoke({"turn": said(text)}, bank())


async def ask() -> dict[str, Any]:
    async with serve.answer() as answer:
        return await answer.ainvoke(ASKED, bank())


async def agent_in_use() -> Agent:
    async with serve._agent() as agent:
        return agent


async def test_a_run_under_way_ends_with_the_policy_that_it_began_with(registry: Registry):
    asked, go_on = threading.Event(), threading.Event()

    def slow(_: Request) -> str:
        asked.set()
        assert go_on.wait(60)
        return json.dumps({"selected": ["0"], "answer": "Rex, says the model"})

    put(registry, manager="rules")
    await learn("My dog is called Rex.")
    with ModelServer([slow]) as server:
        put(registry, answerer=f"openai:slow@{server.url}")
        old = await agent_in_use()
        [client] = old.roles.owned
        run = asyncio.create_task(ask())
        assert await asyncio.to_thread(asked.wait, 60)

        registry.rollback("", "too slow", NOW, "test")
        now = await ask()
        new = await agent_in_use()
        assert new is not old and new.store is old.store and "says the model" not in now["answer"]["text"]
        assert not run.done() and not client.is_closed

        go_on.set()
        assert (await run)["answer"]["text"] == "Rex, says the model"
        assert client.is_closed
    assert (await ask())["answer"]["text"] == now["answer"]["text"]


async def test_the_old_policy_s_models_are_closed_at_once_where_no_run_needs_them(registry: Registry):
    put(registry, answerer="openai:m@http://127.0.0.1:9/v1")
    [client] = (await agent_in_use()).roles.owned
    assert not client.is_closed
    put(registry, manager="rules")
    assert not (await agent_in_use()).roles.owned and client.is_closed


async def test_nothing_is_built_anew_while_the_same_policy_is_in_use(registry: Registry):
    first = put(registry, manager="rules")
    agent = await agent_in_use()
    put(registry, manager="rules")
    registry.decide(lambda used, _: Verdict("kept", used, "nothing better"), NOW, "test")
    assert await agent_in_use() is agent and registry.ids() == [first]


async def test_a_policy_that_can_t_be_loaded_leaves_the_old_one_serving_and_is_logged_once(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    pytest.importorskip("transformers", reason="needs pip install 'memory-r1[local]'")
    put(registry, manager="rules")
    await learn("My dog is called Rex.")
    old = await agent_in_use()
    good = make_model(tmp_path / "good", hidden=16, layers=1, positions=2_048)
    FolderLimits(max_tokens=4, repair=False).save(good)
    bad = Path(shutil.copytree(good, tmp_path / "bad"))
    (bad / "model.safetensors").write_bytes(b"damaged")

    with caplog.at_level(logging.ERROR, logger="memory_r1.graphs.live"):
        put(registry, answerer=bad)
        assert (await ask())["failures"] == [] and await agent_in_use() is old
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "can't be loaded" in caplog.text and "goes on serving" in caplog.text

        shutil.rmtree(registry.folder / "versions" / put(registry, manager="openai:gone"))
        assert await agent_in_use() is old and len(caplog.records) == 2

    put(registry, answerer=good)
    assert [one["kind"] for one in (await ask())["failures"]] == ["malformed"]  # the random model plays
    [local] = (await agent_in_use()).roles.owned
    assert local.folder == registry.folder / "versions" / registry.used() / "answerer"
    registry.rollback(registry.ids()[0], "random", NOW, "test")
    assert (await ask())["failures"] == []


async def test_runs_asked_for_at_the_same_time_get_one_agent(registry: Registry):
    put(registry, answerer="openai:m@http://127.0.0.1:9/v1")
    await agent_in_use()
    put(registry, answerer="openai:n@http://127.0.0.1:9/v1")
    assert len({id(agent) for agent in await asyncio.gather(*(agent_in_use() for _ in range(8)))}) == 1


def replies(request: Request) -> str:
    """A model that notes whatever is said about Rex."""
    role = request["response_format"]["json_schema"]["name"]
    if role == "extractor":
        return json.dumps(facts("Ann has a dog called Rex."))
    return json.dumps(operations((0, "ADD", [], ""))) if role == "manager" else '{"selected": ["0"], "answer": "model"}'


@pytest.mark.slow
async def test_the_real_server_takes_a_promoted_policy_up(tmp_path: Path):
    pytest.importorskip("langgraph_cli", reason="needs pip install 'memory-r1[serve]'")
    from langgraph_sdk import get_client

    registry = Registry(tmp_path / "registry")
    put(registry, manager="rules")
    env = {"MEMORY_R1_MODEL": f"policy:{registry.folder}"}
    with ModelServer([replies]) as model, serving(tmp_path, dev=True, env=env) as server:
        client = get_client(url=server.url)
        try:
            turn = {"id": "t", "session": "s", "index": 0, "speaker": "Ann", "text": "My dog is called Rex.",
                    "time": "2023-05-01T10:00:00"}  # fmt: skip
            await client.runs.wait(None, "remember", input={"turn": turn}, config=bank())
            before = await client.runs.wait(None, "answer", input=ASKED, config=bank())
            assert before["answer"]["text"] not in ("", "model") and not model.requests
            put(registry, answerer=f"openai:m@{model.url}")
            after = await client.runs.wait(None, "answer", input=ASKED, config=bank())
            assert after["answer"]["text"] == "model" and len(model.requests) == 1
            registry.rollback("", "worse", NOW, "test")
            again = await client.runs.wait(None, "answer", input=ASKED, config=bank())
            assert again["answer"]["text"] == before["answer"]["text"] and len(model.requests) == 1
        finally:
            await client.aclose()
    assert "BlockingError" not in server.log.read_text()
