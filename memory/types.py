"""The nouns of Memory-R1. Every other module speaks in these and adds no synonyms.

    Turn       one utterance of a conversation: who said what, when, in which session
    Fact       one statement worth keeping that an extractor took from a turn
    Operation  what the manager decides for a fact: Add, Update, Delete or Noop (paper, section 3.1)
    Write      all operations of one turn, applied together or not at all
    Memory     one stored statement; never changed after it was made
    Bank       the memories of one user or conversation
    Revision   one applied Write: the entry of the bank's operation log
    Query      a question, as the store searches for it
    Hit        a memory that a search returned, with its score
    Answer     the answerer's text and the memories that it selected

A memory is immutable. UPDATE makes a new memory that supersedes its targets, DELETE ends its targets
and makes none; both keep what they ended, so `history`, `as_of` and `undo` can read it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

WHEN = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?(/\d{4}(-\d{2}(-\d{2})?)?)?")
"""The form of `when`: an ISO 8601 day, month or year, or two of them as an interval `first/last`."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. `id` is unique in its bank; `index` is its position in `session`, so neighbours differ by one.

    `time` is when it was said. `caption` describes a picture that came with it.
    """

    id: str
    session: str
    index: int
    speaker: str
    text: str
    time: datetime
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One statement that stands alone: names instead of pronouns, dates instead of "yesterday".

    `speaker` is whom it is about (for the per-speaker budget: who said it). `when` is when it happened,
    as far as the text tells (`WHEN`), else "". `turns` are the ids of the turns it comes from, newest last.
    """

    text: str
    speaker: str
    turns: tuple[str, ...]
    when: str = ""
    entities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Add:
    """Store a new memory. `restores` names an ended memory whose place it takes (set by `undo`)."""

    text: str
    speaker: str
    turns: tuple[str, ...]
    when: str = ""
    entities: tuple[str, ...] = ()
    restores: str = ""
    kind: Literal["add"] = "add"


@dataclass(frozen=True, slots=True)
class Update:
    """Store a merged memory that supersedes `targets`. Its sources are the targets' turns, then `turns`."""

    targets: tuple[str, ...]
    text: str
    speaker: str
    turns: tuple[str, ...]
    when: str = ""
    entities: tuple[str, ...] = ()
    kind: Literal["update"] = "update"


@dataclass(frozen=True, slots=True)
class Delete:
    """End `targets` because `turns` retract them."""

    targets: tuple[str, ...]
    turns: tuple[str, ...]
    kind: Literal["delete"] = "delete"


@dataclass(frozen=True, slots=True)
class Noop:
    """Change nothing. `reason` says why: "duplicate", "not-a-fact", or "failed: …" for a counted model failure."""

    turns: tuple[str, ...]
    text: str = ""
    target: str = ""
    reason: str = ""
    kind: Literal["noop"] = "noop"


Operation = Annotated[Add | Update | Delete | Noop, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Write:
    """All operations of one turn. Applied as a whole, once for each `key`.

    `expected` is the revision that the decisions were made on: the store refuses the write with
    `ConflictError` when the bank has moved on. None applies to whatever is there.
    """

    key: str
    recorded: datetime
    turns: tuple[Turn, ...] = ()
    operations: tuple[Operation, ...] = ()
    expected: int | None = None
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """One stored statement.

    `id` is "m1", "m2", … in order of creation, never reused. `born` and `died` are revisions: it is live in
    every revision r with `born <= r` and (`died` is None or `r < died`). `supersedes` are the memories that it
    replaced; `successor` is the one that replaced it ("" for a deleted or live one). `session` and `index` are
    the place of its newest source turn; `recorded` is that turn's time.
    """

    id: str
    text: str
    speaker: str
    turns: tuple[str, ...]
    session: str
    index: int
    recorded: datetime
    born: int
    when: str = ""
    entities: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    died: int | None = None
    successor: str = ""

    @property
    def live(self) -> bool:
        """Whether the bank holds it now."""
        return self.died is None


@dataclass(frozen=True, slots=True)
class Bank:
    """The state of one bank. `memories` and `turns` count all that were ever made; `live` those held now."""

    id: str
    embedder: str
    dim: int
    created: datetime
    revision: int = 0
    memories: int = 0
    live: int = 0
    turns: int = 0


@dataclass(frozen=True, slots=True)
class Revision:
    """One entry of the operation log. `created` and `ended` are memory ids, `turns` turn ids."""

    number: int
    key: str
    recorded: datetime
    operations: tuple[Operation, ...]
    created: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a write did. `repeated` is true when its key had been applied before, so nothing changed."""

    revision: Revision
    created: tuple[Memory, ...] = ()
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A memory that a search returned. `score` orders hits of one search; `dense` is the cosine in [-1, 1],
    `lexical` the BM25 score, `context` what its neighbours in the graph gave it.
    """

    memory: Memory
    score: float
    dense: float = 0.0
    lexical: float = 0.0
    context: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to `question`. `selected` are the ids of the memories it rests on, the most telling first."""

    question: str
    text: str
    selected: tuple[str, ...] = field(default=())
