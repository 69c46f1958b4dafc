"""`answer`: a question is answered from the bank (paper, algorithm 4).

    START → retrieve → distil → answer → END

`distil` makes the one model call, which selects the memories that matter and answers from them; `answer` holds the
result against what was retrieved, and cites.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from langchain_core.runnables import RunnableConfig

from memory_r1.graphs.parse import lookup_ids
from memory_r1.graphs.remember import Limits, failed
from memory_r1.graphs.roles import Meter, Roles, metered
from memory_r1.graphs.state import (
    ANSWER,
    FAILURES,
    HITS,
    USAGE,
    AnswerInput,
    AnswerOutput,
    AnswerState,
    AnswerUpdate,
    Context,
    bank_of,
)  # fmt: skip
from memory_r1.graphs.steps import END, START, Graph, StateGraph, Step, emit
from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import InputError, MalformedOutputError
from memory_r1.memory.store import Store
from memory_r1.memory.types import Answer


class Answering:
    """The steps of `answer` over one store, embedder and set of roles."""

    def __init__(self, store: Store, embedder: Embedder, roles: Roles, limits: Limits) -> None:
        self.store = store
        self.embedder = embedder
        self.roles = roles
        self.limits = limits

    async def retrieve(self, state: AnswerState, config: RunnableConfig) -> AnswerUpdate:
        """Find the memories that may help. Raises UnknownBankError."""
        question = state["question"]
        if not isinstance(question, str) or not question.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"question={question!r} is no question: give a text")
        limits = self.limits
        hits = await self.store.search(
            bank_of(config), question, self.embedder, total=limits.hits, per_speaker=limits.per_speaker
        )
        found = HITS.dump_python(hits, mode="json")
        emit("hits", hits=found)
        return AnswerUpdate(hits=found, draft=None, answer={}, failures=[])

    async def distil(self, state: AnswerState, config: RunnableConfig) -> AnswerUpdate:
        """Let the answerer select and answer. An unusable reply leaves no draft, and a failure."""
        question, hits = state["question"], HITS.validate_python(state.get("hits"))
        draft: Answer | None = None
        with metered() as meter:
            try:
                draft = await self.roles.answerer.answer(question, hits, _time(state.get("asked")))
                lookup_ids(draft.selected, [hit.memory.id for hit in hits])
            except MalformedOutputError as error:
                draft = None
                meter.failures.append(failed("answerer", error))
        emit("selection", selected=list(draft.selected) if draft else [])
        return _report(draft, meter)

    async def answer(self, state: AnswerState, config: RunnableConfig) -> AnswerUpdate:
        """State the answer with the memories and turns that it rests on; without a draft the text is empty."""
        draft = state.get("draft") or ANSWER.dump_python(Answer(state["question"], ""), mode="json")
        turns = {hit["memory"]["id"]: hit["memory"]["turns"] for hit in state.get("hits", [])}
        cited = dict.fromkeys(turn for id in draft["selected"] for turn in turns[id])
        answer = {**draft, "selected": list(draft["selected"]), "turns": list(cited)}
        emit("answer", answer=answer)
        return AnswerUpdate(answer=answer)


def build_answer(steps: Answering) -> Graph:
    """Compile `answer`. In: `question`, `asked`. Out: `answer`, `hits`, `failures`, `usage`."""
    graph: Any = StateGraph(AnswerState, Context, input_schema=AnswerInput, output_schema=AnswerOutput)
    for step in (steps.retrieve, steps.distil, steps.answer):
        graph.add_node(step.__name__, Step(step.__name__, step))
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "distil")
    graph.add_edge("distil", "answer")
    graph.add_edge("answer", END)
    return graph.compile(name="answer")


def _report(draft: Answer | None, meter: Meter) -> AnswerUpdate:
    return AnswerUpdate(
        draft=ANSWER.dump_python(draft, mode="json") if draft else None,
        failures=FAILURES.dump_python(meter.failures), usage=USAGE.dump_python(meter.usage),
    )  # fmt: skip


def _time(asked: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(asked) if asked else None
    except (ValueError, TypeError):
        raise InputError(f"asked={asked!r} is no ISO 8601 time: write 2023-06-16T19:20:00, or leave it out") from None
