"""What an evaluation leaves behind: files that any program can read.

    OUT/run.json                             what was run: RunInfo
    OUT/<system>/answers/<conversation>.jsonl  a line for each question: AnswerRow; the same bytes whoever ran it
    OUT/<system>/costs/<conversation>.jsonl    a line for each turn and each question: CostRow; times differ each run
    OUT/<system>/memory/<conversation>.jsonl   one line, once all turns are learned: MemoryRow; the same bytes
    OUT/<system>/banks/<conversation>/         the system's memory
    OUT/judges/<judge>.jsonl                   verdicts: VerdictRow

`<system>`, `<conversation>` and `<judge>` are `slug`s. A file that is still growing ends in ".part".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from memory_r1.graphs.roles import Failure, Usage
from memory_r1.rl.metrics.held import Held, Repeats
from memory_r1.rl.metrics.operations import Fates

CUTS = (10, 30, 60)
"""The k at which recall of evidence is measured."""


@dataclass(frozen=True, slots=True)
class Found:
    """One memory that a system found: `rl.systems.types.Item` as a row keeps it."""

    id: str
    text: str
    speaker: str = ""
    recorded: datetime | None = None
    turns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One question answered. Holds nothing that depends on time or machine.

    `scores`: {"locomo": {"f1", "em"}, "mem0": {"f1", "bleu1", "em"}}, each in [0, 1]. `recall`: share of the evidence
    turns among the best k found, by k as text; None without evidence, or where the system doesn't name turns.
    `selected`: ids of those in `found` that the answer rests on. `unanswerable`, `apart`: of the question.
    """

    conversation: str
    question_id: str
    question: str
    category: str
    gold: str
    answer: str
    found: tuple[Found, ...]
    selected: tuple[str, ...]
    evidence: tuple[str, ...]
    scores: Mapping[str, Mapping[str, float]]
    recall: Mapping[str, float] | None
    failures: tuple[Failure, ...] = ()
    unanswerable: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one turn ("learn") or one question ("ask") cost. `id`: of the turn or question.

    `seconds`: wall time by phase ("learn"; "search", "answer"). `cpu`: own processor seconds without model and
    embedding, None where unknown. `operations`: by kind. `size`: memories held afterwards, on the last turn only.
    """

    conversation: str
    id: str
    kind: str
    seconds: Mapping[str, float]
    usage: Usage = field(default_factory=Usage)
    operations: Mapping[str, int] = field(default_factory=dict[str, int])
    failures: tuple[Failure, ...] = ()
    cpu: float | None = None
    embedded: int = 0
    size: int | None = None


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """What a system holds of a conversation after its last turn. Holds nothing that depends on time or machine.

    `memories`: how many, None for a system that has none, as it reads the conversation itself. `characters`: of all
    their texts. `kept`: how many of the conversation's `turns` are the source of some memory, None where memories don't
    name turns. `held`: None without gold facts. `fates`: None where the system doesn't tell what it ended.
    """

    conversation: str
    turns: int
    memories: int | None = None
    characters: int = 0
    kept: int | None = None
    repeats: Repeats = field(default_factory=Repeats)
    held: Held | None = None
    fates: Fates | None = None


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What a judge said of one answer. `label`: "CORRECT", "WRONG", or "UNUSABLE" where its reply couldn't be read.

    `key`: of what was judged, so that the same answer is never judged twice: see `rl.judge`.
    """

    key: str
    judge: str
    system: str
    question_id: str
    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class RowInfo:
    """One row of the table: what it is made of, and why it wasn't run, if so. `wall`: seconds spent on it, in all."""

    describe: Mapping[str, str]
    not_run: str = ""
    wall: float = 0.0


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What was run. `rows`: by system name. `wall`: seconds spent in all, over all runs that made it.

    `categories`: official name to the paper's name. `machine`: what it ran on. `asked`: which of the split's questions
    were asked, where not all: "conversations", "questions" (of each), "adversarial".
    """

    task: str
    split: str
    conversations: tuple[str, ...]
    questions: int
    rows: Mapping[str, RowInfo]
    judges: tuple[str, ...]
    categories: Mapping[str, str]
    data_sha256: str
    machine: Mapping[str, str]
    repaired: Mapping[str, int] = field(default_factory=dict[str, int])
    wall: float = 0.0
    finished: bool = False
    asked: Mapping[str, str] = field(default_factory=dict[str, str])


def slug(name: str) -> str:
    """`name` as a file name: what is unusual in it becomes "-", and a hash keeps two such names apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80]
    return plain if plain == name else f"{plain}-{sha256(name.encode()).hexdigest()[:8]}"
