"""The real `langgraph dev` server with our graphs, driven by its SDK: stream, state, history, drawing, banks."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from graph_fakes import facts, operations
from model_server import ModelServer, Request

from memory_r1.graphs import serve
from memory_r1.memory.errors import SettingsError

CONFIG = Path(__file__).resolve().parents[2] / "infra" / "langgraph.json"
BANK = {"configurable": {"bank": "ann"}}


def replies(request: Request) -> str:
    """A model that notes whatever is said about Rex."""
    role = request["response_format"]["json_schema"]["name"]
    if role == "extractor":
        told = "Rex" in request["messages"][1]["content"].split("Last turn")[1]
        return json.dumps(facts("Ann has a dog called Rex.") if told else facts())
    return json.dumps(operations((0, "ADD", [], ""))) if role == "manager" else '{"selected": ["0"], "answer": "Rex"}'


@dataclass(frozen=True)
class Server:
    url: str
    log: Path
    requests: list[Request]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("langgraph_cli", reason="needs pip install 'memory-r1[serve]'")
    home = tmp_path_factory.mktemp("serve")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with ModelServer([replies]) as model, (home / "log").open("wb") as log:
        env = {
            **os.environ, "LANGGRAPH_CLI_NO_ANALYTICS": "1", "OPENBLAS_NUM_THREADS": "1",
            "MEMORY_R1_STORE": f"sqlite:///{home}/memory.db", "MEMORY_R1_MODEL": f"openai:scripted@{model.url}",
        }  # fmt: skip
        command = [sys.executable, "-m", "langgraph_cli", "dev", "--config", str(CONFIG), "--port", str(port)]
        process = subprocess.Popen(
            [*command, "--no-browser", "--no-reload"], cwd=home, env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, home / "log")
            yield Server(url, home / "log", model.requests)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/ok", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"langgraph dev did not start:\n{log.read_text()[-3000:]}")


def turn(number: int, text: str) -> dict:
    """A turn as JSON."""
    time = f"2023-05-01T10:{number:02}:00"
    return {"turn": {"id": f"t{number}", "session": "s", "index": number, "speaker": "Ann", "text": text, "time": time}}


async def test_the_environment_sets_the_agent_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEMORY_R1_STORE", "memory://")
    monkeypatch.setenv("MEMORY_R1_ANSWERER_MODEL", "openai:scripted@http://127.0.0.1:9/v1")
    monkeypatch.setenv("MEMORY_R1_API_KEY", "mine")
    async with serve.remember() as remember, serve.answer() as answer, serve.agent() as agent:
        assert [graph.name for graph in (remember, answer, agent)] == ["remember", "answer", "agent"]
        async with serve.remember() as again:
            assert again is remember
    async with (await serve.start()).agent() as made:
        kinds = [type(r).__name__ for r in (made.roles.extractor, made.roles.manager, made.roles.answerer)]
        assert kinds == ["RulesExtractor", "RulesManager", "ChatAnswerer"]
        await made.close()


async def test_a_wrong_environment_is_said_and_can_be_mended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEMORY_R1_STORE", "ftp://here")
    with pytest.raises(SettingsError, match="is no store"):
        async with serve.agent():
            pass
    monkeypatch.setenv("MEMORY_R1_STORE", "memory://")
    async with serve.agent() as agent:
        assert agent.name == "agent"


@pytest.mark.slow
async def test_the_server_runs_our_graphs(server: Server):
    from langgraph_sdk import get_client

    client = get_client(url=server.url)
    try:
        found = {a["graph_id"]: a["assistant_id"] for a in await client.assistants.search()}
        assert set(found) == {"remember", "answer", "agent"}

        drawing = await client.assistants.get_graph(found["remember"])
        assert {"extract", "retrieve", "manage", "apply"} <= {node["id"] for node in drawing["nodes"]}
        inner = await client.assistants.get_graph(found["agent"], xray=True)
        assert {"remember:extract", "answer:distil"} <= {node["id"] for node in inner["nodes"]}
        schemas = await client.assistants.get_schemas(found["remember"])
        assert "turn" in schemas["input_schema"]["properties"] and "bank" in schemas["context_schema"]["properties"]

        thread = (await client.threads.create())["thread_id"]
        given = {"input": turn(0, "My dog is called Rex"), "config": BANK, "stream_mode": ["custom", "updates"]}
        parts = [part async for part in client.runs.stream(thread, "remember", **given)]
        assert [p.data["event"] for p in parts if p.event == "custom"] == ["fact", "candidates", "operation", "receipt"]
        assert [next(iter(p.data)) for p in parts if p.event == "updates"] == ["extract", "retrieve", "manage", "apply"]
        state = await client.threads.get_state(thread)
        assert state["values"]["receipt"] == {"revision": 1, "created": ["m1"], "ended": [], "repeated": False}
        history = await client.threads.get_history(thread)
        assert [list(step["next"]) for step in history] == [
            [], ["apply"], ["manage"], ["retrieve"], ["extract"], ["__start__"],
        ]  # fmt: skip

        calls = len(server.requests)
        again = await client.runs.wait(None, "remember", input=turn(0, "My dog is called Rex"), config=BANK)
        assert again["receipt"]["repeated"] and len(server.requests) == calls

        asked = {"question": "What is the dog called?", "asked": None}
        out = await client.runs.wait(None, "answer", input=asked, context={"bank": "ann"})
        assert out["answer"]["text"] == "Rex" and out["answer"]["turns"] == ["t0"]

        chat = (await client.threads.create())["thread_id"]
        for text in ("Hello there", "What is my dog called?"):
            talked = await client.runs.wait(
                chat, "agent", input={"messages": [{"role": "user", "content": text}]}, config=BANK
            )
        assert [m["type"] for m in talked["messages"]] == ["human", "ai", "human", "ai"]
        assert talked["messages"][-1]["content"] == "Rex"

        elsewhere = {"configurable": {"bank": "bob"}}
        other = await client.runs.wait(None, "answer", input=asked, config=elsewhere, raise_error=False)
        assert other["__error__"]["error"] == "UnknownBankError"
        nameless = await client.runs.wait(None, "answer", input=asked, raise_error=False)
        assert nameless["__error__"]["error"] == "InputError"
    finally:
        await client.aclose()
    log = server.log.read_text()
    assert "BlockingError" not in log, log[-3000:]
    assert not re.search(r"/graphs/\w+\.py:\d+: \w*Warning", log), log[-3000:]
