"""Telemetry through the whole exporter, into a real OTLP receiver: from the command line, and when there is none."""

import json
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command import process
from graph_fakes import Policy, facts, operations, said
from model_server import ModelServer, Request
from otlp_receiver import Receiver
from telemetry_story import QUICK, SECRET

from memory_r1.graphs import Settings, build_agent
from memory_r1.graphs.telemetry.names import METRICS
from memory_r1.memory.stores.memory import InMemoryStore

KEY = "planted-key-of-the-model"
TOKEN = "planted-token-of-the-collector"


def replies(request: Request) -> str:
    role = request["response_format"]["json_schema"]["name"]
    if role == "extractor":
        return json.dumps(facts(f"Ann has a {SECRET}."))
    if role == "manager":
        return json.dumps(operations((0, "ADD", [], "")))
    return json.dumps({"selected": ["0"], "answer": SECRET})


@pytest.fixture
def place(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A conversation of one turn, a store and a model; its environment."""
    talk = {"speaker": "Ann", "text": f"I have a {SECRET}.", "time": "2024-05-01T10:00"}
    (tmp_path / "talk.jsonl").write_text(json.dumps(talk))
    with ModelServer([replies]) as model:
        yield {
            "TALK": str(tmp_path / "talk.jsonl"), "MEMORY_R1_STORE": f"sqlite:///{tmp_path}/memory.db",
            "MEMORY_R1_MODEL": f"openai:scripted@{model.url}", "MEMORY_R1_API_KEY": KEY, "MEMORY_R1_BANK": "ann",
            "MEMORY_R1_TELEMETRY": "otlp", "MEMORY_R1_LOG": "json",
        }  # fmt: skip


def pointed(place: dict[str, str], url: str) -> dict[str, str]:
    headers = f"authorization=Bearer%20{TOKEN}"
    return {**place, "OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_HEADERS": headers}


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def command(*words: str, env: dict[str, str]) -> Done:
    return Done(*process(*words, env=env))


def told(stderr: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.splitlines()]


def test_a_command_delivers_all_it_has_before_it_ends(place: dict[str, str]) -> None:
    with Receiver() as receiver:
        env = pointed(place, receiver.url)
        done = command("ingest", place["TALK"], env=env)
        assert done.returncode == 0, done.stderr
        asked = command("ask", "What has Ann?", env={**env, "OTEL_SERVICE_NAME": "mine"})
        assert (asked.returncode, SECRET in asked.stdout) == (0, True), asked.stderr
    roots = [span for span in receiver.spans if not span.parent_span_id]
    assert [span.name for span in roots] == ["memory_r1.remember", "memory_r1.answer"]
    for root in roots:
        below = [span.name for span in receiver.spans if span.parent_span_id == root.span_id]
        steps = "apply extract manage retrieve" if "remember" in root.name else "answer distil retrieve"
        assert sorted(below) == steps.split()
    calls = [span for span in receiver.spans if span.name == "chat scripted"]
    assert len(calls) == 3
    assert receiver.services == {"memory-r1", "mine"}
    assert receiver.metrics >= {"memory_r1.turns", "memory_r1.questions", "gen_ai.client.operation.duration"}
    assert receiver.metrics <= {metric.name for metric in METRICS}
    assert {headers["authorization"] for headers in receiver.headers} == {f"Bearer {TOKEN}"}
    lines = [*told(done.stderr), *told(asked.stderr)]
    assert {line["trace_id"] for line in lines if "event" in line} == {root.trace_id.hex() for root in roots}
    for planted in (SECRET, KEY, TOKEN):
        assert planted.encode() not in receiver.raw
        assert planted not in done.stderr + asked.stderr


def test_without_a_collector_a_command_does_its_work_and_says_once_what_was_lost(place: dict[str, str]) -> None:
    env = pointed(place, f"http://127.0.0.1:{closed_port()}")
    done = command("ingest", place["TALK"], "--json", env=env)
    assert (done.returncode, json.loads(done.stdout)["turns"]) == (0, 1), done.stderr
    warnings = [line["message"] for line in told(done.stderr) if line["level"] != "INFO"]
    assert len(warnings) == 2
    assert "the collector takes no spans" in warnings[0]
    assert "were not delivered" in warnings[1]
    assert TOKEN not in done.stderr


@pytest.mark.slow
async def test_the_agent_server_reports_its_runs_and_delivers_the_rest_when_it_ends(tmp_path: Path) -> None:
    from agent_server import serving
    from langgraph_sdk import get_client

    turn = {"id": "t1", "session": "s", "index": 0, "speaker": "Ann", "text": f"I have a dog called {SECRET.title()}."}
    config: Any = {"configurable": {"bank": "ann"}}
    with Receiver() as receiver:
        where = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_SERVICE_NAME": "agents"}
        env = {"MEMORY_R1_TELEMETRY": "otlp", **where}
        with serving(tmp_path, "--log", "json", env=env) as server:
            async with get_client(url=server.url) as client:
                given = {"turn": {**turn, "time": "2023-05-01T10:01:00"}}
                await client.runs.wait(None, "remember", input=given, config=config)
                said = {"messages": [{"role": "user", "content": "What dog do I have?"}]}
                async for part in client.runs.stream(None, "agent", input=said, config=config, stream_mode="updates"):
                    assert part.event != "error", part.data
    roots = [span for span in receiver.spans if not span.parent_span_id]
    assert sorted(span.name for span in roots) == ["memory_r1.chat", "memory_r1.remember"]
    (chat,) = [span for span in roots if span.name == "memory_r1.chat"]
    below = [span.name for span in receiver.spans if span.parent_span_id == chat.span_id]
    assert sorted(below) == ["listen", "memory_r1.answer", "memory_r1.remember", "reply"]
    assert {"memory_r1.turns", "memory_r1.questions", "db.client.operation.duration"} <= receiver.metrics
    assert receiver.services == {"agents"}
    assert SECRET.title().encode() not in receiver.raw
    written = server.log.read_text()
    lines = [json.loads(line) for line in written.splitlines() if line.startswith('{"time"')]
    assert [line["event"] for line in lines if "event" in line] == ["turn", "turn", "question"]
    assert {line["bank"] for line in lines if "event" in line} == {"ann"}
    assert SECRET.title() not in written


async def test_a_collector_that_never_answers_holds_up_no_turn_and_what_the_full_queue_drops_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from memory_r1.graphs.telemetry.otlp import Pipeline

    with Receiver(hang=True) as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
        pipeline = Pipeline()
        policy = Policy(*[facts("Ann has a cat."), operations((0, "ADD", [], ""))] * 9, '{"facts": []}')
        how = Settings(options=QUICK, telemetry=pipeline.telemetry)
        agent = build_agent(InMemoryStore(), models=policy, settings=how)
        for number in range(10):
            assert (await agent.learn(said(f"Cat {number}", number), "ann")).revision == number + 1
        with caplog.at_level(logging.WARNING, "memory_r1"):
            pipeline.close(0.2)
        (line,) = [line for line in caplog.messages if "not delivered" in line]
        assert int(line.split()[0]) == int(line.split()[2]) > 50
