"""Model folders behind the model server, a real one: they reply as the same folders do in process."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from command import Child, start
from graph_fakes import Policy, facts, said
from tiny_models import make_model

from memory_r1.graphs import ModelOptions, Patience, Settings, build_agent, load_model
from memory_r1.graphs.completers import Completion, Message
from memory_r1.graphs.local.completer import LocalCompleter
from memory_r1.graphs.local.folder import TINY_FOLDER
from memory_r1.graphs.models import connections
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.rl.tiny.evaluate import CLOSED
from memory_r1.rl.training.sft import examples
from memory_r1.rl.world.make import make_world

for package in ("torch", "transformers", "starlette", "uvicorn", "langchain_openai"):
    pytest.importorskip(package, reason="needs pip install 'memory-r1[model-server,openai]'")

pytestmark = pytest.mark.slow
MOST = 6
"""Tokens of a reply."""
CALLERS = 16
KEY = "a key of this test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("served") / "model", hidden=16, layers=1, positions=2_048)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """The URL of a model server with that model and the policy that comes along."""
    child = start("serve-model", folder, "tiny", "--port", "0", env={"MEMORY_R1_API_KEY": KEY, "OMP_NUM_THREADS": "1"})
    try:
        yield url(child)
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.communicate()


def url(child: Child) -> str:
    """Where the server says that it listens."""
    assert child.stderr is not None
    line = child.stderr.readline()
    assert line.startswith("serving 2 models on http://127.0.0.1:"), line + child.stderr.read()
    return line.split()[-1]


async def test_a_served_folder_replies_as_the_same_folder_in_process(folder: Path, server: str):
    options = ModelOptions(max_tokens=MOST, api_key=KEY, patience=Patience(tries=1, repair=False))
    asked = [{"role": "system", "content": "question"}, {"role": "user", "content": "answer"}]
    local, served = load_model(f"local:{folder}", options), load_model(f"openai:{folder}@{server}", options)
    here, there = await local.complete(asked), await served.ainvoke(asked)
    assert here.text and there.text == here.text
    assert there.usage_metadata["input_tokens"] == len(here.prompt_ids)
    assert there.usage_metadata["output_tokens"] == len(here.token_ids) <= MOST
    for connection in connections([local, served]):
        await connection.aclose()


async def test_the_agent_plays_a_served_folder_and_counts_what_it_can_t_read(folder: Path, server: str):
    options = ModelOptions(max_tokens=MOST, api_key=KEY, patience=Patience(tries=1, repair=False))
    models = {"extractor": Policy(facts("Ann has a dog.")), "default": f"openai:{folder}@{server}"}
    agent = build_agent(InMemoryStore(), models=models, settings=Settings(options=options))
    done = await agent.learn(said("I have a dog."), "ann")
    assert [(f.role, f.kind) for f in done.failures] == [("manager", "malformed")]
    assert done.usage.calls == 3  # one asked for a schema, which this server refuses
    done = await agent.learn(said("I have a cat. " * 300, 1), "ann")  # too long a prompt for its positions
    assert [(f.role, f.kind) for f in done.failures] == [("manager", "malformed")]
    await agent.close()


async def test_the_policy_replies_token_for_token_as_in_process(server: str):
    made = [one for one in await examples(make_world(0, "test", 0, CLOSED)) if one.role != "extractor"]
    prompts = [one.messages for one in made[:: max(1, len(made) // 48)]]
    completer, turn = LocalCompleter(TINY_FOLDER), asyncio.Semaphore(CALLERS)
    limits = httpx.Limits(max_connections=CALLERS)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=120, limits=limits) as client:

        async def ask(messages: list[Message]) -> Completion:
            body = {"model": str(TINY_FOLDER), "messages": messages, "temperature": 0, "return_token_ids": True}
            async with turn:
                answered = await client.post(f"{server}/chat/completions", content=json.dumps(body), headers=JSON)
            found = answered.raise_for_status().json()
            (choice,) = found["choices"]
            ended = choice["finish_reason"] == "stop"
            text, ids = choice["message"]["content"], (found["prompt_token_ids"], choice["token_ids"])
            return Completion(text, *map(tuple, ids), ended=ended)

        there = await asyncio.gather(*map(ask, prompts))
    here = await asyncio.gather(*map(completer.complete, prompts))
    await completer.aclose()
    assert len(here) >= 40 and sum(one.ended for one in here) >= 40
    for one, other in zip(here, there, strict=True):
        assert (one.text, one.prompt_ids, one.token_ids, one.ended) == (
            other.text, other.prompt_ids, other.token_ids, other.ended,
        )  # fmt: skip


JSON = {"Content-Type": "application/json"}
