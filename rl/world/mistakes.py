"""What a single wrong operation does: the measure of how well the world's questions tell operations apart.

One operation of the oracle's is replaced by a mistake. Then the questions are asked: right away, and at the end, when
the oracle has gone on with the spoiled bank. A policy in training sees a difference only where an answer changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from memory_r1.memory.apply import plan, sources, targets
from memory_r1.memory.types import Bank, Delete, Fact, Memory, Noop, Operation, Turn, Update, Write
from memory_r1.rl.tasks.types import Question
from memory_r1.rl.world.events import Slot, State
from memory_r1.rl.world.language import read_state
from memory_r1.rl.world.make import World
from memory_r1.rl.world.oracle import NOTHING, answer_from, as_add, right_operation

MISTAKES = ("left out", "added", "overwritten", "deleted")
"""Nothing done; the fact stored as it stands beside what the bank holds, or in the place of the memory that it should
have been merged with or left alone; that memory ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One mistake. `right`: the kind of the right operation, "noop" told apart by its reason. `fact`: its fact.

    `at_once`: share of the questions after the turn that come out wrong. `at_end`: of those after the last turn;
    `linked`: of those among them whose evidence is the turn, None where there are none.
    """

    right: str
    mistake: str
    fact: Fact
    at_once: float
    at_end: float
    linked: float | None


class Memories:
    """A bank without a store: the operations of each turn applied purely (`memory.apply`)."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = {turn.id: turn for turn in turns}
        self._bank = Bank("world", "none", 1, turns[0].time)
        self.live: dict[str, Memory] = {}

    def fork(self) -> Memories:
        """A copy that goes its own way."""
        copy = Memories(tuple(self._turns.values()))
        copy._bank, copy.live = self._bank, dict(self.live)
        return copy

    def write(self, operations: Sequence[Operation]) -> None:
        """Apply the operations of one turn."""
        known = {id: self._turns[id] for id in sources(operations)}
        ended = {id: self.live[id] for id in targets(operations) if id in self.live}
        write = Write("turn", self._bank.created, (), tuple(operations))
        change = plan(self._bank, write, ended, known)
        self._bank = change.bank
        for gone in change.ended:
            del self.live[gone.id]
        self.live |= {memory.id: memory for memory in change.created}

    def learn(self, facts: Sequence[Fact]) -> None:
        """Let the oracle remember the facts of one turn, with all memories to choose from."""
        for fact in facts:
            self.write([right_operation(fact, tuple(self.live.values()))])

    def wrong(self, questions: Sequence[Question]) -> list[Question]:
        """Those of `questions` that the oracle's answerer gets wrong."""
        memories = tuple(self.live.values())
        return [asked for asked in questions if answer_from(asked.text, memories).text != asked.answer]

    def states(self) -> dict[Slot, set[State]]:
        """What the memories state, by slot; more than one state where they contradict each other."""
        found: dict[Slot, set[State]] = {}
        for memory in self.live.values():
            if read := read_state(memory.text):
                found.setdefault(read[0], set()).add(read[1])
        return found


def mistakes(fact: Fact, right: Operation) -> Iterator[tuple[str, Operation]]:
    """The operations that are wrong for `fact` where `right` is right, each with its name in `MISTAKES`."""
    if not isinstance(right, Noop):
        yield "left out", Noop(fact.turns, fact.text, reason=NOTHING)
    if right.kind != "add":
        yield "added", as_add(fact)
    ended = right.targets if isinstance(right, Update) else _repeated(right)
    if ended:
        yield "overwritten", Update(ended, fact.text, fact.speaker, fact.turns, fact.when, fact.entities)
        yield "deleted", Delete(ended, fact.turns)


def outcomes(world: World) -> Iterator[Outcome]:
    """What every possible mistake in `world` would do."""
    conversation = world.conversation
    facts: dict[str, list[Fact]] = {turn.id: [] for turn in conversation.turns}
    for fact in conversation.facts:
        facts[fact.turns[-1]].append(fact)
    told = [facts[turn.id] for turn in conversation.turns]
    bank = Memories(conversation.turns)
    for count, mine in enumerate(told, 1):
        asked = world.questions(count) if mine else ()
        for at, fact in enumerate(mine):
            right = right_operation(fact, tuple(bank.live.values()))
            for name, wrong in mistakes(fact, right):
                spoiled = bank.fork()
                spoiled.write([wrong])
                spoiled.learn(mine[at + 1 :])
                now = len(spoiled.wrong(asked)) / len(asked)
                for later in told[count:]:
                    spoiled.learn(later)
                yield Outcome(_named(right), name, fact, now, *_at_end(spoiled, conversation.questions, fact))
            bank.write([right])


def _at_end(bank: Memories, questions: Sequence[Question], fact: Fact) -> tuple[float, float | None]:
    wrong = {question.id for question in bank.wrong(questions)}
    linked = [question.id in wrong for question in questions if fact.turns[-1] in question.evidence]
    return len(wrong) / len(questions), sum(linked) / len(linked) if linked else None


def _repeated(operation: Operation) -> tuple[str, ...]:
    return (operation.target,) if isinstance(operation, Noop) and operation.target else ()


def _named(operation: Operation) -> str:
    return f"noop ({operation.reason})" if isinstance(operation, Noop) else operation.kind


def by_mistake(found: Sequence[Outcome]) -> Mapping[tuple[str, str], list[Outcome]]:
    """`found` by right operation and mistake, in the order of the operations' kinds."""
    order = ("add", "update", "delete", "noop (duplicate)", "noop (not-a-fact)")
    keys = sorted({(o.right, o.mistake) for o in found}, key=lambda key: (order.index(key[0]), MISTAKES.index(key[1])))
    return {key: [one for one in found if (one.right, one.mistake) == key] for key in keys}
