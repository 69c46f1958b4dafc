"""The notes of A-Mem: in memory for searching, in one SQLite file for keeping.

A note is one turn with what a model said about it. A turn's note, its links, and what it changed in other notes are
one transaction, so a crash leaves all of a turn or nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from memory_r1.memory.embedders.base import Embedder, Vectors
from memory_r1.memory.errors import ConflictError, CorruptStoreError, EmbedderMismatchError, StoreUnavailableError
from memory_r1.memory.types import Turn

Vector = NDArray[np.float32]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS made (embedder TEXT NOT NULL, dim INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, turn TEXT NOT NULL UNIQUE, body BLOB NOT NULL,
    vector BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS links (note INTEGER NOT NULL, other INTEGER NOT NULL, PRIMARY KEY (note, other));
"""


@dataclass(frozen=True, slots=True)
class Note:
    """One turn, filed (paper, section 3.1). `id` counts from 1; `keywords`, `tags`, `context` are a model's words."""

    id: int
    turn: Turn
    keywords: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    context: str = ""

    @property
    def content(self) -> str:
        """What was said, and by whom."""
        return f"{self.turn.speaker}: {said(self.turn)}"

    @property
    def indexed(self) -> str:
        """What its vector stands for: content, keywords, tags and context in a row (paper, equation 3)."""
        return " ".join([self.content, *self.keywords, *self.tags, self.context]).strip()


NOTE = TypeAdapter(Note)


def said(turn: Turn) -> str:
    """The turn's words, and what its picture shows."""
    return f"{turn.text} (picture: {turn.caption})".strip() if turn.caption else turn.text


class Notes:
    """The notes of one conversation, all held in memory; `open` finds what an earlier run kept in the file."""

    def __init__(self, file: sqlite3.Connection, dim: int) -> None:
        self._file = file
        self._notes: list[Note] = []
        self._turns: dict[str, Note] = {}
        self._links: dict[int, set[int]] = {}
        self._vectors: Vectors = np.zeros((64, dim), np.float32)

    @classmethod
    def open(cls, path: Path, embedder: Embedder) -> Notes:
        """The notes in the file `path`, which need not exist yet.

        Raises EmbedderMismatchError for notes of another embedder, StoreUnavailableError, CorruptStoreError.
        """
        with _typed(str(path)):
            file = sqlite3.connect(path, check_same_thread=False, timeout=10)
            notes = cls(file, embedder.dim)
            try:
                file.executescript(_SCHEMA)
                _check_embedder(file, path, embedder)
                notes._read(path)
            except BaseException:
                file.close()
                raise
        return notes

    def __len__(self) -> int:
        return len(self._notes)

    def of_turn(self, turn: Turn) -> Note | None:
        """The note of `turn`, if it has one. Raises ConflictError when another turn has its id."""
        note = self._turns.get(turn.id)
        if note is not None and note.turn != turn:
            raise ConflictError(f"turn {turn.id!r} is stored with other content: give the new one an id of its own")
        return note

    def get(self, id: int) -> Note:
        """The note `id`."""
        return self._notes[id - 1]

    def nearest(self, vector: Vector, count: int) -> list[Note]:
        """The `count` notes whose cosine with `vector` ((dim,) float32) is highest, the best first."""
        cosines = self._vectors[: len(self)] @ vector
        return [self._notes[at] for at in np.argsort(-cosines, kind="stable")[:count]]

    def linked(self, id: int) -> list[int]:
        """The notes that note `id` is linked with, either way, in their order."""
        return sorted(self._links.get(id, ()))

    def write(self, note: Note, links: Sequence[int], vectors: Mapping[int, Vector], evolved: Sequence[Note]) -> None:
        """Store the new `note` linked with the notes `links`, and the `evolved` ones in place of what they were.

        `vectors`: those of all these notes, by id. All or nothing. Raises StoreUnavailableError and ConflictError.
        """
        if note.id != len(self) + 1 or note.turn.id in self._turns:
            raise ConflictError(f"note {note.id} of turn {note.turn.id!r} is not the next one of {len(self)}")
        rows = [(one.id, one.turn.id, NOTE.dump_json(one), vectors[one.id].tobytes()) for one in (note, *evolved)]
        pairs = [(note.id, other) for other in links]
        with _typed("the notes"), self._file:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute("INSERT INTO notes VALUES (?, ?, ?, ?)", rows[0])
            self._file.executemany("REPLACE INTO notes VALUES (?, ?, ?, ?)", rows[1:])
            self._file.executemany("INSERT OR IGNORE INTO links VALUES (?, ?)", pairs)
        for one in (note, *evolved):
            self._put(one, vectors[one.id])
        self._link(pairs)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, path: Path) -> None:
        rows = self._file.execute("SELECT id, body, vector FROM notes ORDER BY id").fetchall()
        try:
            for at, (id, body, vector) in enumerate(rows, 1):
                note = NOTE.validate_json(body)
                if note.id != id or id != at:
                    raise ValueError(f"note {at} is missing")
                self._put(note, np.frombuffer(vector, np.float32))
        except (ValidationError, ValueError) as error:
            raise CorruptStoreError(f"{str(path)!r} holds no notes of A-Mem ({error}): delete it") from error
        self._link(self._file.execute("SELECT note, other FROM links").fetchall())

    def _put(self, note: Note, vector: Vector) -> None:
        at = note.id - 1
        if at == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
        self._vectors[at] = vector
        self._notes[at:at] = [note] if at == len(self._notes) else []
        self._notes[at] = self._turns[note.turn.id] = note

    def _link(self, pairs: Sequence[tuple[int, int]]) -> None:
        for one, other in pairs:
            self._links.setdefault(one, set()).add(other)
            self._links.setdefault(other, set()).add(one)


def _check_embedder(file: sqlite3.Connection, path: Path, embedder: Embedder) -> None:
    """Note the embedder in a new file; refuse that of another."""
    made = file.execute("SELECT embedder, dim FROM made").fetchone()
    if made is None:
        with file:
            file.execute("INSERT INTO made VALUES (?, ?)", (embedder.name, embedder.dim))
    elif made != (embedder.name, embedder.dim):
        raise EmbedderMismatchError(
            f"the notes in {str(path)!r} were embedded by {made[0]!r}, not {embedder.name!r}: delete them, or use that"
        )


@contextmanager
def _typed(place: str) -> Generator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnavailableError(
            f"{place} can't be used ({error}): is the disk full, or the file locked?"
        ) from error
    except sqlite3.IntegrityError as error:
        raise ConflictError(f"{place} have changed since they were read ({error}): somebody else learns too") from error
    except sqlite3.DatabaseError as error:
        raise CorruptStoreError(f"{place} is no store of notes ({error}): delete it") from error
