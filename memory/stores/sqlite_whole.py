"""Parts of whole banks in an SQLite file, and its records of erasures. Inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator

from memory_r1.memory.erased import Erased, dump_erased, load_erased
from memory_r1.memory.store import Part
from memory_r1.memory.stores import sqlite_rows as rows
from memory_r1.memory.types import Revision, Turn

Run = Callable[..., list[rows.Row]]
"""Runs one statement and returns its rows."""

IN_MEMORY = 256_000_000
"""Bytes of a file up to which it is rewritten by a copy in memory."""
_ERASED = """
CREATE TABLE IF NOT EXISTS erased (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT"""
_GONE = "CREATE TABLE IF NOT EXISTS gone (key INTEGER PRIMARY KEY) STRICT"
"""The keys of deleted banks: a key is never given again, for other processes keep what they know of a bank by it."""


def part(run: Run, key: int, dim: int, numbers: tuple[range, range, range]) -> Part:
    """The turns, memories and log entries of these numbers. `key`: the bank's; `dim`: that of its vectors."""
    turns, memories, log = ((some.start, some.stop) for some in numbers)
    found = run(
        f"SELECT {rows.MEMORY}, vector FROM memory WHERE bank = ? AND number >= ? AND number < ? ORDER BY number",
        key, *memories,
    )  # fmt: skip
    said = run(f"SELECT {rows.TURN} FROM turn WHERE bank = ? AND seq >= ? AND seq < ? ORDER BY seq", key, *turns)
    where = "bank = ? AND number >= ? AND number < ? ORDER BY number"
    entries = run(f"SELECT body, seal FROM revision WHERE {where}", key, *log)
    return Part(
        tuple(rows.read_turn(row) for row in said), tuple(rows.read_memory(row[:-1]) for row in found),
        rows.read_vectors([row[-1] for row in found], dim), tuple(rows.read_revision(row) for row in entries),
    )  # fmt: skip


class Log:
    """The log of the bank with this key after revision `since`: read anew, entry by entry, at each iteration."""

    def __init__(self, db: sqlite3.Connection, key: int, since: int = 0) -> None:
        self._db = db
        self._which = (key, since)

    def __iter__(self) -> Iterator[Revision]:
        query = "SELECT body, seal FROM revision WHERE bank = ? AND number > ? ORDER BY number"
        return map(rows.read_revision, self._db.execute(query, self._which))


def read_turns(db: sqlite3.Connection, key: int) -> Iterator[Turn]:
    """All turns of the bank with this key in their order, one at a time."""
    return map(rows.read_turn, db.execute(f"SELECT {rows.TURN} FROM turn WHERE bank = ? ORDER BY seq", (key,)))


def delete_bank(run: Run, key: int) -> None:
    """Delete the bank with this key from all tables and from the full-text index; no other bank gets the key."""
    fill = "INSERT INTO words (words, rowid, owner, terms) SELECT 'delete', key, owner, terms FROM memory"
    run(f"{fill} WHERE bank = ? AND died IS NULL", key)
    for table in ("memory", "turn", "revision"):
        run(f"DELETE FROM {table} WHERE bank = ?", key)
    run("DELETE FROM bank WHERE key = ?", key)
    run(_GONE)
    run("INSERT INTO gone VALUES (?)", key)


def new_key(run: Run) -> int:
    """A key that no bank of the file has or had."""
    tables = ["bank", "gone"] if _has(run, "gone") else ["bank"]
    return 1 + max(run(f"SELECT coalesce(max(key), 0) FROM {table}")[0][0] for table in tables)


def vacuum(run: Run) -> None:
    """Rewrite the file: by a copy in memory, or if it is too large for that by one in SQLite's temporary folder."""
    large = run("PRAGMA page_count")[0][0] * run("PRAGMA page_size")[0][0] > IN_MEMORY
    run(f"PRAGMA temp_store = {'FILE' if large else 'MEMORY'}")
    try:
        run("VACUUM")
    finally:
        run("PRAGMA temp_store = MEMORY")


def read_erased(run: Run) -> list[Erased]:
    """All records, oldest first; none in a file in which nothing was ever erased."""
    if not _has(run, "erased"):
        return []
    return [load_erased(row[0]) for row in run("SELECT body FROM erased ORDER BY number")]


def note_erased(run: Run, records: Iterable[Erased]) -> None:
    """Keep the records that are not there yet."""
    run(_ERASED)
    for record in records:
        run("INSERT OR IGNORE INTO erased (id, body) VALUES (?, ?)", record.id, dump_erased(record))


def _has(run: Run, table: str) -> bool:
    return bool(run("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", table))
