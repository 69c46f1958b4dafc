"""The tables of the SQLite store, and its errors in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from memory_r1.memory.errors import CorruptStoreError, MemoryR1Error, StoreUnavailableError

APPLICATION = 0x4D523101
"""SQLite's application_id of a Memory-R1 file ("MR1", then the version of this schema)."""

SCHEMA = """
CREATE TABLE bank (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, embedder TEXT NOT NULL, dim INTEGER NOT NULL,
    created TEXT NOT NULL, revision INTEGER NOT NULL, memories INTEGER NOT NULL, live INTEGER NOT NULL,
    turns INTEGER NOT NULL, seal INTEGER NOT NULL) STRICT;
CREATE TABLE turn (
    bank INTEGER NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, session TEXT NOT NULL, idx INTEGER NOT NULL,
    speaker TEXT NOT NULL, text TEXT NOT NULL, time TEXT NOT NULL, caption TEXT NOT NULL,
    seal INTEGER NOT NULL,
    PRIMARY KEY (bank, seq)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX turn_id ON turn (bank, id);
CREATE TABLE memory (
    key INTEGER PRIMARY KEY, bank INTEGER NOT NULL, number INTEGER NOT NULL, text TEXT NOT NULL,
    speaker TEXT NOT NULL, turns TEXT NOT NULL, session TEXT NOT NULL, idx INTEGER NOT NULL, recorded TEXT NOT NULL,
    born INTEGER NOT NULL, whenever TEXT NOT NULL, entities TEXT NOT NULL, supersedes TEXT NOT NULL, died INTEGER,
    successor TEXT NOT NULL, seal INTEGER NOT NULL, owner TEXT NOT NULL, terms TEXT NOT NULL,
    vector BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX memory_number ON memory (bank, number);
CREATE INDEX memory_born ON memory (bank, born);
CREATE INDEX memory_died ON memory (bank, died) WHERE died IS NOT NULL;
CREATE INDEX memory_place ON memory (bank, session, idx) WHERE died IS NULL;
CREATE TABLE revision (
    bank INTEGER NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
    seal INTEGER NOT NULL,
    PRIMARY KEY (bank, number)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX revision_key ON revision (bank, key);
CREATE VIEW living AS SELECT key, owner, terms FROM memory WHERE died IS NULL;
CREATE VIRTUAL TABLE words USING fts5(
    owner, terms, content='living', content_rowid='key', tokenize="unicode61 remove_diacritics 0");
"""

_UNAVAILABLE = {
    "SQLITE_BUSY": "it stayed locked by another process: try again, or end the process that writes",
    "SQLITE_LOCKED": "it stayed locked: try again",
    "SQLITE_FULL": "the disk is full, or that of temporary files (SQLITE_TMPDIR): free some space and try again",
    "SQLITE_READONLY": "it can't be written: make the file and its folder writable, or choose another --store",
    "SQLITE_PERM": "permission denied: make the file and its folder readable and writable",
    "SQLITE_CANTOPEN": "it can't be opened: check that the folder exists and may be written to",
    "SQLITE_IOERR": "reading or writing failed: check the disk (is it full, or was it taken away?)",
}


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Turn SQLite's and the operating system's errors into StoreUnavailableError and CorruptStoreError."""
    try:
        yield
    except MemoryR1Error:
        raise
    except Timeout as error:
        raise StoreUnavailableError(f"the store {str(path)!r}: {_UNAVAILABLE['SQLITE_BUSY']}") from error
    except OSError as error:
        raise StoreUnavailableError(f"the store {str(path)!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CorruptStoreError(f"the store {str(path)!r} is damaged ({error}): restore it from a copy") from error
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        for prefix, advice in _UNAVAILABLE.items():
            if name.startswith(prefix):
                raise StoreUnavailableError(f"the store {str(path)!r}: {advice}", sqlite=name) from error
        raise CorruptStoreError(
            f"the store {str(path)!r} is damaged or no SQLite file ({error}): restore it from a copy or an export",
            sqlite=name,
        ) from error


def prepared(db: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is a store of ours; False for an empty file. Changes nothing.

    Raises CorruptStoreError for a file of another application or of another version.
    """
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]  # first: who sees tables sees the mark too
    application = db.execute("PRAGMA application_id").fetchone()[0]
    if application == APPLICATION:
        return True
    if application or tables:
        raise CorruptStoreError(
            f"{str(path)!r} is an SQLite file, but not a Memory-R1 store of this version: choose another --store"
        )
    return False


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make an empty file a store, all or nothing. One process at a time: the caller holds the lock."""
    if not prepared(db, path):
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(f"BEGIN IMMEDIATE;{SCHEMA}PRAGMA application_id = {APPLICATION};COMMIT;")


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """Open the file at `path`, made a store if need be; another process's write is waited for `patience` seconds."""
    with explained(path):
        db = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("synchronous = FULL", "secure_delete = ON", "temp_store = MEMORY", "cell_size_check = ON"):
                db.execute(f"PRAGMA {pragma}")
            if not prepared(db, path):
                with FileLock(f"{path}.lock", timeout=patience):  # several processes may make the file at once
                    prepare(db, path)
        except BaseException:
            db.close()
            raise
    return db
