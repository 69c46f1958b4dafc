"""What a task holds, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memory_r1.rl.tasks.types import Conversation, Task


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """One split. `questions`: those that can be answered; `categories`: all questions, by official category."""

    conversations: int
    sessions: int
    turns: int
    questions: int
    unanswerable: int
    facts: int
    categories: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Summary:
    """A task. `columns`: each category's column in the paper's tables. `splits`: by name, and "all"."""

    task: str
    columns: Mapping[str, str]
    splits: Mapping[str, SplitSummary]
    repaired: Mapping[str, int]
    sha256: str


def summarise(task: Task) -> Summary:
    """The numbers of `task`."""
    named = [*(split for split, ids in task.splits.items() if ids), "all"]
    splits = {split: _split(task.split(split), task.categories) for split in named}
    return Summary(task.name, task.categories, splits, task.repaired, task.sha256)


def _split(conversations: Sequence[Conversation], categories: Mapping[str, str]) -> SplitSummary:
    asked = [question for one in conversations for question in one.questions]
    counts = Counter(question.category for question in asked)
    unanswerable = sum(question.unanswerable for question in asked)
    return SplitSummary(
        len(conversations),
        sum(len({turn.session for turn in one.turns}) for one in conversations),
        sum(len(one.turns) for one in conversations),
        len(asked) - unanswerable,
        unanswerable,
        sum(len(one.facts) for one in conversations),
        {category: counts[category] for category in categories},
    )
