"""A plain run of a plan is the compiled graph's run, and gives way to it where someone watches."""

from contextvars import ContextVar
from typing import Any

import pytest
from graph_fakes import Says, bank, roles, said
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.context import register_configure_hook
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from memory_r1.graphs import build_agent
from memory_r1.graphs.build import Agent
from memory_r1.graphs.state import HITS
from memory_r1.memory.errors import InputError, MalformedOutputError
from memory_r1.memory.stores.memory import InMemoryStore

TURNS = [
    said("I adopted a cat called Tom on 3 May 2023.", 0),
    said("Hi!", 1),
    said("I moved to Lisbon yesterday. I work as a nurse.", 2),
    said("I adopted a cat called Tom on 3 May 2023.", 3),
    said("I moved to Lisbon yesterday. I work as a nurse.", 2),
    said("Tom died. I left Lisbon and live in Oslo now.", 4),
]
QUESTIONS = ("What is the cat called?", "Where does Ann live?", "When did Ann adopt Tom?")


async def graph_run(graph: CompiledStateGraph, given: dict[str, Any]) -> dict[str, Any]:
    return await graph.ainvoke(given, bank())


@pytest.mark.parametrize("broken", [False, True], ids=["rules", "a model that fails"])
async def test_a_plain_run_does_and_tells_what_the_graph_does(broken: bool):
    plain, graph = (
        build_agent(InMemoryStore(), **({"roles": roles(Says(MalformedOutputError("no JSON")))} if broken else {}))
        for _ in range(2)
    )
    for turn in TURNS:
        told = await plain.remembering.run({"turn": turn}, bank="ann")
        out = await graph_run(graph.remember, {"turn": turn})
        assert {name: told[name] for name in out} == out
    assert await plain.store.dump("ann") == await graph.store.dump("ann")
    for question in QUESTIONS if not broken else ():
        told = await plain.answering.run({"question": question, "asked": None}, bank="ann")
        out = await graph_run(graph.answer, {"question": question, "asked": None})
        told["hits"] = HITS.dump_python(told["hits"], mode="json")
        assert {name: told[name] for name in out} == out and out["answer"]["text"]


async def test_a_plain_run_needs_a_bank_too():
    with pytest.raises(InputError, match="names no bank"):
        await build_agent(InMemoryStore()).remembering.run({"turn": TURNS[0]})


class Chains(BaseCallbackHandler):
    """Notes the steps that LangChain tells of."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        self.names.append(kwargs.get("name") or "")


async def test_a_listener_sees_every_step():
    agent, listener = build_agent(InMemoryStore()), Chains()
    outer = RunnableLambda(lambda _: None, afunc=lambda _: agent.learn(TURNS[0], "ann"))
    assert (await outer.ainvoke(None, {"callbacks": [listener]})).created
    assert {"remember", "extract", "retrieve", "manage", "apply"} <= set(listener.names)


TRACER: ContextVar[Chains | None] = ContextVar("tracer", default=None)
register_configure_hook(TRACER, inheritable=True)


async def test_a_tracer_sees_every_step():
    agent, tracer = build_agent(InMemoryStore()), Chains()
    token = TRACER.set(tracer)
    try:
        await agent.learn(TURNS[0], "ann")
        await agent.ask(QUESTIONS[0], "ann")
    finally:
        TRACER.reset(token)
    assert {"remember", "extract", "apply", "answer", "distil"} <= set(tracer.names)


class Diary(TypedDict, total=False):
    done: bool


def diary(agent: Agent) -> Any:
    async def note(state: Diary) -> Diary:
        return {"done": bool((await agent.learn(TURNS[0], "ann")).created)}

    graph = StateGraph(Diary)
    graph.add_node("note", note)
    graph.add_edge(START, "note")
    graph.add_edge("note", END)
    return graph.compile()


async def test_inside_of_another_graph_its_events_are_streamed():
    outer = diary(build_agent(InMemoryStore()))
    events = [event async for _, event in outer.astream({}, stream_mode="custom", subgraphs=True)]
    assert {"fact", "operation", "receipt"} <= {event["event"] for event in events}
