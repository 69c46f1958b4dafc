"""What a benchmark is made of: a task has conversations, a conversation has turns and questions.

Task → Conversation → Turn, Question (text, gold answer, category, evidence turns)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Fact, Turn


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a conversation.

    `answer`: the gold answer. `category`: a key of the task's `categories`. `evidence`: ids of the turns that answer
    it, those that exist; empty where the data set names none. `asked`: when it is asked. `unanswerable`: the
    conversation doesn't tell, so a refusal is right; the scores of answers leave such questions out or apart.
    """

    id: str
    text: str
    answer: str
    category: str
    evidence: tuple[str, ...] = ()
    asked: datetime | None = None
    unanswerable: bool = False


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
    """

    name: str
    conversations: tuple[Conversation, ...]
    categories: Mapping[str, str]
    splits: Mapping[str, tuple[str, ...]]
    repaired: Mapping[str, int] = field(default_factory=dict[str, int])

    def split(self, name: str) -> tuple[Conversation, ...]:
        """The conversations of split `name`, or of all by "all". Raises InputError for a split that it lacks."""
        if name == "all":
            return self.conversations
        if not self.splits.get(name):
            known = ", ".join([*(split for split, ids in self.splits.items() if ids), "all"])
            raise InputError(f"task {self.name!r} has no split {name!r}: choose one of {known}")
        wanted = set(self.splits[name])
        return tuple(conversation for conversation in self.conversations if conversation.id in wanted)
