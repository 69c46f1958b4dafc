"""What the agent reports to OpenTelemetry: the tree of spans, attributes, figures; and what it never reports."""

import asyncio
import json
import random
import re
import subprocess
import sys
from typing import Any

import pytest
from graph_fakes import Adds, Policy, Says, bank, facts, operations, roles, said
from langchain_core.runnables import RunnableConfig
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from telemetry_story import SECRET, Watch, everything

from memory_r1.graphs import build_agent
from memory_r1.graphs.completers import Completion
from memory_r1.graphs.telemetry import from_environment
from memory_r1.graphs.telemetry.names import ATTRIBUTES, CONTENT, LABELS, METRICS
from memory_r1.graphs.telemetry.runs import running
from memory_r1.graphs.telemetry.stores import CALLS, watch_store
from memory_r1.graphs.watched import watched
from memory_r1.memory.errors import SettingsError, StoreUnavailableError
from memory_r1.memory.store import Store
from memory_r1.memory.stores.memory import InMemoryStore

EMBED = "embeddings hashed-v2/512"
TURN = [
    "memory_r1.remember",
    ["extract", ["before inmemory"], ["chat Policy"]],
    ["retrieve", [EMBED], ["search_vectors inmemory"]],
    ["manage", ["chat Policy"]],
    ["apply", ["write inmemory"]],
]
QUESTION = [
    "memory_r1.answer", ["retrieve", ["search inmemory", [EMBED]]], ["distil", ["chat Policy"]], ["answer"],
]  # fmt: skip


def policy() -> Policy:
    return Policy(facts("Ann has a cat."), operations((0, "ADD", [], "")), '{"selected": ["0"], "answer": "a cat"}')


async def test_a_turn_and_a_question_are_one_tree_each() -> None:
    watch = Watch()
    agent = watch.agent(models=policy())
    await agent.learn(said("I have a cat."), "ann")
    await agent.ask("What has Ann?", "ann")
    assert watch.tree() == [TURN, QUESTION]
    told = {span.name: dict(span.attributes or {}) for span in watch.spans}
    assert told["memory_r1.remember"].items() >= {
        "memory_r1.bank": "ann", "memory_r1.outcome": "written", "memory_r1.revision": 1, "memory_r1.facts": 1,
        "memory_r1.operations.add": 1, "memory_r1.calls": 2, "gen_ai.usage.input_tokens": 6,
    }.items()  # fmt: skip
    assert told["chat Policy"].items() >= {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "local", "gen_ai.usage.output_tokens": 2,
    }.items()  # fmt: skip
    assert told["write inmemory"] == {
        "db.system.name": "inmemory", "db.operation.name": "write", "memory_r1.bank": "ann", "memory_r1.revision": 1,
    }  # fmt: skip
    assert told["memory_r1.answer"].items() >= {"memory_r1.hits": 1, "memory_r1.selected": 1}.items()
    assert {span.status.status_code for span in watch.spans} == {StatusCode.UNSET}


async def test_a_chat_holds_the_runs_of_its_two_graphs() -> None:
    watch = Watch()
    agent = watch.agent(models=policy())
    await agent.agent.ainvoke({"messages": [("user", "I have a cat. What do I have?")]}, bank())
    listening = ["listen", ["open_bank inmemory"], ["turns inmemory"]]
    assert watch.tree() == [["memory_r1.chat", listening, TURN, QUESTION, ["reply"]]]


def test_a_synchronous_run_is_the_same_tree() -> None:
    watch = Watch()
    agent = watch.agent(models=policy())
    agent.remember.invoke({"turn": said("I have a cat.")}, bank())
    agent.answer.invoke({"question": "What has Ann?"}, bank())
    assert watch.tree() == [TURN, QUESTION]
    assert watch.value("memory_r1.turns", memory_r1__outcome="written") == 1


async def test_a_hundred_runs_at_once_keep_their_own_spans() -> None:
    class Slow(Policy):
        async def complete(self, messages: Any) -> Completion:
            await asyncio.sleep(random.Random(str(messages)).random() / 100)
            told = re.search(r"I have (\d+) cats", messages[1]["content"])
            reply = facts(f"Ann has {told[1]} cats.") if told else operations((0, "ADD", [], ""))
            return await Policy(reply).complete(messages)

    watch = Watch()
    agent = watch.agent(models=Slow())
    await asyncio.gather(*(agent.learn(said(f"I have {n} cats.", n), f"bank{n}") for n in range(100)))
    by_id = {span.context.span_id: span for span in watch.spans}
    assert sum(span.parent is None for span in watch.spans) == 100
    for span in watch.spans:
        if span.parent is not None:
            parent = by_id[span.parent.span_id]
            assert parent.context.trace_id == span.context.trace_id
            banks = {one.attributes.get("memory_r1.bank") for one in (span, parent) if one.attributes} - {None}
            assert len(banks) == 1, f"{span.name} of {banks}"
    assert sorted(map(str, watch.tree())) == [str(tree).replace("Policy", "Slow") for tree in [TURN] * 100]
    assert running() is None


async def test_a_run_stands_below_the_span_of_its_caller_and_leaves_nothing_behind() -> None:
    watch = Watch()
    agent = watch.agent(models=policy())
    with watch.tracers.get_tracer("app").start_as_current_span("mine") as mine:
        stream = agent.remember.astream({"turn": said("I have a cat.")}, bank(), stream_mode="updates")
        async for _ in stream:
            assert trace.get_current_span() is mine
            assert running() is None
    (run,) = watch.named("memory_r1.remember")
    assert run.parent is not None
    assert run.parent.span_id == mine.get_span_context().span_id


async def test_an_error_is_its_class_alone() -> None:
    class Away(InMemoryStore):
        async def before(self, *_: Any) -> Any:
            raise StoreUnavailableError(f"no {SECRET}")

    watch = Watch()
    with pytest.raises(StoreUnavailableError):
        await watch.agent(Away(), models=policy()).learn(said("Hi"), "ann")
    assert [span.name for span in watch.spans] == ["memory_r1.remember", "extract", "before away"]
    for span in watch.spans:
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "StoreUnavailableError")
        assert (span.attributes or {})["error.type"] == "StoreUnavailableError"
        assert not span.events
    for metric in ("memory_r1.run.duration", "memory_r1.node.duration", "db.client.operation.duration"):
        assert watch.value(metric, error__type="StoreUnavailableError") == 1
    assert watch.value("memory_r1.turns", memory_r1__outcome="failed") == 1


async def test_a_cancelled_run_ends_its_spans() -> None:
    class Never(Policy):
        async def complete(self, messages: Any) -> Completion:
            asked.set()
            return await asyncio.Future()

    asked, watch = asyncio.Event(), Watch()
    work = asyncio.create_task(watch.agent(models=Never()).learn(said("Hi"), "ann"))
    await asked.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert {span.name for span in watch.spans} == {"memory_r1.remember", "extract", "before inmemory", "chat Never"}
    assert watch.value("memory_r1.turns", memory_r1__outcome="failed") == 1


async def test_conflicts_failures_and_malformed_replies_are_counted() -> None:
    watch = Watch()
    await everything(watch)
    assert watch.value("memory_r1.conflicts") == 1
    for kind in ("add", "update", "delete", "noop"):
        assert watch.value("memory_r1.operations", memory_r1__operation=kind) >= 1
    assert watch.value("memory_r1.failures", memory_r1__role="answerer", memory_r1__failure="malformed") == 1
    assert watch.value("memory_r1.malformed_replies", memory_r1__role="answerer") == 2  # mended once, in vain
    assert watch.value("gen_ai.client.token.usage", gen_ai__token__type="input", memory_r1__role="manager") >= 4
    outcomes = {labels["memory_r1.outcome"] for labels, _ in watch.figures()["memory_r1.turns"]}
    assert outcomes == {"written", "repeated", "failed", "stopped"}
    outcomes = {labels["memory_r1.outcome"] for labels, _ in watch.figures()["memory_r1.questions"]}
    assert outcomes == {"answered", "malformed", "failed", "stopped"}


async def test_every_name_that_is_reported_is_listed_and_every_listed_one_reported() -> None:
    watch = Watch()
    await everything(watch)
    assert {name for span in watch.spans for name in span.attributes or {}} == set(ATTRIBUTES)
    figures = watch.figures()
    assert set(figures) == {metric.name for metric in METRICS}
    for metric in METRICS:
        assert {name for labels, _ in figures[metric.name] for name in labels} == set(metric.labels), metric.name
        assert set(metric.labels) <= {*ATTRIBUTES, *LABELS}
        assert not {"memory_r1.bank", "memory_r1.revision"} & set(metric.labels)


async def test_no_word_of_a_memory_is_reported_unless_asked_for() -> None:
    quiet, frank = Watch(), Watch(content=True)
    await everything(quiet)
    assert SECRET not in "".join(span.to_json() for span in quiet.spans)
    assert SECRET not in json.dumps(quiet.figures())
    await everything(frank)
    held = {name for span in frank.spans for name, value in (span.attributes or {}).items() if SECRET in str(value)}
    assert held == set(CONTENT)
    assert SECRET not in json.dumps(frank.figures())


async def test_model_calls_take_the_same_way_as_unwatched_ones() -> None:
    seen: list[bool] = []

    class Looks(Adds):
        async def decide(self, *given: Any) -> Any:
            seen.append(watched())
            return await super().decide(*given)

    watch = Watch()
    agent = watch.agent(roles=roles(manager=Looks()))
    await agent.learn(said("I have a cat."), "ann")
    assert seen == [False]


async def test_copies_of_the_graph_are_watched_too() -> None:
    watch = Watch()
    graph = watch.agent(models=policy()).remember.with_config({"tags": ["mine"]}).copy()
    await graph.ainvoke({"turn": said("I have a cat.")}, bank())
    assert watch.tree() == [TURN]
    assert graph.get_graph().draw_mermaid() == build_agent(InMemoryStore()).remember.get_graph().draw_mermaid()


async def test_a_watched_store_is_a_store_with_all_that_it_has() -> None:
    watch = Watch()
    inner = InMemoryStore()
    store: Any = watch_store(inner, watch.telemetry)
    assert isinstance(store, Store)
    assert type(store.fork()) is InMemoryStore
    assert watch.agent(inner, models=policy()).store is inner
    assert {"write", "before", "search", "search_vectors", "forget", "dump", "close"} <= CALLS
    with pytest.raises(AttributeError):
        _ = store.nonsense


async def test_nothing_is_watched_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMORY_R1_TELEMETRY", raising=False)
    seen: list[Any] = []

    class Looks(Adds):
        async def decide(self, *given: Any) -> Any:
            seen.append(running())
            return await super().decide(*given)

    agent = build_agent(InMemoryStore(), roles=roles(manager=Looks()))
    await agent.learn(said("I have a cat."), "ann")
    assert seen == [None]
    assert from_environment() is None


def test_a_wrong_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_R1_TELEMETRY", "yes")
    with pytest.raises(SettingsError, match=r"MEMORY_R1_TELEMETRY='yes'.*off or otlp"):
        build_agent(InMemoryStore())


def test_the_agent_works_without_opentelemetry_and_says_what_is_missing_when_asked_for_it() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
import asyncio, os
from datetime import datetime
from memory_r1.graphs import build_agent
from memory_r1.memory.errors import MissingExtraError
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.types import Turn
agent = build_agent(InMemoryStore())
asyncio.run(agent.learn(Turn("t", "s", 0, "Anna", "I adopted a greyhound.", datetime(2024, 3, 5)), "anna"))
os.environ["MEMORY_R1_TELEMETRY"] = "otlp"
try:
    build_agent(InMemoryStore())
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "pip install 'memory-r1[otel]'" in done.stdout


async def test_a_run_without_a_bank_fails_as_it_does_unwatched() -> None:
    watch = Watch()
    with pytest.raises(Exception, match="names no bank"):
        await watch.agent(models=policy()).remember.ainvoke({"turn": said("Hi")}, RunnableConfig())
    assert [span.name for span in watch.spans] == ["memory_r1.remember", "extract"]


async def test_a_role_that_is_no_model_has_no_call() -> None:
    watch = Watch()
    agent = watch.agent(roles=roles(answerer=Says(StoreUnavailableError("x"))))
    await agent.learn(said("I have a cat."), "ann")
    assert not [span for span in watch.spans if span.name.startswith("chat ")]
