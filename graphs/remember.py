"""`remember`: one turn becomes operations on the bank (paper, algorithm 3).

    START → extract → retrieve → manage → apply → END
               │          ↑                 │
               │          └── bank moved on ┘
               ├── no facts → apply
               └── known turn → END

All operations of the turn are one write, expected at the revision on which they were decided. When another writer
was faster, the candidates are read again; if they are the same, the decision stands, else the manager decides anew.
The write's key comes from the turn, so a step that runs twice applies once.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from langchain_core.runnables import RunnableConfig
from numpy.typing import NDArray

from memory_r1.graphs.parse import check_fact, check_operations
from memory_r1.graphs.roles import Failure, Meter, Role, Roles, Usage, metered
from memory_r1.graphs.state import (
    CANDIDATES,
    FACTS,
    FAILURES,
    OPERATIONS,
    TURN,
    USAGE,
    Context,
    Json,
    RememberInput,
    RememberOutput,
    RememberState,
    RememberUpdate,
    bank_of,
    read_turn,
)
from memory_r1.graphs.steps import END, START, Fork, Graph, StateGraph, Step, emit
from memory_r1.memory.analysis import index_text
from memory_r1.memory.apply import contradicts, texts
from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import ConflictError, MalformedOutputError
from memory_r1.memory.ranking import Query
from memory_r1.memory.store import Store, Vectors
from memory_r1.memory.types import Fact, Hit, Memory, Noop, Operation, Revision, Turn, Write

log = logging.getLogger(__name__)

READY = 256
"""Vectors that are kept between finding a fact's candidates and storing it."""
FAILED = "failed:"
"""How the reason of a Noop begins that stands for a model's failure."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is looked at.

    `context`: earlier turns of the session for the extractor. `candidates`: memories per fact. `hits`, `per_speaker`:
    memories per question (paper: 60 and 30). `attempts`: how often a turn is written against other writers.
    """

    context: int = 3
    candidates: int = 5
    hits: int = 60
    per_speaker: int | None = 30
    attempts: int = 32


class Remember:
    """The steps of `remember` over one store, embedder and set of roles."""

    def __init__(self, store: Store, embedder: Embedder, roles: Roles, limits: Limits) -> None:
        self.store = store
        self.embedder = embedder
        self.roles = roles
        self.limits = limits
        self._ready: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def extract(self, state: RememberState, config: RunnableConfig) -> RememberState:
        """Take the facts from the turn, unless the bank knows it: then end before any model is called."""
        turn = read_turn(state["turn"])
        bank = bank_of(config)
        before = await self.store.before(bank, self.embedder, turn, self.limits.context)
        update = RememberState(
            turn=TURN.dump_python(turn, mode="json"), facts=[], candidates=[], decided=None, operations=[],
            lost=[], receipt=None, revision=None, attempts=0, failures=[], usage=USAGE.dump_python(Usage()),
        )  # fmt: skip
        attempt = state.get("attempt", 0)
        if _known(before.stored, turn) and not attempt:
            update["receipt"] = {"revision": before.bank.revision, "created": [], "ended": [], "repeated": True}
            return update
        told = await self._earlier(bank, turn) if attempt else before.recent
        with metered() as meter:
            facts, lost = await self._extract(turn, _context(told, turn, self.limits.context), meter)
        update["facts"] = FACTS.dump_python(facts, mode="json")
        update["operations"] = update["lost"] = OPERATIONS.dump_python(lost, mode="json")
        for fact in update["facts"]:
            emit("fact", fact=fact)
        update["failures"], update["usage"] = _charge({}, meter)
        return update

    async def retrieve(self, state: RememberState, config: RunnableConfig) -> RememberUpdate:
        """Find the memories like each fact, and the revision at which they were read."""
        facts = FACTS.validate_python(state.get("facts"))
        vectors = await self._embed_facts(facts, read_turn(state["turn"]))
        queries = [Query.of(fact.text, vector) for fact, vector in zip(facts, vectors, strict=True)]
        bank, found = await self.store.search_vectors(
            bank_of(config), queries, total=self.limits.candidates, per_speaker=None
        )
        for fact, hits in zip(facts, found, strict=True):
            emit("candidates", fact=fact.text, memories=[_brief(hit) for hit in hits])
        return RememberUpdate(candidates=CANDIDATES.dump_python(found, mode="json"), revision=bank.revision)

    async def manage(self, state: RememberState, config: RunnableConfig) -> RememberUpdate:
        """Decide the operations. Exact repeats are no question for the manager; the same candidates no new one."""
        candidates = CANDIDATES.validate_python(state.get("candidates"))
        shown = [[hit.memory.id for hit in hits] for hits in candidates]
        if state.get("decided") == shown:
            return RememberUpdate()
        facts = FACTS.validate_python(state.get("facts"))
        repeats = exact_repeats(facts, candidates)
        rest = [number for number in range(len(facts)) if number not in repeats]
        with metered() as meter:
            decided = await self._decide([facts[n] for n in rest], [candidates[n] for n in rest], meter)
        operations = OPERATIONS.dump_python([*repeats.values(), *decided], mode="json")
        for operation in operations:
            emit("operation", operation=operation)
        failures, usage = _charge(state, meter)
        operations = [*state.get("lost", []), *operations]
        return RememberUpdate(operations=operations, decided=shown, failures=failures, usage=usage)

    async def apply(self, state: RememberState, config: RunnableConfig) -> RememberUpdate:
        """Write turn and operations, all or nothing. No receipt means: the bank has moved on, retrieve again."""
        turn = read_turn(state["turn"])
        operations = tuple(OPERATIONS.validate_python(state.get("operations")))
        key = write_key(turn, state.get("attempt", 0))
        write = Write(key, turn.time, (turn,), operations, expected=state.get("revision"))
        attempts = state.get("attempts", 0) + 1
        try:
            receipt = await self.store.write(bank_of(config), write, await self._embed(operations, turn))
        except ConflictError:
            if attempts >= self.limits.attempts:
                raise
            log.info("turn %r: the bank moved on, attempt %d", turn.id, attempts)
            return RememberUpdate(attempts=attempts)
        done = receipt.revision
        report: Json = {"revision": done.number, "created": list(done.created), "ended": list(done.ended)}
        report["repeated"] = receipt.repeated
        emit("receipt", turn=turn.id, **report)
        return RememberUpdate(attempts=attempts, receipt=report)

    async def _earlier(self, bank: str, turn: Turn) -> list[Turn]:
        """The turns before a stored `turn`: reads all of the bank's."""
        return [old for old in await self.store.turns(bank) if old.index < turn.index]

    async def _extract(self, turn: Turn, context: list[Turn], meter: Meter) -> tuple[list[Fact], list[Operation]]:
        """The facts of the turn that can be stored, and a Noop in the log for what can't."""
        facts: list[Fact] = []
        lost: list[Operation] = []
        try:
            for fact in await self.roles.extractor.extract(turn, context):
                try:
                    check_fact(fact, [*(old.id for old in context), turn.id])
                    facts.append(fact)
                except MalformedOutputError as error:
                    meter.failures.append(failed("extractor", error))
                    lost.append(Noop((turn.id,), reason=f"{FAILED} a fact that can't be stored"))
        except MalformedOutputError as error:
            meter.failures.append(failed("extractor", error))
            lost.append(Noop((turn.id,), reason=f"{FAILED} malformed extractor reply"))
        return facts, lost

    async def _decide(self, facts: list[Fact], candidates: list[list[Hit]], meter: Meter) -> Sequence[Operation]:
        if not facts:
            return []
        try:
            decided = await self.roles.manager.decide(facts, candidates)
            check_operations(decided, [hit.memory.id for hits in candidates for hit in hits])
            return decided
        except MalformedOutputError as error:
            meter.failures.append(failed("manager", error))
            return [Noop(fact.turns, fact.text, reason=f"{FAILED} malformed manager reply") for fact in facts]

    async def _embed_facts(self, facts: Sequence[Fact], turn: Turn) -> Vectors:
        """A row for each fact. The vectors of the memories that they would be are made in the same call."""
        stored = [index_text(fact.text, fact.speaker, fact.when, turn.time) for fact in facts]
        rows = await self.embedder.embed([*(fact.text for fact in facts), *stored])
        self._ready.update(zip(stored, rows[len(facts) :], strict=True))
        while len(self._ready) > READY:
            self._ready.popitem(last=False)
        return rows[: len(facts)]

    async def _embed(self, operations: Sequence[Operation], turn: Turn) -> Vectors:
        """A row for each memory that `operations` make: what isn't ready is embedded now."""
        wanted = [index_text(op.text, op.speaker, op.when, turn.time) for op in texts(operations)]
        ready = {text: self._ready.pop(text) for text in dict.fromkeys(wanted) if text in self._ready}
        missing = [text for text in dict.fromkeys(wanted) if text not in ready]
        if missing:
            ready.update(zip(missing, await self.embedder.embed(missing), strict=True))
        return np.array([ready[text] for text in wanted], np.float32).reshape(len(wanted), self.embedder.dim)


def build_remember(steps: Remember) -> Graph:
    """Compile `remember`. In: `turn`. Out: `operations`, `receipt`, `failures`, `usage`."""
    graph: Any = StateGraph(RememberState, Context, input_schema=RememberInput, output_schema=RememberOutput)
    for step in (steps.extract, steps.retrieve, steps.manage, steps.apply):
        graph.add_node(step.__name__, Step(step.__name__, step))
    graph.add_edge(START, "extract")
    graph.add_conditional_edges("extract", Fork(_after_extract), ["retrieve", "apply", END])
    graph.add_edge("retrieve", "manage")
    graph.add_edge("manage", "apply")
    graph.add_conditional_edges("apply", Fork(_after_apply), ["retrieve", END])
    return graph.compile(name="remember")


def write_key(turn: Turn, attempt: int = 0) -> str:
    """The key under which `turn` is written once (per attempt): its id and a digest of its content."""
    again = f":{attempt}" if attempt else ""
    return f"turn:{turn.id}:{sha256(TURN.dump_json(turn)).hexdigest()[:16]}{again}"


def unfinished(log: Sequence[Revision]) -> dict[str, int]:
    """The turns in which a model failed at the last attempt, each with the number of attempts so far.

    Give that number as `attempt` to `remember`, and it takes the turn once more.
    """
    tried: dict[str, int] = {}
    for revision in (entry for entry in log if entry.key.startswith("turn:")):
        again = any(isinstance(op, Noop) and op.reason.startswith(FAILED) for op in revision.operations)
        for id in revision.turns:
            tried[id] = tried.get(id, 0) + 1
            if not again:
                del tried[id]
    return tried


def failed(role: Role, error: MalformedOutputError) -> Failure:
    """The counted, logged failure that `error` of `role` becomes."""
    told = {"error": type(error).__name__, "content": str(error)}
    log.warning("%s failed: its reply can't be used", role, extra=told)
    return Failure(role, "malformed", str(error))


def _known(stored: Turn | None, turn: Turn) -> bool:
    """Whether the turn is stored. A forgotten one (its text is blank) counts, so that it stays forgotten."""
    if stored is not None and contradicts(stored, turn):
        raise ConflictError(f"turn {turn.id!r} is stored with other content: give the new one an id of its own")
    return stored is not None


def _context(told: Sequence[Turn], turn: Turn, count: int) -> list[Turn]:
    """The last `count` of the turns `told` that belong to the session of `turn` and are not forgotten."""
    return [old for old in told if old.session == turn.session and old.text][-count:] if count else []


def _after_extract(state: RememberState) -> str:
    if state.get("receipt"):
        return END
    return "retrieve" if state.get("facts") else "apply"


def _after_apply(state: RememberState) -> str:
    return END if state.get("receipt") else "retrieve"


def _charge(state: RememberState | Json, meter: Meter) -> tuple[list[Json], Json]:
    """Failures and usage: what stands in `state`, and on top what the step used and where it failed."""
    before = USAGE.validate_python(state.get("usage") or {})
    failures = [*(state.get("failures") or []), *FAILURES.dump_python(meter.failures)]
    return failures, USAGE.dump_python(before + meter.usage)


def exact_repeats(facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> dict[int, Noop]:
    """By position, the facts that a candidate (or an earlier fact of the turn) states already, word for word.

    Nobody is asked about them.
    """
    found: dict[int, Noop] = {}
    said: set[tuple[str, str, str]] = set()
    for number, (fact, hits) in enumerate(zip(facts, candidates, strict=True)):
        same = next((hit.memory.id for hit in hits if _same(fact, hit.memory)), "")
        form = (fact.speaker, fact.when, _norm(fact.text))
        if same or form in said:
            found[number] = Noop(fact.turns, fact.text, same, "duplicate")
        said.add(form)
    return found


def _same(fact: Fact, memory: Memory) -> bool:
    when = not fact.when or fact.when == memory.when
    return when and fact.speaker == memory.speaker and _norm(fact.text) == _norm(memory.text)


def _norm(text: str) -> str:
    return " ".join(text.casefold().split())


def _brief(hit: Hit) -> Json:
    return {"id": hit.memory.id, "text": hit.memory.text, "score": hit.score}
