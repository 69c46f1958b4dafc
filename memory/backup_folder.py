"""The folder of a back-up: one file for each bank, a manifest that says which count, a list of what was erased.

    manifest.json     what the back-up holds; replaced as a whole when a run has ended
    progress.jsonl    the files that a run has finished so far; gone when it has ended
    erased.jsonl      records of erasures, in the order in which they became known
    banks/ab/….gz     the banks

A file that neither the manifest nor the progress names was left by a run that was killed. Files are their owner's
alone.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory_r1.memory.durable import sync, write_whole
from memory_r1.memory.erased import Erased, digest, dump_erased, load_erased
from memory_r1.memory.errors import CorruptStoreError, FileFormatError, InputError, StoreUnavailableError
from memory_r1.memory.types import Bank

MANIFEST, PROGRESS, ERASED, BANKS = "manifest.json", "progress.jsonl", "erased.jsonl", "banks"
_FILE = rf"^{BANKS}/[0-9a-f]{{2}}/[A-Za-z0-9_.-]+\.jsonl\.gz$"

M = TypeVar("M", bound=BaseModel)


class Report(Protocol):
    """Told how far a run is."""

    def __call__(self, bank: str, done: int, total: int, /) -> None:
        """`bank` is at hand, `done` of `total` are done."""
        ...


def quiet(bank: str, done: int, total: int, /) -> None:
    """Tell nobody."""


class Entry(BaseModel):
    """One bank of a back-up. `head`: the digest of its last log entry; `erased`: how many lines of the list of
    erasures were known when it was read, and so count in it.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    bank: str
    file: str = Field(pattern=_FILE)
    revision: int
    turns: int
    memories: int
    live: int
    embedder: str
    dim: int
    created: datetime
    head: str
    erased: int
    sha256: str
    bytes: int

    @classmethod
    def of(cls, bank: Bank, head: str, erased: int, file: tuple[str, str, int]) -> Entry:
        """The entry of `bank`; `file`: its name, SHA-256 and size."""
        name, checksum, size = file
        return cls(
            bank=bank.id, file=name, revision=bank.revision, turns=bank.turns, memories=bank.memories, live=bank.live,
            embedder=bank.embedder, dim=bank.dim, created=bank.created, head=head, erased=erased, sha256=checksum,
            bytes=size,
        )  # fmt: skip

    def state(self) -> Bank:
        """The bank's state."""
        return Bank(
            self.bank, self.embedder, self.dim, self.created, self.revision, self.memories, self.live, self.turns
        )


class Manifest(BaseModel):
    """What a back-up holds. `store`: what kind of store the last run read."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: Literal["memory-r1 back-up 1"] = "memory-r1 back-up 1"
    store: str
    finished: datetime
    banks: dict[str, Entry]


class Folder:
    """One back-up. Every method raises StoreUnavailableError when the folder can't be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def made(cls, path: Path) -> Folder:
        """The folder at `path`, made if need be. Raises InputError when something else is in it."""
        with explained(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            names = {found.name for found in path.iterdir()} - {".lock"}
            if names and not names & {MANIFEST, PROGRESS, ERASED, BANKS}:
                raise InputError(f"{str(path)!r} holds {min(names)!r} and no back-up: give a folder of its own")
        return cls(path)

    @classmethod
    def there(cls, path: Path) -> Folder:
        """The folder at `path`. Raises InputError when there is none."""
        if not path.is_dir():
            raise InputError(f"there is no folder {str(path)!r}")
        return cls(path)

    @contextmanager
    def locked(self) -> Generator[None]:
        """No other run, in no process, while this lasts. A folder that can't be written needs no lock."""
        lock = FileLock(str(self.path / ".lock"), timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise StoreUnavailableError(f"another back-up or restore uses {str(self.path)!r}: wait for it") from None
        except OSError as error:
            if os.access(self.path, os.W_OK):
                raise StoreUnavailableError(f"can't lock {str(self.path)!r}: {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()

    def manifest(self) -> Manifest | None:
        """The manifest; None before the first run has ended. Raises FileFormatError."""
        text = self._text(MANIFEST)
        return None if text is None else _model(Manifest, text, str(self.path / MANIFEST))

    def progress(self) -> dict[str, Entry]:
        """What a run that did not end has finished. A line that was cut off counts for nothing."""
        lines = (self._text(PROGRESS) or "").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        entries = [_model(Entry, line, str(self.path / PROGRESS)) for line in whole]
        return {entry.bank: entry for entry in entries}

    def note(self, entry: Entry) -> None:
        """Add to the progress, durably."""
        with explained(self.path):
            handle = os.open(self.path / PROGRESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
                out.write(entry.model_dump_json() + "\n")
                sync(out)

    def begin(self, progress: Mapping[str, Entry]) -> None:
        """Begin a run over what the last one has finished."""
        self._replace(PROGRESS, "".join(entry.model_dump_json() + "\n" for entry in progress.values()))

    def finish(self, manifest: Manifest) -> None:
        """Make `manifest` the back-up, then remove what it doesn't name."""
        self._replace(MANIFEST, json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n")
        with explained(self.path):
            (self.path / PROGRESS).unlink(missing_ok=True)
            kept = {entry.file for entry in manifest.banks.values()}
            for found in (self.path / BANKS).glob("*/*"):
                if found.relative_to(self.path).as_posix() not in kept:
                    found.unlink()

    def new_file(self, bank: Bank, token: str) -> Path:
        """Where the bank's next file goes: a name that no file has. `token`: what makes it one."""
        mark = digest(bank.id)
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", bank.id)[:60]
        with explained(self.path):
            for folder in (self.path / BANKS, self.path / BANKS / mark[:2]):
                folder.mkdir(mode=0o700, exist_ok=True)
        return self.path / BANKS / mark[:2] / f"{name}-{mark[:8]}-r{bank.revision}-{token}.jsonl.gz"

    def erased(self) -> list[Erased]:
        """The list of erasures. Raises FileFormatError."""
        return read_erased(self.path / ERASED) if (self.path / ERASED).exists() else []

    def learn(self, records: Iterable[Erased]) -> list[Erased]:
        """Add the records that the list lacks, durably; returns the whole list."""
        known = self.erased()
        ids = {record.id for record in known}
        fresh = [record for record in records if record.id not in ids]
        if fresh:
            self._replace(ERASED, "".join(dump_erased(record) + "\n" for record in (*known, *fresh)))
        return [*known, *fresh]

    def _text(self, name: str) -> str | None:
        with explained(self.path):
            try:
                return (self.path / name).read_text(encoding="utf-8")
            except FileNotFoundError:
                return None

    def _replace(self, name: str, text: str) -> None:
        """Write a file as a whole or not at all, durably."""
        with explained(self.path):
            write_whole(self.path / name, text.encode(), private=True)


def read_erased(path: Path) -> list[Erased]:
    """The records in a list of erasures. Raises FileFormatError, StoreUnavailableError."""
    with explained(path):
        lines = path.read_text(encoding="utf-8").splitlines()
    try:
        return [load_erased(line) for line in lines]
    except CorruptStoreError as error:
        raise FileFormatError(f"{str(path)!r}: {error.message}", file=str(path)) from None


class Coverage:
    """Which erasures an entry of a back-up doesn't know of: `records` that stood not in `known` when it was read."""

    def __init__(self, known: Sequence[Erased], records: Iterable[Erased]) -> None:
        self._length = len(known)
        at = {record.id: place for place, record in enumerate(known)}
        self._by_bank: dict[str, list[tuple[int, Erased]]] = {}
        for record in {record.id: record for record in (*known, *records)}.values():
            self._by_bank.setdefault(record.bank, []).append((at.get(record.id, len(at)), record))

    def of(self, entry: Entry) -> list[Erased]:
        """The erasures that are to be done again in what the entry's file holds.

        Raises FileFormatError when the list is shorter than it was when the file was written.
        """
        if entry.erased > self._length:
            raise FileFormatError(
                f"the back-up's {ERASED} has lost lines: {entry.erased} stood in it when bank {entry.bank!r} was "
                f"written, {self._length} do now; bring it back from another copy of this back-up"
            )
        return [record for at, record in self._by_bank.get(digest(entry.bank), ()) if at >= entry.erased]

    def whole(self, entry: Entry) -> bool:
        """Whether the bank itself was erased."""
        return any(record.whole for record in self.of(entry))


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Turn the operating system's errors into StoreUnavailableError."""
    try:
        yield
    except OSError as error:
        place = error.filename or str(path)
        raise StoreUnavailableError(
            f"{str(place)!r}: {error.strerror or error}; the last complete back-up stands, the same command goes on"
        ) from error


def _model(kind: type[M], text: str, place: str) -> M:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise FileFormatError(f"{place!r} is damaged at {at or 'its beginning'}: {first['msg']}", file=place) from None
