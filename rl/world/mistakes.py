"""What a single wrong operation does: the measure of how well the world's questions tell operations apart.

One operation of the oracle's is replaced by a mistake. Then the questions are asked: right away, and at the end, when
the oracle has gone on with the spoiled bank. A policy in training sees a difference only where an answer changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from memory_r1.memory.types import Delete, Fact, Noop, Operation, Update
from memory_r1.rl.tasks.types import Question
from memory_r1.rl.world.make import World
from memory_r1.rl.world.memories import Memories, facts_by_turn
from memory_r1.rl.world.oracle import NOTHING, as_add, right_operation

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
    facts = facts_by_turn(world)
    bank = Memories(world.conversation.turns)
    for count, mine in enumerate(facts, 1):
        asked = world.questions(count) if mine else ()
        for at, fact in enumerate(mine):
            right = right_operation(fact, tuple(bank.live.values()))
            for name, wrong in mistakes(fact, right):
                spoiled = bank.fork()
                spoiled.write([wrong])
                spoiled.learn(mine[at + 1 :])
                now = _share(spoiled.wrong(asked), asked)
                for later in facts[count:]:
                    spoiled.learn(later)
                yield Outcome(_named(right), name, fact, now, *_at_end(spoiled, world.conversation.questions, fact))
            bank.write([right])


def _at_end(bank: Memories, questions: Sequence[Question], fact: Fact) -> tuple[float, float | None]:
    wrong = bank.wrong(questions)
    linked = [question for question in questions if fact.turns[-1] in question.evidence]
    return _share(wrong, questions), _share([one for one in linked if one in wrong], linked) if linked else None


def _share(part: Sequence[Question], whole: Sequence[Question]) -> float:
    return len(part) / len(whole) if whole else 0.0


def _repeated(operation: Operation) -> tuple[str, ...]:
    return (operation.target,) if isinstance(operation, Noop) and operation.target else ()


def _named(operation: Operation) -> str:
    return f"noop ({operation.reason})" if isinstance(operation, Noop) else operation.kind


def by_mistake(found: Sequence[Outcome]) -> Mapping[tuple[str, str], list[Outcome]]:
    """`found` by right operation and mistake, in the order of the operations' kinds."""
    order = ("add", "update", "delete", "noop (duplicate)", "noop (not-a-fact)")
    keys = sorted({(o.right, o.mistake) for o in found}, key=lambda key: (order.index(key[0]), MISTAKES.index(key[1])))
    return {key: [one for one in found if (one.right, one.mistake) == key] for key in keys}
