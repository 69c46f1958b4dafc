"""Reads a JSON list element by element, so that a file of hundreds of megabytes never stands in memory as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from memory_r1.memory.errors import FileFormatError

CHUNK = 1 << 20
"""Characters read at once."""

_SPACE = re.compile(r"[ \t\r\n]*")
_BEHIND = tuple(" \t\r\n,]")
_NEAR = 32


def read_list(path: Path, what: str) -> Iterator[tuple[str, Any]]:
    """Each element of the JSON list in `path` with its place, as "file.json[3]". `what` is the file to give instead.

    Raises FileFormatError; elements before a damaged one have been given by then.
    """
    try:
        with path.open(encoding="utf-8") as file:
            yield from _elements(_Scanner(file), path.name)
    except OSError as error:
        raise FileFormatError(f"can't read {str(path)!r}: {error.strerror}; give {what}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{str(path)!r} is not JSON: {error}; give {what}") from error


def _elements(scan: _Scanner, name: str) -> Iterator[tuple[str, Any]]:
    if scan.peek() != "[":
        raise FileFormatError(f"{name}: expected list, found {scan.text[scan.at : scan.at + 60]!r}")
    scan.at += 1
    number = 0
    while scan.peek() != "]" or number:
        place = f"{name}[{number}]"
        try:
            yield place, scan.value()
        except json.JSONDecodeError as error:
            raise FileFormatError(f"{place} is not JSON: {error.msg} at {_shown(error)!r}") from error
        number += 1
        if scan.peek() == "]":
            break
        if scan.peek() != ",":
            raise FileFormatError(f"{place}: the file ends or goes on wrongly behind it: {scan.rest()!r}")
        scan.at += 1
    scan.at += 1
    if scan.peek():
        raise FileFormatError(f"{name}: something stands behind the list: {scan.rest()!r}")


def _shown(error: json.JSONDecodeError) -> str:
    return error.doc[error.pos : error.pos + 40]


class _Scanner:
    """A window that moves over a text file. `text[at:]` is what was read and not yet taken."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.text = ""
        self.at = 0

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def rest(self) -> str:
        """What comes next, for a message."""
        return self.text[self.at : self.at + 40]

    def value(self) -> Any:
        """Take the next JSON value. Raises JSONDecodeError."""
        self.peek()
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self._final(error) or not self._more():
                    raise
                continue
            taken = end - self.at
            if self.text[end : end + 1] in _BEHIND or not self._more():  # else "1" may yet become "1.5"
                self.at += taken
                return value

    def _final(self, error: json.JSONDecodeError) -> bool:
        """Whether more text can't mend it: it lies well before the window's end, and is no string without end."""
        return error.pos < len(self.text) - _NEAR and not error.msg.startswith("Unterminated string")

    def _more(self) -> bool:
        """Read on, twice as much as is still there. False at the end of the file."""
        new = self.file.read(max(CHUNK, len(self.text) - self.at))
        self.text = self.text[self.at :] + new
        self.at = 0
        return bool(new)
