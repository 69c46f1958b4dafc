"""One SQLite file of banks, synchronously: the transactions behind `SqliteStore`. For one thread."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from memory_r1.memory.apply import Change, check_vectors, plan, sources, targets
from memory_r1.memory.erased import Erased
from memory_r1.memory.erasure import plan_erasure
from memory_r1.memory.errors import StoreUnavailableError, UnknownBankError, UnknownMemoryError
from memory_r1.memory.ranking import Candidates, Query
from memory_r1.memory.store import Before, Part, Source, Vectors, check_replacement, exists
from memory_r1.memory.stores import sqlite_rows as rows
from memory_r1.memory.stores.sqlite_lock import WriteLock
from memory_r1.memory.stores.sqlite_schema import connect
from memory_r1.memory.stores.sqlite_search import Searcher
from memory_r1.memory.stores.sqlite_whole import (
    Log,
    delete_bank,
    new_key,
    note_erased,
    part,
    read_erased,
    read_turns,
    vacuum,
)
from memory_r1.memory.types import Bank, Hit, Memory, Receipt, Revision, Turn, Write


class SqliteFile:
    """The banks of one file. Every method is one transaction; what they do is said where `Store` declares them."""

    def __init__(self, path: Path, large: int, patience: float) -> None:
        self.path = path
        self._lock = WriteLock(f"{path}.lock", patience)
        self._db = connect(path, patience)
        self._searcher = Searcher(self._db, large)
        try:
            if self._rows("PRAGMA user_version") != [(0,)]:
                self.scrub()
        except BaseException:
            self._db.close()
            self._lock.close()
            raise

    def _rows(self, query: str, *values: object) -> list[rows.Row]:
        return self._db.execute(query, values).fetchall()

    def _many(self, query: str, values: Iterator[rows.Row]) -> None:
        self._db.executemany(query, values)

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        """A write transaction. The lock between processes keeps SQLite before 3.51.3 from resetting a WAL in use."""
        with self._lock:
            self._rows("BEGIN IMMEDIATE")
            try:
                yield
                self._rows("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled it back already
                    self._rows("ROLLBACK")
                raise

    def close(self) -> None:
        """Release the file."""
        try:
            with self._lock:
                self._db.close()
        except OSError:  # a read-only folder: there is nothing to write back
            self._db.close()
        finally:
            self._lock.close()

    def find(self, bank: str) -> tuple[int, Bank]:
        found = self._rows(f"SELECT {rows.BANK} FROM bank WHERE id = ?", bank)
        if not found:
            raise UnknownBankError.of(bank)
        return rows.read_bank(found[0])

    def banks(self) -> list[Bank]:
        return [rows.read_bank(row)[1] for row in self._rows(f"SELECT {rows.BANK} FROM bank ORDER BY id")]

    def create(self, bank: Bank) -> Bank:
        with contextlib.suppress(UnknownBankError):
            return self.find(bank.id)[1]
        with self._transaction():
            self._new_bank(bank, "INSERT OR IGNORE INTO")
        return self.find(bank.id)[1]

    def write(self, bank: str, write: Write, vectors: Vectors) -> Receipt:
        with self._transaction():
            key, state = self.find(bank)
            if done := self._done(key, write.key):
                return Receipt(done, tuple(rows.fetch_memories(self._rows, key, done.created)), repeated=True)
            made = check_vectors(state, write, vectors)
            old = {m.id: m for m in rows.fetch_memories(self._rows, key, targets(write.operations))}
            asked = [*sources(write.operations), *(turn.id for turn in write.turns)]
            change = plan(state, write, old, {turn.id: turn for turn in rows.fetch_turns(self._rows, key, asked)})
            self._carry_out(key, state, change, made)
        self._searcher.follow(key, state, change, made)
        return Receipt(change.revision, change.created)

    def _done(self, key: int, entry: str) -> Revision | None:
        """What was logged under the key `entry` already, if anything was."""
        found = self._rows("SELECT body, seal FROM revision WHERE bank = ? AND key = ?", key, entry)
        return rows.read_revision(found[0]) if found else None

    def _carry_out(self, key: int, before: Bank, change: Change, vectors: Vectors) -> None:
        for seq, turn in enumerate(change.turns, before.turns + 1):
            self._put_turn(key, seq, turn)
        for memory, vector in zip(change.created, vectors, strict=True):
            self._put_memory(key, memory, rows.seal_vector(vector))
        for memory in change.ended:
            self._unindex(key, memory.id)
            where = (*rows.memory_row(memory)[-3:], key, rows.number(memory.id))
            self._rows("UPDATE memory SET died = ?, successor = ?, seal = ? WHERE bank = ? AND number = ?", *where)
        self._put_revision(key, change.revision)
        self._put_bank(key, change.bank)

    def _put_turn(self, key: int, seq: int, turn: Turn) -> None:
        self._rows("INSERT INTO turn VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", key, seq, *rows.turn_row(turn))

    def _put_memory(self, key: int, memory: Memory, vector: bytes) -> None:
        values = (key, *rows.memory_row(memory), rows.terms(memory), vector, rows.owner(key))
        self._rows(
            f"INSERT INTO memory (bank, {rows.MEMORY}, terms, vector, owner) VALUES ({','.join('?' * len(values))})",
            *values,
        )
        if memory.live:
            where = (key, rows.number(memory.id))
            fill = "INSERT INTO words (rowid, owner, terms) SELECT key, owner, terms FROM memory"
            self._rows(f"{fill} WHERE bank = ? AND number = ?", *where)

    def _unindex(self, key: int, memory: str) -> None:
        fill = "INSERT INTO words (words, rowid, owner, terms) SELECT 'delete', key, owner, terms FROM memory"
        self._rows(f"{fill} WHERE bank = ? AND number = ? AND died IS NULL", key, rows.number(memory))

    def _put_revision(self, key: int, revision: Revision) -> None:
        self._rows("INSERT OR REPLACE INTO revision VALUES (?, ?, ?, ?, ?)", key, *rows.revision_row(revision))

    def _new_bank(self, bank: Bank, insert: str) -> None:
        fill = f"{insert} bank (key, id, embedder, dim, created, revision, memories, live, turns, seal)"
        self._rows(f"{fill} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", new_key(self._rows), *rows.bank_row(bank))

    def _put_bank(self, key: int, bank: Bank) -> None:
        columns = (
            "id = ?, embedder = ?, dim = ?, created = ?, revision = ?, memories = ?, live = ?, turns = ?, seal = ?"
        )
        self._rows(f"UPDATE bank SET {columns} WHERE key = ?", *rows.bank_row(bank), key)

    def memories(self, bank: str, ids: Sequence[str] | None, revision: int | None) -> list[Memory]:
        key, state = self.find(bank)
        if ids is not None:
            return rows.fetch_memories(self._rows, key, ids)
        at = state.revision if revision is None else revision
        where = "bank = ? AND born <= ? AND (died IS NULL OR died > ?) ORDER BY number"
        return [
            rows.read_memory(row) for row in self._rows(f"SELECT {rows.MEMORY} FROM memory WHERE {where}", key, at, at)
        ]

    def every(self, bank: str) -> list[Memory]:
        found = self._rows(f"SELECT {rows.MEMORY} FROM memory WHERE bank = ? ORDER BY number", self.find(bank)[0])
        return [rows.read_memory(row) for row in found]

    def turns(self, bank: str, ids: Sequence[str] | None) -> list[Turn]:
        key = self.find(bank)[0]
        if ids is not None:
            return rows.fetch_turns(self._rows, key, ids)
        return list(read_turns(self._db, key))

    def log(self, bank: str, since: int) -> list[Revision]:
        return list(Log(self._db, self.find(bank)[0], since))

    def vectors(self, bank: str, ids: Sequence[str]) -> Vectors:
        key, state = self.find(bank)
        numbers = [rows.number(id) for id in ids]
        found = dict(
            rows.fetch(self._rows, f"SELECT number, vector FROM memory WHERE bank = {key} AND number", numbers)
        )
        for id, number in zip(ids, numbers, strict=True):
            if number not in found:
                raise UnknownMemoryError(f"bank {bank!r} has no memory {id!r}", memory=id)
        return rows.read_vectors([found[number] for number in numbers], state.dim)

    def candidates(self, bank: str, query: Query) -> Candidates:
        with self._view():
            return self._searcher.candidates(*self.find(bank), query)

    def search(
        self, bank: str, queries: Sequence[Query], total: int, per_speaker: int | None
    ) -> tuple[Bank, list[list[Hit]]]:
        with self._view():
            key, state = self.find(bank)
            return state, [self._searcher.search(key, state, query, total, per_speaker) for query in queries]

    def before(self, new: Bank, turn: str, recent: int) -> Before:
        """See `Store.before`; `new` is the bank to make if there is none of its id."""
        with self._view(), contextlib.suppress(UnknownBankError):
            key, state = self.find(new.id)
            stored = rows.fetch_turns(self._rows, key, [turn])
            ids = [id for entry in Log(self._db, key, state.revision - recent) for id in entry.turns]
            return Before(state, stored[0] if stored else None, tuple(rows.fetch_turns(self._rows, key, ids)))
        return Before(self.create(new), None, ())

    @contextlib.contextmanager
    def _view(self) -> Generator[None]:
        """One view of the file for all that is read."""
        self._rows("BEGIN")
        try:
            yield
        finally:
            if self._db.in_transaction:
                self._rows("COMMIT")

    def replace_vectors(
        self, bank: str, embedder: tuple[str, int], vectors: Mapping[str, Vectors], revision: int
    ) -> Bank:
        with self._transaction():
            key, state = self.find(bank)
            check_replacement(state, {m.id for m in self.every(bank)}, vectors, revision)
            change = ((rows.seal_vector(row), key, rows.number(id)) for id, row in vectors.items())
            self._many("UPDATE memory SET vector = ? WHERE bank = ? AND number = ?", change)
            self._put_bank(key, replace(state, embedder=embedder[0], dim=embedder[1]))
        self._searcher.drop(key)
        return self.find(bank)[1]

    def erase(self, bank: str, memories: Sequence[str], entry: tuple[str, datetime]) -> Revision:
        with self._transaction():
            key, state = self.find(bank)
            if done := self._done(key, entry[0]):
                return done
            found = rows.fetch_memories(self._rows, key, memories)
            erasure = plan_erasure(state, found, Log(self._db, key), read_turns(self._db, key), entry)
            for id in erasure.memories:
                self._unindex(key, id)
                self._rows("DELETE FROM memory WHERE bank = ? AND number = ?", key, rows.number(id))
            for turn in erasure.turns:
                where = (rows.turn_row(turn)[-1], key, turn.id)
                self._rows("UPDATE turn SET text = '', caption = '', seal = ? WHERE bank = ? AND id = ?", *where)
            for revision in (*erasure.log, erasure.revision):
                self._put_revision(key, revision)
            self._put_bank(key, erasure.bank)
            note_erased(self._rows, [Erased.of(uuid4().hex, erasure)])
            self._rows("PRAGMA user_version = 1")
        self._searcher.drop(key)
        self.scrub()
        return erasure.revision

    def erase_bank(self, bank: str) -> None:
        with self._transaction():
            key = self.find(bank)[0]
            delete_bank(self._rows, key)
            note_erased(self._rows, [Erased.of_bank(uuid4().hex, bank)])
            self._rows("PRAGMA user_version = 1")
        self._searcher.drop(key)
        self.scrub()

    def erased(self) -> list[Erased]:
        with self._view():
            return read_erased(self._rows)

    def note_erased(self, records: Sequence[Erased]) -> None:
        with self._transaction():
            note_erased(self._rows, records)

    def part(self, bank: str, turns: range, memories: range, log: range) -> Part:
        with self._view():
            key, state = self.find(bank)
            return part(self._rows, key, state.dim, (turns, memories, log))

    def scrub(self) -> None:
        """Rewrite the file and empty its journal, so that no byte of what was deleted is left in either.

        An erasure marks the file (`user_version`) in its own transaction; a crash before this is made good at
        the next `open`.
        """
        with self._lock:
            self._rows("INSERT INTO words (words) VALUES ('rebuild')")
            vacuum(self._rows)
            busy = self._rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
            if not busy:
                self._rows("PRAGMA user_version = 0")
                busy = self._rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
        if busy:
            raise StoreUnavailableError(
                f"forgotten, but the journal of {str(self.path)!r} may hold the text while another process reads it: "
                f"end that process, then open the store again, which finishes the erasure"
            )

    def load(self, source: Source, replace: bool) -> Bank:
        with self._transaction():
            old = self._rows("SELECT key FROM bank WHERE id = ?", source.bank.id)
            if old and not replace:
                raise exists(source.bank.id)
            for (key,) in old:  # out of the way, so that the new one gets a key of its own
                self._rows("UPDATE bank SET id = '' WHERE key = ?", key)
            self._fill(source)
            for (key,) in old:
                delete_bank(self._rows, key)
        for (key,) in old:
            self._searcher.drop(key)
        return source.bank

    def _fill(self, source: Source) -> None:
        self._new_bank(source.bank, "INSERT INTO")
        key = self.find(source.bank.id)[0]
        for seq, turn in enumerate(source.turns, 1):
            self._put_turn(key, seq, turn)
        for memory, vector in source.memories:
            self._put_memory(key, memory, rows.seal_vector(vector))
        for revision in source.log:
            self._put_revision(key, revision)
