"""Checks a bank piece by piece: its parts agree, and its log, replayed, makes exactly the memories that it holds.

Holds the ids of the turns and one number for each memory that lives, never the bank.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from memory_r1.memory.apply import texts
from memory_r1.memory.dumps import Source
from memory_r1.memory.errors import FileFormatError
from memory_r1.memory.types import Add, Bank, Memory, Revision, Turn, Update

_MEMORY_ID = re.compile(r"m[1-9][0-9]{0,17}")
_FORGOTTEN = -1
_NEVER = 0


def check(source: Source, place: str) -> None:
    """Refuse a bank whose parts contradict one another; `place` names where it comes from.

    Raises FileFormatError.
    """
    replay = _Replay(source.bank, place)
    replay.read_turns(source.turns)
    memories = replay.checked(memory for memory, _ in source.memories)
    replay.take(next(memories, None))
    for entry in source.log:
        replay.apply(entry, memories)
    replay.end()


class _Replay:
    """The bank after the log entries so far. `ends`: for each memory that lives, the revision that is to end it."""

    def __init__(self, bank: Bank, place: str) -> None:
        self.bank, self.place = bank, place
        self.turns: set[str] = set()
        self.ends: dict[str, int] = {}
        self.ahead: Memory | None = None
        self.made = self.number = self.live = 0

    def refuse(self, bad: bool, why: str) -> None:
        if bad:
            why = f"{self.place}: {why}; the file was edited or damaged, export the bank again"
            raise FileFormatError(why, file=self.place)

    def read_turns(self, turns: Iterable[Turn]) -> None:
        """Learn the turns' ids."""
        for turn in turns:
            self.refuse(turn.id in self.turns, f"two turns have one id, {turn.id!r}")
            self.turns.add(turn.id)
        count, held = self.bank.turns, len(self.turns)
        self.refuse(count != held, f"the bank counts {count} turns, the file holds {held}")

    def checked(self, memories: Iterable[Memory]) -> Iterator[Memory]:
        """The memories, each looked at for itself."""
        last, end = 0, self.bank.revision + 1
        for memory in memories:
            id, count = memory.id, self.bank.memories
            number = int(id[1:]) if _MEMORY_ID.fullmatch(id) else 0
            bad = not 1 <= number <= count
            self.refuse(bad, f"memory id {id!r} is not m1 to m{count}: the bank counts {count} memories")
            self.refuse(number == last, f"two memories have one id, {id!r}")
            self.refuse(number < last, f"memory {id!r} stands behind m{last}")
            missing = [turn for turn in memory.turns if turn not in self.turns]
            self.refuse(bool(missing), f"memory {id!r} comes from turn {missing[:1]!r}, which the file lacks")
            until = end if memory.died is None else min(memory.died, end - 1)
            lives = 1 <= memory.born < until and memory.died in (None, until)
            self.refuse(not lives, f"memory {id!r} lives from revision {memory.born} to {memory.died}")
            last, self.live = number, self.live + memory.live
            yield memory

    def take(self, memory: Memory | None) -> None:
        """`memory` is the next that the log must make."""
        self.ahead = memory

    def apply(self, entry: Revision, memories: Iterator[Memory]) -> None:
        """Replay one log entry."""
        self.number += 1
        self.refuse(entry.number != self.number, f"the log is not revisions 1 to {self.bank.revision} in order")
        operations = texts(entry.operations)
        numbers = range(self.made + 1, self.made + 1 + len(operations))
        made = tuple(f"m{number}" for number in numbers)
        self.refuse(entry.created != made, f"revision {entry.number} says that it made {entry.created!r}, not {made!r}")
        for id in entry.ended:
            due = self.ends.pop(id, None)
            self.refuse(due not in (entry.number, _FORGOTTEN), f"revision {entry.number} ends {id!r}, which it did not")
        for id, operation in zip(made, operations, strict=True):
            self._make(id, operation, entry.number)
            if self.ahead is not None and self.ahead.id == id:
                self.take(next(memories, None))
        self.made += len(operations)

    def _make(self, id: str, operation: Add | Update, number: int) -> None:
        memory = self.ahead
        if memory is None or memory.id != id:
            self.refuse(operation.text != "", f"memory {id!r} is missing, and the log doesn't say that it was erased")
            self.ends[id] = _FORGOTTEN
            return
        told = (operation.text, operation.speaker, operation.when, operation.entities, number)
        held = (memory.text, memory.speaker, memory.when, memory.entities, memory.born)
        self.refuse(told != held, f"memory {id!r} is not what revision {number} made")
        self.ends[id] = memory.died or _NEVER

    def end(self) -> None:
        """All log entries are replayed."""
        bank = self.bank
        self.refuse(self.number != bank.revision, f"the log is not revisions 1 to {bank.revision} in order")
        self.refuse(self.ahead is not None, "the file holds a memory that no revision made")
        self.refuse(bank.memories != self.made, f"the bank counts {bank.memories} memories, its log makes {self.made}")
        self.refuse(bank.live != self.live, f"the bank counts {bank.live} live memories, the file holds {self.live}")
        left = next((id for id, due in self.ends.items() if due != _NEVER), None)
        self.refuse(left is not None, f"memory {left!r} has ended, and no revision says so")
