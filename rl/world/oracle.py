"""Roles that are always right about a world, and managers that never are: the ceiling and the floors of every score.

They speak the protocols of `graphs.roles`, so the same graphs run with them. The extractor has the gold facts; manager
and answerer have nothing but what they are shown, and read it (`language`), so they are right about any bank, also one
that a wrong operation spoiled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from memory_r1.graphs.roles import Extractor, Manager, Roles
from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Add, Answer, Delete, Fact, Hit, Memory, Noop, Operation, Turn, Update
from memory_r1.rl.tasks.check import REFUSAL
from memory_r1.rl.world.events import Slot, State, after
from memory_r1.rl.world.known import Known, answer, read_question
from memory_r1.rl.world.language import read_event, read_state, write_state

NOTHING = "not-a-fact"
SAME = "duplicate"


class GoldExtractor:
    """Takes from each turn the facts that it tells: `facts` name them."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts: dict[str, list[Fact]] = {}
        for fact in facts:
            self._facts.setdefault(fact.turns[-1], []).append(fact)

    async def extract(self, turn: Turn, context: Sequence[Turn]) -> list[Fact]:
        """The gold facts of `turn`."""
        return list(self._facts.get(turn.id, ()))


class OracleManager:
    """Decides rightly: each slot has one memory, which states all that is true of it."""

    async def decide(self, facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> list[Operation]:
        """The right operation for each of `facts`, given the memories shown for it."""
        return decide(facts, [[hit.memory for hit in hits] for hits in candidates])


class AlwaysNoop:
    """Never remembers anything."""

    async def decide(self, facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> list[Operation]:
        """A Noop for each of `facts`."""
        return [Noop(fact.turns, fact.text, reason=NOTHING) for fact in facts]


class AlwaysAdd:
    """Stores every fact as it stands, beside what the bank holds."""

    async def decide(self, facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> list[Operation]:
        """An Add for each of `facts`."""
        return [as_add(fact) for fact in facts]


class OracleAnswerer:
    """Answers from the memories shown, and trusts each as it stands: where two contradict, it gives both answers.

    So it is right about a right bank, and shows by a wrong answer what is wrong in a bank. It doesn't weigh which
    memory is newer: that is the manager's work.
    """

    async def answer(self, question: str, hits: Sequence[Hit], asked: datetime | None) -> Answer:
        """The answer, resting on the memories of what the question is about; a refusal where they don't tell."""
        return answer_from(question, [hit.memory for hit in hits])


def decide(facts: Sequence[Fact], memories: Sequence[Sequence[Memory]]) -> list[Operation]:
    """As `OracleManager.decide`, without an event loop. A memory that one fact ended is no candidate for the next."""
    done: list[Operation] = []
    ended: set[str] = set()
    for fact, shown in zip(facts, memories, strict=True):
        operation = right_operation(fact, [memory for memory in shown if memory.id not in ended])
        if isinstance(operation, Update | Delete):
            ended.update(operation.targets)
        done.append(operation)
    return done


def right_operation(fact: Fact, memories: Sequence[Memory]) -> Operation:
    """The operation that makes a bank true again which holds `memories`, now that `fact` is known.

    Where several memories state the fact's slot, the newest counts, and one Update or Delete ends them all.
    """
    event = read_event(fact.text)
    if event is None or event.slot.topic == "passing":
        return Noop(fact.turns, fact.text, reason=NOTHING)
    found = [(memory, state) for memory in memories for slot, state in _read(memory) if slot == event.slot]
    found.sort(key=lambda pair: int(pair[0].id[1:]))
    targets = tuple(memory.id for memory, _ in found)
    before = found[-1][1] if found else ()
    state = after(before, event)
    if not state:
        return Delete(targets, fact.turns) if targets else Noop(fact.turns, fact.text, reason=SAME)
    if state == before and len(targets) == 1:
        return Noop(fact.turns, fact.text, targets[0], SAME)
    return _stated(fact, event.slot, state, targets)


def as_add(fact: Fact) -> Add:
    """`fact` stored as it stands."""
    return Add(fact.text, fact.speaker, fact.turns, fact.when, fact.entities)


def answer_from(question: str, memories: Sequence[Memory]) -> Answer:
    """As `OracleAnswerer.answer`, without an event loop."""
    asking = read_question(question)
    if asking is None:
        return Answer(question, REFUSAL)
    states: dict[Slot, list[State]] = {}
    for memory in sorted(memories, key=lambda one: int(one.id[1:])):
        for slot, state in _read(memory):
            states.setdefault(slot, []).append(state)
    known = Known(states)
    text = answer(asking, known)
    selected = [memory.id for memory in memories if any(slot in known.seen for slot, _ in _read(memory))]
    return Answer(question, text, tuple(selected))


def roles(facts: Iterable[Fact], manager: Manager | None = None) -> Roles:
    """The oracle's roles for the conversation that has these gold `facts`; with another `manager` if one is given."""
    extractor: Extractor = GoldExtractor(facts)
    return Roles(extractor, manager or OracleManager(), OracleAnswerer())


MANAGERS: Mapping[str, type[OracleManager] | type[AlwaysNoop] | type[AlwaysAdd]] = {
    "oracle": OracleManager, "always-noop": AlwaysNoop, "always-add": AlwaysAdd
}  # fmt: skip
"""By the name of their row."""


def manager_of(name: str) -> Manager:
    """The manager of a row. Raises InputError for an unknown one."""
    if name not in MANAGERS:
        raise InputError(f"there is no manager {name!r}: choose one of {', '.join(MANAGERS)}")
    return MANAGERS[name]()


def _stated(fact: Fact, slot: Slot, state: State, targets: tuple[str, ...]) -> Add | Update:
    """The memory that states all of `state`, in place of `targets`."""
    text = write_state(slot, state)
    days = [value for value in state[0] if value[:1].isdigit()]
    values = [slot.person, slot.key, *(value for entry in state for value in entry)]
    entities = tuple(dict.fromkeys(value for value in values if value[:1].isupper()))
    when = days[0] if days else ""
    if targets:
        return Update(targets, text, fact.speaker, fact.turns, when, entities)
    return Add(text, fact.speaker, fact.turns, when, entities)


def _read(memory: Memory) -> list[tuple[Slot, State]]:
    found = read_state(memory.text)
    return [found] if found is not None else []
