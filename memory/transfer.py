"""Banks as JSON lines: what `export` writes and `import` reads, exactly, between any two stores.

The first line describes the bank and counts what follows; then stands one line for each turn, memory (with its
vector, base64 of little-endian float32) and revision, in that order. Reading is strict: a line that is missing,
damaged, unknown or contradicts the others is an error that names it.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

import numpy as np
from pydantic import TypeAdapter, ValidationError

from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.memory.store import BANK_ID, Dump, Vectors
from memory_r1.memory.types import Bank, Memory, Revision, Turn

FORMAT = "memory-r1 bank 1"
"""The first line's `format`: the name and the version of this file format."""

_MEMORY_ID = re.compile(r"m[1-9][0-9]{0,17}")
_FLOAT = np.dtype("<f4")


def to_lines(dump: Dump) -> Iterator[str]:
    """The lines of an export file, each ending in a newline."""
    counts = {"turns": len(dump.turns), "memories": len(dump.memories), "revisions": len(dump.log)}
    yield _line({"format": FORMAT, "bank": _plain(Bank, dump.bank), **counts})
    for turn in dump.turns:
        yield _line({"turn": _plain(Turn, turn)})
    for memory, vector in zip(dump.memories, dump.vectors, strict=True):
        packed = b64encode(vector.astype(_FLOAT).tobytes()).decode()
        yield _line({"memory": _plain(Memory, memory), "vector": packed})
    for revision in dump.log:
        yield _line({"revision": _plain(Revision, revision)})


def from_lines(lines: Iterable[str], place: str) -> Dump:
    """The bank that the lines of an export file hold; `place` names the file in errors.

    Raises FileFormatError, naming the line, for anything but what `to_lines` writes.
    """
    reader = _Reader(place, iter(lines))
    head = reader.next("the first line", {"format", "bank", "turns", "memories", "revisions"})
    if head["format"] != FORMAT:
        raise reader.error(f"format {head['format']!r} is not {FORMAT!r}: this is no export of this version")
    bank: Bank = reader.read(Bank, head["bank"])
    dim = bank.dim
    if dim < 1 or not BANK_ID.fullmatch(bank.id):
        raise reader.error(f"bank id {bank.id!r} with {dim!r} dimensions is not allowed")
    counts = {name: reader.count(head[name], name) for name in ("turns", "memories", "revisions")}
    turns: list[Turn] = [reader.one("turn", Turn) for _ in range(counts["turns"])]
    memories: list[Memory] = []
    vectors = np.zeros((counts["memories"], dim), np.float32)
    for row in range(counts["memories"]):
        line = reader.next("a memory", {"memory", "vector"})
        memories.append(reader.read(Memory, line["memory"]))
        vectors[row] = reader.vector(line["vector"], dim)
    log: list[Revision] = [reader.one("revision", Revision) for _ in range(counts["revisions"])]
    reader.end()
    dump = Dump(bank, tuple(turns), tuple(memories), tuple(log), vectors)
    _check(dump, place)
    return dump


def renamed(dump: Dump, bank: str) -> Dump:
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

    def one(self, key: str, kind: Any) -> Any:
        return self.read(kind, self.next(f"a {key}", {key})[key])

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


def _check(dump: Dump, place: str) -> None:
    """Refuse a file whose lines contradict one another, so that no store ever holds such a bank."""
    bank, turns, memories = dump.bank, {turn.id for turn in dump.turns}, {memory.id: memory for memory in dump.memories}
    numbers = [revision.number for revision in dump.log]
    live = sum(memory.live for memory in dump.memories)
    wrong = [
        (len(turns) < len(dump.turns), "two turns have one id"),
        (len(memories) < len(dump.memories), "two memories have one id"),
        (bank.turns != len(turns), f"the bank counts {bank.turns} turns, the file holds {len(turns)}"),
        (bank.memories < len(memories), f"the bank counts {bank.memories} memories, the file holds {len(memories)}"),
        (bank.live != live, f"the bank counts {bank.live} live memories, the file holds {live}"),
        (numbers != list(range(1, bank.revision + 1)), f"the log is not revisions 1 to {bank.revision} in order"),
    ]  # fmt: skip
    for memory in dump.memories:
        number = int(memory.id[1:]) if _MEMORY_ID.fullmatch(memory.id) else 0
        wrong.append((not 1 <= number <= bank.memories, f"memory id {memory.id!r} is not m1 to m{bank.memories}"))
        missing = [turn for turn in memory.turns if turn not in turns]
        wrong.append((bool(missing), f"memory {memory.id!r} comes from turn {missing[:1]!r}, which the file lacks"))
        end = bank.revision + 1 if memory.died is None else memory.died
        lives = 1 <= memory.born < end and memory.born <= bank.revision and (memory.died or 0) <= bank.revision
        wrong.append((not lives, f"memory {memory.id!r} lives from revision {memory.born} to {memory.died}"))
    for bad, why in wrong:
        if bad:
            raise FileFormatError(f"{place}: {why}; the file was edited or damaged, export the bank again", file=place)
