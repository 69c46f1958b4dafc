"""The file of a judge's verdicts: appended to, durable line by line, the last line on an answer counts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from memory_r1.memory.durable import sync
from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.rl.evaluation.files import written
from memory_r1.rl.evaluation.records import VerdictRow, slug
from memory_r1.rl.judge.judge import LABELS

log = logging.getLogger(__name__)

_ROW = TypeAdapter(VerdictRow)


def verdict_path(out: Path, judge: str) -> Path:
    """Where the verdicts of the judge named `judge` stand in the evaluation folder `out`."""
    return out / "judges" / f"{slug(judge)}.jsonl"


def read_verdicts(path: Path) -> list[VerdictRow]:
    """The last verdict on each answer of each system in the file `path`, in the order of their first; [] without it.

    A last line that a crash cut short is left out. Raises FileFormatError, naming file and line, for any other line
    that is no verdict.
    """
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise FileFormatError(f"can't read {str(path)!r}: {error.strerror}") from error
    last: dict[tuple[str, str], VerdictRow] = {}
    for row in _rows(data, path):
        last[row.system, row.question_id] = row
    return list(last.values())


def _rows(data: bytes, path: Path) -> Iterable[VerdictRow]:
    *lines, torn = data.split(b"\n")
    if torn:
        log.warning("%s: the last line was cut short and is left out", path, extra={"content": f"{torn[:80]!r}"})
    for number, line in enumerate(lines, 1):
        try:
            row = _ROW.validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            wrong = f"{where}: {first['msg']}".removeprefix(": ")
            raise FileFormatError(f"{str(path)!r} line {number} is no verdict: {wrong}") from None
        if row.label not in LABELS:
            raise FileFormatError(f"{str(path)!r} line {number}: label {row.label!r} is none of {', '.join(LABELS)}")
        yield row


class VerdictFile:
    """Appends verdicts to a file while its `with` block runs; no other process may meanwhile.

    `last`: the last verdict by system and question; `known`: by key. Raises InputError when another process has it,
    FileFormatError as `read_verdicts`, StoreUnavailableError when it can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: dict[tuple[str, str], VerdictRow] = {}
        self.known: dict[str, VerdictRow] = {}
        self._lock = FileLock(f"{path}.lock", timeout=0)
        self._file: BinaryIO | None = None

    def __enter__(self) -> VerdictFile:
        with written(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire()
            except Timeout:
                raise InputError(f"another process is adding to {str(self.path)!r}: wait until it ends") from None
            try:
                self._load()
            except BaseException:
                self._close()
                raise
        return self

    def _load(self) -> None:
        data = self.path.read_bytes() if self.path.exists() else b""
        for row in _rows(data, self.path):
            self._note(row)
        self._file = self.path.open("ab")
        self._file.truncate(data.rfind(b"\n") + 1)

    def append(self, rows: Sequence[VerdictRow]) -> None:
        """Write `rows` to the disk; they are safe when this returns. Raises StoreUnavailableError."""
        if not rows:
            return
        assert self._file is not None, "open it with `with`"
        with written(self.path):
            self._file.write(b"".join(_ROW.dump_json(row) + b"\n" for row in rows))
            sync(self._file)
        for row in rows:
            self._note(row)

    def _note(self, row: VerdictRow) -> None:
        self.last[row.system, row.question_id] = row
        self.known[row.key] = row

    def _close(self) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:  # what is still in the buffer of a full disk: its loss has been reported
                log.warning("%s: %s", self.path, error)
        self._lock.release()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()
