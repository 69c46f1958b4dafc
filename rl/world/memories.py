"""The oracle at work, without a store or a graph: a world's bank from turn to turn, and each decision on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from memory_r1.memory.apply import plan, sources, targets
from memory_r1.memory.types import Bank, Fact, Memory, Operation, Turn, Write
from memory_r1.rl.tasks.types import Question
from memory_r1.rl.world.events import Slot, State
from memory_r1.rl.world.language import read_state
from memory_r1.rl.world.make import World
from memory_r1.rl.world.oracle import answer_from, right_operation


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of the oracle's: `fact`, told by turn number `count` (from 1), met the bank `memories`.

    `operation` is right. `World.questions(count)` ask about the world after the turn.
    """

    count: int
    turn: Turn
    fact: Fact
    memories: tuple[Memory, ...]
    operation: Operation


def decisions(world: World) -> Iterator[Decision]:
    """Every decision of the oracle's in `world`, in order. Turns without facts ask for none."""
    bank = Memories(world.conversation.turns)
    for count, (turn, facts) in enumerate(zip(world.conversation.turns, facts_by_turn(world), strict=True), 1):
        for fact in facts:
            memories = tuple(bank.live.values())
            operation = right_operation(fact, memories)
            yield Decision(count, turn, fact, memories, operation)
            bank.write([operation])


def facts_by_turn(world: World) -> list[list[Fact]]:
    """The gold facts of each turn, in order."""
    facts: dict[str, list[Fact]] = {turn.id: [] for turn in world.conversation.turns}
    for fact in world.conversation.facts:
        facts[fact.turns[-1]].append(fact)
    return list(facts.values())


class Memories:
    """A bank without a store: the operations of each turn applied purely (`memory.apply`)."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = {turn.id: turn for turn in turns}
        self._bank = Bank("world", "none", 1, turns[0].time)
        self.live: dict[str, Memory] = {}

    @classmethod
    def holding(cls, turns: Sequence[Turn], memories: Sequence[Memory]) -> Memories:
        """A bank that begins with `memories`, numbered from "m1"."""
        bank = cls(turns)
        bank.live = {memory.id: memory for memory in memories}
        bank._bank = replace(bank._bank, memories=len(memories), live=len(memories))
        return bank

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
