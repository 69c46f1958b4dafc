"""What is to be run, and whether a folder holds results of the same: only equal things stand in one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from memory_r1.memory.errors import InputError
from memory_r1.rl.bench.made import machine
from memory_r1.rl.evaluation.records import RowInfo, RunInfo
from memory_r1.rl.systems.registry import SYSTEMS, Row
from memory_r1.rl.tasks.types import Conversation, Task


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of a split's questions are asked: of the first `conversations` the first `questions` each, None for all.

    `adversarial`: also those that the task leaves out of its figures (`Question.apart`), which are scored apart.
    """

    conversations: int | None = None
    questions: int | None = None
    adversarial: bool = False

    def of(self, conversations: Sequence[Conversation]) -> tuple[Conversation, ...]:
        """`conversations` with the questions to ask.

        Those that have none to ask are left out, unless the data has no question at all: then only memories are looked
        at.
        """
        asks = any(conversation.questions for conversation in conversations)
        chosen = (self._asked(conversation) for conversation in conversations[: self.conversations])
        return tuple(conversation for conversation in chosen if conversation.questions or not asks)

    def _asked(self, conversation: Conversation) -> Conversation:
        questions = tuple(question for question in conversation.questions if self.adversarial or not question.apart)
        return replace(conversation, questions=questions[: self.questions])

    def described(self) -> dict[str, str]:
        """As `RunInfo.asked` has it."""
        found = {"conversations": self.conversations, "questions": self.questions}
        limits = {name: f"the first {limit}" for name, limit in found.items() if limit is not None}
        return {**limits, "adversarial": "asked" if self.adversarial else "left out"}


@dataclass(frozen=True, slots=True)
class Plan:
    """An evaluation to be run.

    `conversations`: with the questions to ask, in the task's order. `at_once`: how many turns and questions are under
    way at a time (never two turns of one conversation) in a row that waits for a model.
    """

    task: Task
    split: str
    chosen: Chosen
    rows: tuple[Row, ...]
    out: Path
    at_once: int = 8
    conversations: tuple[Conversation, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Choose the conversations. Raises InputError when there is nothing to ask."""
        found = self.chosen.of(self.task.split(self.split))
        if not found:
            raise InputError(f"split {self.split!r} of {self.task.name!r} has no question to ask: choose another")
        object.__setattr__(self, "conversations", found)

    @property
    def questions(self) -> int:
        """How many questions each row is asked."""
        return sum(len(conversation.questions) for conversation in self.conversations)

    @property
    def turns(self) -> int:
        """How many turns each row learns."""
        return sum(len(conversation.turns) for conversation in self.conversations)

    def info(self, rows: Mapping[str, RowInfo], judges: Sequence[str]) -> RunInfo:
        """What `run.json` says of it before anything is done."""
        return RunInfo(
            self.task.name, self.split, tuple(conversation.id for conversation in self.conversations), self.questions,
            rows, tuple(judges), dict(self.task.categories), self.task.sha256, machine(), dict(self.task.repaired),
            asked=self.chosen.described(),
        )  # fmt: skip


def merged(old: RunInfo | None, new: RunInfo, out: Path) -> RunInfo:
    """`new`, with the rows and judges that `old`, which stands in `out`, has besides; rows in the table's order.

    A row that can't run now keeps what it has. Raises InputError, naming what differs, when the two aren't of the same
    questions, or a row is made of something else now.
    """
    if old is None:
        return new
    gaps = [*_gaps(old, new), *(gap for name in new.rows for gap in _row_gaps(name, old, new))]
    if gaps:
        raise InputError(
            f"{str(out)!r} holds results of something else: {'; '.join(gaps)}. Give another --out, or --fresh to "
            f"throw them away"
        )
    rows = {name: row for name, row in new.rows.items() if not row.not_run or name not in old.rows}
    rows = {name: replace(row, wall=old.rows[name].wall) if name in old.rows else row for name, row in rows.items()}
    every = {**old.rows, **rows}
    ordered = {name: every[name] for name in (*SYSTEMS, *every) if name in every}
    return replace(new, rows=ordered, judges=tuple(dict.fromkeys((*old.judges, *new.judges))), wall=old.wall)


def _gaps(old: RunInfo, new: RunInfo) -> Iterator[str]:
    for name in ("task", "split", "data_sha256", "categories"):
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield f"{name} is {_short(was)}, now {_short(now)}"
    for name in sorted({*old.asked, *new.asked}):
        was, now = old.asked.get(name, "all"), new.asked.get(name, "all")
        if was != now:
            yield f"{name} asked: {was}, now {now}"
    if (old.conversations, old.questions) != (new.conversations, new.questions) and old.asked == new.asked:
        yield f"it has {old.questions} questions, now {new.questions}"


def _row_gaps(name: str, old: RunInfo, new: RunInfo) -> Iterator[str]:
    if name not in old.rows or old.rows[name].not_run or new.rows[name].not_run:
        return
    was, now = old.rows[name].describe, new.rows[name].describe
    for key in sorted({*was, *now}):
        if was.get(key) != now.get(key):
            yield f"{name}'s {key} is {_short(was.get(key))}, now {_short(now.get(key))}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
