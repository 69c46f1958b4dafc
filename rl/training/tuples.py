"""The paper's training tuples, from a task's conversations and the banks that an agent built of them.

Algorithm 1 (manager): for each turn, the temporal bank before it, the turn's facts, and the questions linked to it.
Algorithm 2 (answerer): for each question, the bank of the whole conversation; the graph finds the candidates itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Fact, Operation
from memory_r1.rl.rollouts.types import AnswererRow, BankState, ManagerRow, Step
from memory_r1.rl.tasks.types import Conversation, Question, Task
from memory_r1.rl.training.banks import Past
from memory_r1.rl.world.language import read_event
from memory_r1.rl.world.oracle import decide

Link = Literal["last", "any"]
WINDOW = 50
"""The paper says 50 turns (algorithm 1) and 24 (appendix B.2)."""


@dataclass(frozen=True, slots=True)
class Linking:
    """Which bank a turn meets, and which questions are its own.

    `window`: the bank holds what the last so many turns told; 0: all. `link`, where a question has several evidence
    turns (the paper doesn't say): "last", the turn after which it can be answered, or "any" of them, though the others
    may lie ahead. `questions`: of a turn, at most; 0: all. `guards`: so many of the newest questions of earlier turns
    beside them, which a wrong operation must not spoil.
    """

    window: int = WINDOW
    link: Link = "last"
    questions: int = 0
    guards: int = 0

    def __post_init__(self) -> None:
        if self.link not in get_args(Link):
            raise InputError(f"link={self.link!r} is none: choose one of {', '.join(get_args(Link))}")
        for name in ("window", "questions", "guards"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}={getattr(self, name)} is less than none")


def linked(conversation: Conversation, link: Link = "last") -> dict[str, list[Question]]:
    """The questions of each turn that has some, by the turn's id, in the conversation's order.

    Questions that a task's figures leave out (`Question.apart`) and those without evidence are no turn's.
    """
    place = {turn.id: number for number, turn in enumerate(conversation.turns)}
    found: dict[str, list[Question]] = {}
    for question in conversation.questions:
        if question.evidence and not question.apart:
            last = max(question.evidence, key=place.__getitem__)
            for turn in (last,) if link == "last" else question.evidence:
                found.setdefault(turn, []).append(question)
    return {id: found[id] for id in sorted(found, key=place.__getitem__)}


def manager_rows(task: Task, split: str, past: Past, linking: Linking = Linking()) -> list[ManagerRow]:
    """A row for each turn of the conversation that has linked questions and facts; the others teach nothing."""
    conversation = past.conversation
    asked = linked(conversation, linking.link)
    rows: list[ManagerRow] = []
    earlier: list[Question] = []
    for number, turn in enumerate(conversation.turns):
        mine, facts = asked.get(turn.id, []), past.facts.get(turn.id, ())
        if mine and facts:
            bank = past.before(number, linking.window)
            guards = _guards(earlier, mine, bank, linking.guards)
            step = Step(turn, facts, (*mine[: linking.questions or None], *guards), _right(facts, bank))
            rows.append(ManagerRow(f"{conversation.id}:{turn.id}", task.name, split, conversation.id, bank, (step,)))
        earlier += (one for one in mine if one not in earlier)
    return rows


def answerer_rows(task: Task, split: str, past: Past) -> list[AnswererRow]:
    """A row for each question of the conversation but those that the task's figures leave out."""
    conversation = past.conversation
    bank = past.before(len(conversation.turns))
    return [
        AnswererRow(question.id, task.name, split, conversation.id, bank, question)
        for question in conversation.questions
        if not question.apart
    ]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a file of rows holds. `pairs`: (step, question) pairs; `right`: right operations by kind, where known.

    `linked`: turns of the split that have linked questions, of which those without facts give no row; None where rows
    are made. `failed`: what a model failed at while the banks were built, by reason.
    """

    rows: int
    steps: int
    pairs: int
    questions: int
    categories: Mapping[str, int]
    right: Mapping[str, int]
    memories: float
    linked: int | None = None
    failed: Mapping[str, int] | None = None


def summarise(
    rows: Sequence[ManagerRow | AnswererRow], pasts: Sequence[Past] | None = None, link: Link = "last"
) -> Summary:
    """What `rows` hold, which were made from `pasts`. `memories`: of a bank, on average."""
    steps = [step for row in rows if isinstance(row, ManagerRow) for step in row.steps]
    asked = [one for step in steps for one in step.questions]
    asked += [row.question for row in rows if isinstance(row, AnswererRow)]
    unique = {one.id: one for one in asked}.values()
    right = Counter(op.kind for step in steps for op in step.right or ())
    failed: Counter[str] = Counter()
    for past in pasts or ():
        failed.update(past.failed)
    return Summary(
        len(rows), len(steps), len(asked), len(unique), dict(Counter(one.category for one in unique).most_common()),
        dict(right.most_common()), sum(len(row.bank.memories) for row in rows) / max(1, len(rows)),
        None if pasts is None or not steps else sum(len(linked(past.conversation, link)) for past in pasts),
        None if pasts is None else dict(failed),
    )  # fmt: skip


def _guards(earlier: Iterable[Question], mine: Sequence[Question], bank: BankState, most: int) -> list[Question]:
    """The newest of `earlier` that the bank's sources still answer, and that are not asked anyway."""
    held = {turn.id for turn in bank.turns}
    fit = [one for one in earlier if one not in mine and held.issuperset(one.evidence)]
    return fit[-most:] if most else []


def _right(facts: Sequence[Fact], bank: BankState) -> tuple[Operation, ...] | None:
    """The oracle's operations, where all facts are in the synthetic world's words."""
    if any(read_event(fact.text) is None for fact in facts):
        return None
    return tuple(decide(facts, [bank.memories] * len(facts)))
