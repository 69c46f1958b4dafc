"""Strict reading of JSON: what is missing, of another type or unreadable gets an error that names its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from memory_r1.memory.errors import FileFormatError

UNSTORABLE = "turn with characters that no store keeps: shown as U+FFFD"
"""What loaders call a turn that `storable` changed."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_T = TypeVar("_T")


def get(row: Mapping[str, Any], key: str, kind: type[_T], place: str) -> _T:
    """The value of `key`, which must be there and be a `kind`. Raises FileFormatError naming `place`."""
    if key not in row:
        raise FileFormatError(f"{place}: {key!r} is missing")
    return expect(kind, row[key], f"{place} {key}")


def expect(kind: type[_T], value: Any, place: str) -> _T:
    """`value` if it is a `kind` (true and false are no numbers). Raises FileFormatError naming `place`."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise FileFormatError(f"{place}: expected {kind.__name__}, found {value!r:.80}")
    return value


def filled(row: Mapping[str, Any], key: str, place: str) -> str:
    """The text of `key`, which must not be blank. Raises FileFormatError naming `place`."""
    text = get(row, key, str, place)
    if not text.strip():
        raise FileFormatError(f"{place}: {key!r} is empty")
    return text


def storable(text: str) -> str:
    """`text` with U+FFFD for what no store keeps: NUL, and halves of surrogate pairs."""
    return _UNSTORABLE.sub("\ufffd", text)


def read_json(path: Path, what: str) -> Any:
    """The JSON document in `path`. `what` is the file to give instead. Raises FileFormatError."""
    try:
        with path.open(encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise FileFormatError(f"can't read {str(path)!r}: {error.strerror}; give {what}") from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{str(path)!r} is not JSON: {error}; give {what}") from error


def read_rows(path: Path, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of the JSON lines in `path` with its place, as "file.jsonl, line 3". Raises FileFormatError."""
    try:
        with path.open("rb") as file:
            yield from rows_of(file, path.name, what)
    except OSError as error:
        raise FileFormatError(f"can't read {str(path)!r}: {error.strerror}; give {what}") from error


def rows_of(lines: Iterable[bytes], name: str, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of JSON `lines` with its place in `name`; blank lines are passed over. Raises FileFormatError."""
    number = 0
    for number, raw in enumerate(lines, 1):
        place = f"{name}, line {number}"
        if raw.strip():
            yield place, expect(dict, _parsed(raw, place, what), place)
    if not number:
        raise FileFormatError(f"{name!r} is empty; give {what}")


def _parsed(raw: bytes, place: str, what: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{place}: is not JSON ({error}): {raw[:60]!r}; give {what}") from error
