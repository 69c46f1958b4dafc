"""What a benchmark is made of: a task has conversations, a conversation has turns and questions.

Task → Conversation → Turn, Question (text, gold answer, category, evidence turns)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Fact, Turn


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a conversation.

    `answer`: the gold answer. `category`: a key of the task's `categories`. `evidence`: ids of the turns that answer
    it, those that exist; empty where the data set names none. `asked`: when it is asked. `unanswerable`: the
    conversation doesn't tell, so a refusal is right. `apart`: the task's figures leave it out, as LoCoMo's do
    adversarial questions; it is asked on demand only, and scored apart.
    """

    id: str
    text: str
    answer: str
    category: str
    evidence: tuple[str, ...] = ()
    asked: datetime | None = None
    unanswerable: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation: its turns in order, its questions, and the facts that people wrote down from it, if any."""

    id: str
    speakers: tuple[str, ...]
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """A data set ready to be run.

    `categories`: each category's official name, mapped to the name of its column in the paper's tables (the same one
    where the paper has no table of it). `splits`: conversation ids by split; no conversation stands in two of "train",
    "validation", "test". `repaired`: how many known defects of the published file were read by rule, by kind.
    `sha256`: of the file that it was read from, or of all that a task holds that is made; "" where neither is known.

    Raises InputError when two conversations, two questions or two turns of a conversation share an id, when evidence or
    a category is unknown, or when a split names no conversation or shares a dialogue with another split.
    """

    name: str
    conversations: tuple[Conversation, ...]
    categories: Mapping[str, str]
    splits: Mapping[str, tuple[str, ...]]
    repaired: Mapping[str, int] = field(default_factory=dict[str, int])
    sha256: str = ""

    def __post_init__(self) -> None:
        _unique((one.id for one in self.conversations), f"task {self.name!r}: conversation")
        _unique((asked.id for one in self.conversations for asked in one.questions), f"task {self.name!r}: question")
        for conversation in self.conversations:
            _check(conversation, self.categories, f"task {self.name!r}, conversation {conversation.id!r}")
        _disjoint(self)

    def split(self, name: str) -> tuple[Conversation, ...]:
        """The conversations of split `name`, or of all by "all". Raises InputError for a split that it lacks."""
        if name == "all":
            return self.conversations
        if not self.splits.get(name):
            known = ", ".join([*(split for split, ids in self.splits.items() if ids), "all"])
            raise InputError(f"task {self.name!r} has no split {name!r}: choose one of {known}")
        wanted = set(self.splits[name])
        return tuple(conversation for conversation in self.conversations if conversation.id in wanted)


def _check(conversation: Conversation, categories: Mapping[str, str], place: str) -> None:
    _unique((turn.id for turn in conversation.turns), f"{place}: turn")
    known = {turn.id for turn in conversation.turns}
    for question in conversation.questions:
        if question.category not in categories:
            raise InputError(
                f"{place}: category {question.category!r} of question {question.id!r} is none of the task's"
            )
        if not known.issuperset(question.evidence):
            missing = next(id for id in question.evidence if id not in known)
            raise InputError(f"{place}: question {question.id!r} has evidence {missing!r}, which is no turn of it")


def _disjoint(task: Task) -> None:
    """No two splits share a conversation, or a dialogue under two ids: what is trained on must not be tested on."""
    known = {one.id: one for one in task.conversations}
    several = sum(bool(ids) for ids in task.splits.values()) > 1
    home: dict[Hashable, tuple[str, str]] = {}
    for split, ids in task.splits.items():
        for id in ids:
            if id not in known:
                raise InputError(f"task {task.name!r}: split {split!r} names {id!r}, which is no conversation of it")
            said = tuple((turn.speaker, turn.text) for turn in known[id].turns) if several else ()
            for key in (id, said or id):
                other, twin = home.setdefault(key, (split, id))
                if other != split:
                    pair = f"{twin!r} of split {other!r} and {id!r} of split {split!r}"
                    raise InputError(f"task {task.name!r}: {pair} are one dialogue; splits must share none")


def _unique(ids: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for id in ids:
        if id in seen:
            raise InputError(f"{what} id {id!r} stands twice; each needs its own")
        seen.add(id)
