"""The report's figures, computed once for the page and for the Markdown table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from memory_r1.memory.errors import InputError
from memory_r1.rl.judge.agreement import Agreement, agreements
from memory_r1.rl.metrics.bootstrap import Interval
from memory_r1.rl.report.collect import Collected, Measure, collect
from memory_r1.rl.report.costs import Spent, spent
from memory_r1.rl.report.memories import Memories, memories
from memory_r1.rl.report.published import Published, published, published_on
from memory_r1.rl.report.reading import Entry, Evaluation, read_evaluation
from memory_r1.rl.report.tables import (
    APART,
    OVERALL,
    Cells,
    Group,
    Judged,
    cells,
    differences,
    groups,
    judgements,
    recalls,
)
from memory_r1.rl.report.traces import Traces


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one report.

    `cells`, `costs`, `memories`, `recalls`: by row, complete ones only. `differences`: by base row, then by row
    and measure. `published`: the paper's rows for the same questions, measured on `published_on` of them.
    """

    collected: Collected
    traces: Traces
    groups: Sequence[Group]
    cells: Mapping[str, Cells]
    costs: Mapping[str, Spent]
    memories: Mapping[str, Memories]
    recalls: Mapping[str, Mapping[str, Mapping[str, float]]]
    base: str
    differences: Mapping[str, Mapping[str, Mapping[str, Interval]]]
    judged: Sequence[Judged]
    agreements: Sequence[Agreement]
    published: Sequence[Published]
    published_on: int

    @property
    def evaluation(self) -> Evaluation:
        """What was read."""
        return self.collected.evaluation

    @property
    def overall(self) -> Group:
        """The group of all questions that can be answered."""
        return next(group for group in self.groups if group.key == OVERALL)

    @property
    def names(self) -> list[str]:
        """The complete rows, in the order of the table."""
        return [entry.name for entry in self.collected.complete]

    def measures(self, group: Group) -> list[Measure]:
        """The columns of `group`. What can't be answered has LoCoMo's score of refusals, and the judges' columns."""
        found = self.collected.measures
        return [one for one in found if one.judge or one.key == "lf1"] if group.key == APART else list(found)


def figures(folders: Sequence[Path], base: str = "") -> Figures:
    """Read the evaluation `folders` and compute what the report shows. `base`: the row that others are compared with.

    Raises InputError for folders that can't stand in one table and for a base that has no figures, FileFormatError for
    a file that can't be read.
    """
    evaluation = read_evaluation(folders)
    traces = Traces(evaluation.judges)
    collected = collect(evaluation, traces)
    complete = collected.complete
    base = _base(base, complete, evaluation)
    columns = groups(collected)
    overall = next(group for group in columns if group.key == OVERALL)
    info = evaluation.info
    return Figures(
        collected,
        traces,
        columns,
        {entry.name: cells(collected, entry, columns) for entry in complete},
        {entry.name: spent(entry) for entry in complete},
        {entry.name: memories(entry) for entry in complete},
        {entry.name: recalls(collected, entry, columns) for entry in complete},
        base,
        differences(collected, overall),
        judgements(collected),
        agreements([rows for rows in collected.verdicts.values() if rows]),
        published(info.task, info.split),
        published_on(info.task, info.split),
    )


def _base(name: str, complete: Sequence[Entry], evaluation: Evaluation) -> str:
    names = [entry.name for entry in complete]
    if name and name not in names:
        known = [entry.name for entry in evaluation.entries]
        why = "has no figures" if name in known else "isn't there"
        raise InputError(f"row {name!r} {why}: compare with one of {', '.join(names) or 'none, as no row is complete'}")
    return name or (names[0] if names else "")
