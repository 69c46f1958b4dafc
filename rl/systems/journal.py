"""Which turns a library's memory has learned, kept beside it: a line before each turn and one after."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from memory_r1.memory.durable import sync
from memory_r1.memory.errors import CorruptStoreError
from memory_r1.rl.systems.types import Learned

_LEARNED = TypeAdapter(Learned)


class Journal:
    """`begun`: turns that were started. `done`: what became of those that were finished, by turn.

    Each line is on disk before the call returns. A last line that a crash cut off counts as unwritten.
    Raises CorruptStoreError for any other line that can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun: set[str] = set()
        self.done: dict[str, Learned] = {}
        if path.exists():
            self._load()

    def begin(self, turn: str) -> None:
        """Note that `turn` is being learned."""
        self._append({"begun": turn})
        self.begun.add(turn)

    def finish(self, turn: str, learned: Learned) -> None:
        """Note that `turn` is learned."""
        self._append({"done": turn, "learned": _LEARNED.dump_python(learned, mode="json")})
        self.done[turn] = learned

    def _append(self, line: dict[str, Any]) -> None:
        with self.path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            sync(file)

    def _load(self) -> None:
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, ValidationError) as error:
                raise CorruptStoreError(
                    f"{str(self.path)!r}, line {number}, is no line of a journal ({error}): delete the folder "
                    f"{str(self.path.parent)!r} to learn the conversation anew"
                ) from None

    def _take(self, line: dict[str, Any]) -> None:
        if "begun" in line:
            self.begun.add(line["begun"])
        else:
            self.done[line["done"]] = _LEARNED.validate_python(line["learned"])
