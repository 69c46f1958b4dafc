"""A-Mem, written from its paper (Xu et al., arXiv 2502.12110) as two graphs over the notes of one conversation.

    remember:  START → construct → neighbours → evolve → store → END
                           │             └── none ──→ store
                           └── known or blank turn → END
    retrieve:  START → nearest → follow → END

A model says what a turn is about (`construct`), the notes most like it are found by cosine (`neighbours`), a model
links the note with them and rewrites what it changes in them (`evolve`: the paper's two templates in one call), and
all of it is one transaction (`store`). A question finds the nearest notes, then those linked with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, TypeVar, cast

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from memory_r1.graphs.baselines import a_mem_prompts as prompts
from memory_r1.graphs.baselines.a_mem_notes import NOTE, Note, Notes, Vector, said
from memory_r1.graphs.baselines.a_mem_prompts import Evolved
from memory_r1.graphs.chat_roles import ChatCall
from memory_r1.graphs.completers import Completer
from memory_r1.graphs.endpoint import Patience
from memory_r1.graphs.prompts import TURN_CHARS
from memory_r1.graphs.remember import failed
from memory_r1.graphs.roles import Failure, Meter, Role, Usage, fail, metered
from memory_r1.graphs.state import FAILURES, TURN, USAGE, Json, gather, read_turn, tally
from memory_r1.graphs.steps import END, START, Fork, Graph, StateGraph, Step
from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import MalformedOutputError
from memory_r1.memory.types import Turn

T = TypeVar("T")
NOTES = TypeAdapter(list[Note])


@dataclass(frozen=True, slots=True)
class NoteLimits:
    """How many notes are looked at.

    `neighbours`: of a new note. `nearest`: of a question, before their links are followed (paper: 10). `total`: of a
    question in all; further nearest ones fill it up.
    """

    neighbours: int = 5
    nearest: int = 10
    total: int = 60


@dataclass(frozen=True, slots=True, eq=False)
class NoteModels:
    """Which model is asked at which step, and how patiently."""

    construct: BaseChatModel | Completer
    evolve: BaseChatModel | Completer
    patience: Patience = field(default_factory=Patience)


class FileInput(TypedDict):
    """One turn: a `Turn`, or the same as JSON."""

    turn: Turn | Json


class FileOutput(TypedDict, total=False):
    """What became of the turn. `note`: its number, None for a blank turn; `evolved`: numbers of the notes changed."""

    note: int | None
    links: list[int]
    evolved: list[int]
    repeated: bool
    failures: Annotated[list[Json], gather]
    usage: Annotated[Json, tally]


class FileUpdate(FileOutput, total=False):
    """What the steps hand on. `draft`: the new note; `near`, `changed`: other notes, as they were and become."""

    draft: Json | None
    vector: list[float]
    near: list[Json]
    changed: list[Json]


class FileState(FileInput, FileUpdate):
    """The whole state of `remember`."""


class FindInput(TypedDict):
    """A question. `total`: how many notes at most, if not what the limits say."""

    question: str
    total: NotRequired[int]


class FindOutput(TypedDict, total=False):
    """The notes found, the best first."""

    notes: list[Json]


class FindUpdate(FindOutput, total=False):
    """What the steps hand on. `ranked`: the numbers of the notes nearest to the question, the best first."""

    ranked: list[int]


class FindState(FindInput, FindUpdate):
    """The whole state of `retrieve`."""


@dataclass(frozen=True, slots=True)
class Filed:
    """What `AMem.learn` did. `note`: None for a blank turn. `repeated`: the turn had its note, nothing was asked."""

    note: int | None
    links: tuple[int, ...]
    evolved: tuple[int, ...]
    repeated: bool
    failures: tuple[Failure, ...]
    usage: Usage


class AMemSteps:
    """The steps of both graphs over one conversation's notes. Turns are learned one after the other."""

    def __init__(self, notes: Notes, embedder: Embedder, models: NoteModels, limits: NoteLimits) -> None:
        self.notes = notes
        self.embedder = embedder
        self.limits = limits
        self._construct = ChatCall(models.construct, "extractor", prompts.NoteReply, models.patience)
        self._evolve = ChatCall(models.evolve, "manager", prompts.EvolveReply, models.patience)

    async def construct(self, state: FileState, config: RunnableConfig) -> FileState:
        """Let the model say what the turn is about. An unusable reply leaves the note bare, and a failure."""
        turn = read_turn(state["turn"])
        known = self.notes.of_turn(turn)
        update = FileState(
            turn=TURN.dump_python(turn, mode="json"), note=known.id if known else None, links=[], evolved=[],
            repeated=known is not None, failures=[], usage=USAGE.dump_python(Usage()),
            draft=None, vector=[], near=[], changed=[],
        )  # fmt: skip
        if known or not (turn.text.strip() or turn.caption.strip()):
            return update
        id = len(self.notes) + 1
        with metered() as meter:
            _say_cut(turn)
            reading = self._construct.ask(prompts.construct(turn), lambda text: prompts.read_note(text, id, turn))
            note = await _or_failure(reading, Note(id, turn), "extractor", meter)
        update["draft"] = NOTE.dump_python(note, mode="json")
        update["failures"], update["usage"] = FAILURES.dump_python(meter.failures), USAGE.dump_python(meter.usage)
        return update

    async def neighbours(self, state: FileState, config: RunnableConfig) -> FileUpdate:
        """Embed the note and find the notes most like it."""
        note = NOTE.validate_python(state.get("draft"))
        vector = (await self.embedder.embed([note.indexed]))[0]
        near = self.notes.nearest(vector, self.limits.neighbours)
        return FileUpdate(vector=vector.tolist(), near=NOTES.dump_python(near, mode="json"))

    async def evolve(self, state: FileState, config: RunnableConfig) -> FileUpdate:
        """Let the model link the note and rewrite its neighbours. An unusable reply changes nothing, and is counted."""
        note, near = NOTE.validate_python(state.get("draft")), NOTES.validate_python(state.get("near"))
        with metered() as meter:
            reading = self._evolve.ask(prompts.evolve(note, near), lambda text: prompts.read_evolved(text, near))
            found = await _or_failure(reading, Evolved(), "manager", meter)
        failures, usage = FAILURES.dump_python(meter.failures), USAGE.dump_python(meter.usage)
        changed = NOTES.dump_python(list(found.notes), mode="json")
        return FileUpdate(links=list(found.links), changed=changed, failures=failures, usage=usage)

    async def store(self, state: FileState, config: RunnableConfig) -> FileUpdate:
        """Write the note, its links and the changed notes, all or nothing."""
        note, changed = NOTE.validate_python(state.get("draft")), NOTES.validate_python(state.get("changed"))
        vectors: dict[int, Vector] = {note.id: np.array(state.get("vector"), np.float32)}
        if changed:
            made = await self.embedder.embed([one.indexed for one in changed])
            vectors |= {one.id: vector for one, vector in zip(changed, made, strict=True)}
        await asyncio.to_thread(self.notes.write, note, state.get("links", []), vectors, changed)
        return FileUpdate(note=note.id, evolved=[one.id for one in changed])

    async def nearest(self, state: FindState, config: RunnableConfig) -> FindUpdate:
        """Rank the notes by their cosine with the question."""
        vector = (await self.embedder.embed([state["question"]], query=True))[0]
        found = self.notes.nearest(vector, state.get("total", self.limits.total))
        return FindUpdate(ranked=[note.id for note in found])

    async def follow(self, state: FindState, config: RunnableConfig) -> FindUpdate:
        """Put what is linked with the nearest notes right behind these."""
        ranked = state.get("ranked", [])
        first = ranked[: self.limits.nearest]
        linked = [other for id in first for other in self.notes.linked(id)]
        found = list(dict.fromkeys((*first, *linked, *ranked)))[: state.get("total", self.limits.total)]
        return FindUpdate(notes=NOTES.dump_python([self.notes.get(id) for id in found], mode="json"))


@dataclass(frozen=True, slots=True, eq=False)
class AMem:
    """The compiled graphs over one conversation's notes.

    `remember`: `{"turn": …}` → note, links, evolved, repeated, failures, usage. `retrieve`: `{"question": …}`
    → notes. One turn at a time; questions at any time.
    """

    remember: Graph
    retrieve: Graph

    async def learn(self, turn: Turn) -> Filed:
        """Run `remember` on one turn, values in and out. Raises ModelUnavailableError: nothing is stored then."""
        out: Json = await cast(Any, self.remember).ainvoke({"turn": turn})
        return Filed(
            out["note"], tuple(out["links"]), tuple(out["evolved"]), out["repeated"],
            tuple(FAILURES.validate_python(out["failures"])), USAGE.validate_python(out["usage"]),
        )  # fmt: skip

    async def search(self, question: str) -> list[Note]:
        """Run `retrieve` on one question: the notes found, the best first."""
        out: Json = await cast(Any, self.retrieve).ainvoke({"question": question})
        return NOTES.validate_python(out["notes"])


def build_a_mem(notes: Notes, embedder: Embedder, models: NoteModels, limits: NoteLimits = NoteLimits()) -> AMem:
    """Compile both graphs over `notes`, which stay the caller's to close, as do the models."""
    steps = AMemSteps(notes, embedder, models, limits)
    return AMem(_build_remember(steps), _build_retrieve(steps))


def _build_remember(steps: AMemSteps) -> Graph:
    graph: Any = StateGraph(FileState, input_schema=FileInput, output_schema=FileOutput)
    for step in (steps.construct, steps.neighbours, steps.evolve, steps.store):
        graph.add_node(step.__name__, Step(step.__name__, step))
    graph.add_edge(START, "construct")
    graph.add_conditional_edges("construct", Fork(_after_construct), ["neighbours", END])
    graph.add_conditional_edges("neighbours", Fork(_after_neighbours), ["evolve", "store"])
    graph.add_edge("evolve", "store")
    graph.add_edge("store", END)
    return graph.compile(name="a-mem-remember")


def _build_retrieve(steps: AMemSteps) -> Graph:
    graph: Any = StateGraph(FindState, input_schema=FindInput, output_schema=FindOutput)
    graph.add_node("nearest", Step("nearest", steps.nearest))
    graph.add_node("follow", Step("follow", steps.follow))
    graph.add_edge(START, "nearest")
    graph.add_edge("nearest", "follow")
    graph.add_edge("follow", END)
    return graph.compile(name="a-mem-retrieve")


def _after_construct(state: FileState) -> str:
    return "neighbours" if state.get("draft") else END


def _after_neighbours(state: FileState) -> str:
    return "evolve" if state.get("near") else "store"


async def _or_failure(reading: Awaitable[T], otherwise: T, role: Role, meter: Meter) -> T:
    """What `reading` gives; `otherwise`, and a failure in `meter`, when the reply can't be used."""
    try:
        return await reading
    except MalformedOutputError as error:
        meter.failures.append(failed(role, error))
        return otherwise


def _say_cut(turn: Turn) -> None:
    length = len(said(turn))
    if length > TURN_CHARS:
        detail = f"turn {turn.id!r} has {length} characters, of which the first {TURN_CHARS} were read"
        fail(Failure("extractor", "truncated", detail))
