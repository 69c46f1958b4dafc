"""Banks as JSON lines: what `export` writes and `import` reads, exactly, between any two stores.

The first line describes the bank and counts what follows; then stands one line for each turn, memory (with its
vector, base64 of little-endian float32) and revision, in that order. Reading is strict: a line that is missing,
damaged, unknown or contradicts the others is an error that names it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar, cast

import numpy as np
from pydantic import TypeAdapter, ValidationError

from memory_r1.memory.checks import BANK_ID
from memory_r1.memory.dumps import Anew, Dump, Part, Source, Vectors
from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.memory.replay import check
from memory_r1.memory.types import Bank, Memory, Revision, Turn

FORMAT = "memory-r1 bank 1"
"""The first line's `format`: the name and the version of this file format."""

T = TypeVar("T")
D = TypeVar("D", Dump, Source)

_COUNTS = ("turns", "memories", "revisions")
_FLOAT = np.dtype("<f4")


def to_lines(dump: Dump) -> Iterator[str]:
    """The lines of an export file, each ending in a newline."""
    yield head_line(dump.bank, (len(dump.turns), len(dump.memories), len(dump.log)))
    yield from part_lines(Part(dump.turns, dump.memories, dump.vectors, dump.log))


def head_line(bank: Bank, counts: tuple[int, int, int]) -> str:
    """The first line, with the counts of turns, memories and revisions that follow."""
    return _line({"format": FORMAT, "bank": _plain(Bank, bank), **dict(zip(_COUNTS, counts, strict=True))})


def part_lines(part: Part) -> Iterator[str]:
    """The lines of a part of a bank."""
    for turn in part.turns:
        yield _line({"turn": _plain(Turn, turn)})
    for memory, vector in zip(part.memories, part.vectors, strict=True):
        packed = b64encode(vector.astype(_FLOAT).tobytes()).decode()
        yield _line({"memory": _plain(Memory, memory), "vector": packed})
    for revision in part.log:
        yield _line({"revision": _plain(Revision, revision)})


def from_lines(lines: Iterable[str], place: str) -> Dump:
    """The bank that the lines of an export file hold; `place` names the file in errors.

    Raises FileFormatError, naming the line, for anything but what `to_lines` writes.
    """
    reader = _Reader(place, iter(lines))
    bank, (said, kept, entries) = reader.head()
    turns = tuple(reader.turn() for _ in range(said))
    memories: list[Memory] = []
    vectors = np.zeros((kept, bank.dim), np.float32)
    for row in vectors:
        memory, row[:] = reader.memory(bank.dim)
        memories.append(memory)
    log = tuple(reader.revision() for _ in range(entries))
    reader.end()
    dump = Dump(bank, turns, tuple(memories), log, vectors)
    check(Source.of(dump), place)
    return dump


def source_of(lines: Callable[[], AbstractContextManager[Iterable[str]]], place: str) -> Source:
    """The bank that the lines of an export file hold, read anew from `lines` for each part of it.

    Holds one line at a time. Raises FileFormatError as `from_lines` does; `replay.check` is left to the caller.
    """

    def read(skip: int, each: Callable[[_Reader], T], at: int, last: bool = False) -> Anew[T]:
        def begin() -> Iterator[T]:
            with lines() as opened:
                reader = _Reader(place, iter(opened))
                _, counts = reader.head()
                for _ in range(sum(counts[:skip])):
                    reader.skip()
                for _ in range(counts[at]):
                    yield each(reader)
                if last:
                    reader.end()

        return Anew(begin)

    with lines() as opened:
        bank, _ = _Reader(place, iter(opened)).head()
    return Source(
        bank, read(0, _Reader.turn, 0), read(1, lambda reader: reader.memory(bank.dim), 1),
        read(2, _Reader.revision, 2, last=True),
    )  # fmt: skip


def renamed(dump: D, bank: str) -> D:
    """The same contents as the bank `bank`. Raises InputError when that is no bank id."""
    if not BANK_ID.fullmatch(bank):
        raise InputError(f"bank id {bank!r} is not allowed: use 1 to 128 letters, digits and . _ : @ -")
    return replace(dump, bank=replace(dump.bank, id=bank))


@dataclass
class _Reader:
    """Takes lines one by one and knows where it is."""

    place: str
    lines: Iterator[str]
    number: int = 0

    def error(self, why: str) -> FileFormatError:
        return FileFormatError(f"{self.place}, line {self.number}: {why}", file=self.place, line=self.number)

    def next(self, what: str, keys: set[str]) -> dict[str, Any]:
        self.number += 1
        try:
            line = next(self.lines, None)
        except UnicodeDecodeError as error:
            raise self.error(f"is not UTF-8 text: {error.reason}") from None
        if line is None or not line.strip():
            raise self.error(f"is missing: {what} should stand here, so the file was cut off or edited")
        try:
            row: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self.error(f"is not JSON ({error}): {line.strip()!r:.80}") from None
        if not isinstance(row, dict) or set(cast("dict[str, Any]", row)) != keys:
            raise self.error(f"{what} should stand here, with {sorted(keys)!r}, not {line.strip()!r:.80}")
        return cast("dict[str, Any]", row)

    def head(self) -> tuple[Bank, tuple[int, int, int]]:
        head = self.next("the first line", {"format", "bank", *_COUNTS})
        if head["format"] != FORMAT:
            raise self.error(f"format {head['format']!r} is not {FORMAT!r}: this is no export of this version")
        bank: Bank = self.read(Bank, head["bank"])
        if bank.dim < 1 or not BANK_ID.fullmatch(bank.id):
            raise self.error(f"bank id {bank.id!r} with {bank.dim!r} dimensions is not allowed")
        turns, memories, revisions = (self.count(head[name], name) for name in _COUNTS)
        return bank, (turns, memories, revisions)

    def turn(self) -> Turn:
        return self.one("turn", Turn)

    def memory(self, dim: int) -> tuple[Memory, Vectors]:
        line = self.next("a memory", {"memory", "vector"})
        return self.read(Memory, line["memory"]), self.vector(line["vector"], dim)

    def revision(self) -> Revision:
        return self.one("revision", Revision)

    def one(self, key: str, kind: Any) -> Any:
        return self.read(kind, self.next(f"a {key}", {key})[key])

    def skip(self) -> None:
        self.number += 1
        next(self.lines, None)

    def read(self, kind: Any, value: Any) -> Any:
        try:
            found = _adapter(kind).validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            at = ".".join(map(str, first["loc"]))
            raise self.error(f"{kind.__name__.lower()} {at}: {first['msg']}, found {first['input']!r:.80}") from None
        if extra := _unknown(value, _plain(kind, found)):
            raise self.error(f"{kind.__name__.lower()} has the unknown field {extra!r}")
        return found

    def count(self, value: Any, name: str) -> int:
        if type(value) is not int or value < 0:
            raise self.error(f"{name} must be a count, not {value!r:.80}")
        return value

    def vector(self, value: Any, dim: int) -> Vectors:
        try:
            row = np.frombuffer(b64decode(value, validate=True), _FLOAT)
        except (ValueError, TypeError):
            raise self.error(f"vector is no base64 of float32 numbers: {value!r:.80}") from None
        if row.shape != (dim,) or not np.isfinite(row).all():
            raise self.error(f"vector must hold {dim} finite numbers, it has {row.shape[0]}")
        return row.astype(np.float32)

    def end(self) -> None:
        self.number += 1
        rest = next((line for line in self.lines if line.strip()), None)
        if rest is not None:
            raise self.error(f"stands after the last revision that the first line counts: {rest.strip()!r:.80}")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _plain(kind: Any, value: Any) -> Any:
    return _adapter(kind).dump_python(value, mode="json")


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def _unknown(given: Any, kept: Any) -> str:
    """The first key of `given`, at any depth, that reading it dropped; "" if none was."""
    if isinstance(given, dict) and isinstance(kept, dict):
        rows, known = cast("dict[str, Any]", given), cast("dict[str, Any]", kept)
        return next((k for k in rows if k not in known), "") or next(
            (found for k, v in rows.items() if (found := _unknown(v, known[k]))), ""
        )
    if isinstance(given, list) and isinstance(kept, list):
        pairs = zip(cast("list[Any]", given), cast("list[Any]", kept), strict=False)
        return next((found for a, b in pairs if (found := _unknown(a, b))), "")
    return ""
