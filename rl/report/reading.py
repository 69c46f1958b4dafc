"""Reads what evaluations left behind: strictly, row by row, several folders as one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.rl.evaluation.files import ANSWERS, COSTS, MEMORY, Place, read_rows, read_run
from memory_r1.rl.evaluation.records import AnswerRow, CostRow, MemoryRow, RowInfo, RunInfo, VerdictRow
from memory_r1.rl.judge.verdicts import read_verdicts, verdict_path

_SAME = ("task", "split", "data_sha256", "conversations", "questions", "categories", "asked")
"""What the runs of one table must agree in."""


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation folder."""

    folder: Path
    info: RunInfo

    def verdicts(self, judge: str) -> list[VerdictRow]:
        """All that `judge` said of this run's answers. Raises FileFormatError."""
        return read_verdicts(verdict_path(self.folder, judge))


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table: `name` as the table shows it, `system` as its folder does.

    `done`: the conversations whose answers are complete.
    """

    name: str
    system: str
    run: Run
    info: RowInfo
    done: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every question is answered, so that its figures can stand beside others."""
        return not self.info.not_run and len(self.done) == len(self.run.info.conversations)

    @property
    def missing(self) -> str:
        """Why the row has no figures, "" if it has them."""
        if self.info.not_run or self.complete:
            return self.info.not_run
        return (
            f"unfinished: {len(self.done)} of {len(self.run.info.conversations)} conversations; "
            "the same `memory-r1 eval` goes on there"
        )

    @property
    def place(self) -> Place:
        """Where its files are."""
        return Place(self.run.folder, self.system)

    def answers(self, conversation: str) -> Iterator[AnswerRow]:
        """The answers about one conversation. Raises FileFormatError."""
        return read_rows(self.place.answers(conversation), ANSWERS)

    def costs(self) -> Iterator[CostRow]:
        """What each turn and question cost, conversation by conversation. Raises FileFormatError."""
        for conversation in self.done:
            yield from read_rows(self.place.costs(conversation), COSTS)

    def memories(self) -> list[MemoryRow]:
        """What was held of each conversation in the end; [] if that isn't recorded for all. Raises FileFormatError."""
        rows = [row for name in self.done for row in read_rows(self.place.memory(name), MEMORY)]
        return rows if len(rows) == len(self.done) else []


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Runs of the same questions, as one table."""

    runs: tuple[Run, ...]
    entries: tuple[Entry, ...]

    @property
    def info(self) -> RunInfo:
        """What all runs have in common: that of the first."""
        return self.runs[0].info

    @property
    def judges(self) -> tuple[str, ...]:
        """Every judge of some run, by name."""
        return tuple(dict.fromkeys(judge for run in self.runs for judge in run.info.judges))


def read_evaluation(folders: Sequence[Path]) -> Evaluation:
    """The evaluation folders as one; nothing but `run.json` is read yet.

    A system that stands in two folders gets the folder's name behind its own, unless only one of them ran it.
    Raises InputError for a folder without `run.json` and for runs of different questions, FileFormatError for a
    `run.json` that can't be read.
    """
    runs = tuple(Run(folder, _info(folder)) for folder in dict.fromkeys(folders))
    if not runs:
        raise InputError("there is no evaluation to report: name the folder that `memory-r1 eval --out` wrote")
    for run in runs[1:]:
        _comparable(runs[0], run)
    return Evaluation(runs, _named([entry for run in runs for entry in _entries(run)]))


def _info(folder: Path) -> RunInfo:
    info = read_run(folder)
    if info is None:
        raise InputError(f"there is no evaluation in {str(folder)!r}: give the folder that `memory-r1 eval` wrote")
    if len(set(info.conversations)) < len(info.conversations):
        raise FileFormatError(f"{str(folder)!r}: a conversation stands twice in its run.json: {info.conversations!r}")
    return info


def _comparable(first: Run, other: Run) -> None:
    for field in _SAME:
        ours, theirs = getattr(first.info, field), getattr(other.info, field)
        if ours != theirs:
            raise InputError(
                f"{str(first.folder)!r} and {str(other.folder)!r} can't stand in one table: "
                f"{field} is {_brief(ours)} in the one and {_brief(theirs)} in the other; report them apart"
            )


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _entries(run: Run) -> Iterator[Entry]:
    for system, info in run.info.rows.items():
        known = Entry(system, system, run, info, ())
        done = tuple(name for name in run.info.conversations if known.place.finished(name))
        yield Entry(system, system, run, info, () if info.not_run else done)


def _named(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries to show, each by a name of its own."""
    ran = {entry.system for entry in entries if not entry.info.not_run}
    shown: list[Entry] = []
    for entry in entries:
        if entry.info.not_run and (entry.system in ran or any(other.system == entry.system for other in shown)):
            continue
        shown.append(entry)
    counts = Counter(entry.system for entry in shown)
    labels = _labels([entry.run.folder for entry in shown])
    return tuple(
        entry
        if counts[entry.system] == 1
        else Entry(f"{entry.system} ({labels[entry.run.folder]})", entry.system, entry.run, entry.info, entry.done)
        for entry in shown
    )


def _labels(folders: Sequence[Path]) -> dict[Path, str]:
    """Each folder by as many of its last names as tell it from the others."""
    paths = {folder: folder.resolve().parts for folder in folders}
    longest = max((len(parts) for parts in paths.values()), default=1)
    for depth in range(1, longest + 1):
        labels = {folder: "/".join(parts[-depth:]) for folder, parts in paths.items()}
        if len(set(labels.values())) == len(set(paths.values())):
            return labels
    return {folder: str(folder) for folder in folders}
