"""The figures of the report: means by category with their intervals, differences, judges, costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from memory_r1.rl.metrics.bootstrap import Interval, interval, paired
from memory_r1.rl.report.collect import Asking, Collected, Mark, Measure
from memory_r1.rl.report.reading import Entry

OVERALL, APART = "overall", "apart"

PAPER_ORDER = ("Single Hop", "Multi-Hop", "Open Domain", "Temporal")
"""The order of the columns in the paper's table of LoCoMo."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of columns: the questions of one category, or all. `paper`: its name in the paper's table."""

    key: str
    paper: str
    official: str
    questions: tuple[Asking, ...]

    @property
    def title(self) -> str:
        """Both names, where they differ: "Single Hop (multi-hop)"."""
        same = self.official.casefold() in ("", self.paper.casefold())
        return self.paper if same else f"{self.paper} ({self.official})"


@dataclass(frozen=True, slots=True)
class Cell:
    """The mean of one measure over one group, in [0, 1]; `low` and `high` None where one conversation alone has it."""

    mean: float
    low: float | None
    high: float | None
    count: int


Cells = Mapping[tuple[str, str], Cell]
"""Cells by group's and measure's key; one that wasn't measured is missing."""


def groups(collected: Collected) -> list[Group]:
    """The groups of columns, in the paper's order; overall last; what is scored apart, behind it."""
    asked = [asking for asking in collected.questions.values() if not asking.apart]
    papers = collected.evaluation.info.categories
    names = [name for name in papers if any(asking.category == name for asking in asked)]
    names += sorted({asking.category for asking in asked} - set(names))
    names.sort(key=lambda name: _place(papers.get(name, name)))
    found = [
        Group(f"c{at}", papers.get(name, name), name, tuple(asking for asking in asked if asking.category == name))
        for at, name in enumerate(names)
    ]
    found.append(Group(OVERALL, "Overall", "", tuple(asked)))
    refused = tuple(asking for asking in collected.questions.values() if asking.apart)
    return found + ([Group(APART, "Adversarial", "scored apart", refused)] if refused else [])


def _place(paper: str) -> int:
    return PAPER_ORDER.index(paper) if paper in PAPER_ORDER else len(PAPER_ORDER)


def cells(collected: Collected, entry: Entry, columns: Sequence[Group]) -> dict[tuple[str, str], Cell]:
    """The figures of a complete row. A judge's cell needs a verdict on each question; unusable ones aren't averaged."""
    found: dict[tuple[str, str], Cell] = {}
    marks = collected.marks[entry.name]
    for group in columns:
        for measure in collected.measures:
            values = _values(marks, group.questions, measure)
            if values:
                result = interval(list(values.values()), [collected.questions[id].conversation for id in values])
                found[group.key, measure.key] = Cell(*result, count=len(values))
    return found


def _values(marks: Mapping[str, Mark], questions: Iterable[Asking], measure: Measure) -> dict[str, float]:
    """The values by question; {} where one lacks it, so that no mean is taken over the easier part."""
    found: dict[str, float] = {}
    for asking in questions:
        mark = marks[asking.id]
        if measure.key in mark.values:
            found[asking.id] = mark.values[measure.key]
        elif mark.labels.get(measure.judge) is None:
            return {}
    return found


def differences(collected: Collected, over: Group) -> dict[str, dict[str, dict[str, Interval]]]:
    """Each complete row's mean minus a base row's on the same questions of `over`, by base, row and measure.

    Two judged rows are compared on the questions with a usable verdict on both.
    """
    names = [entry.name for entry in collected.complete]
    found: dict[str, dict[str, dict[str, Interval]]] = {name: {other: {} for other in names} for name in names}
    for measure in collected.measures:
        values = {name: _values(collected.marks[name], over.questions, measure) for name in names}
        for base, name in combinations(names, 2):
            both = [id for id in values[name] if id in values[base]]
            if both:
                clusters = [collected.questions[id].conversation for id in both]
                gap = paired([values[name][id] for id in both], [values[base][id] for id in both], clusters)
                found[base][name][measure.key], found[name][base][measure.key] = gap, _turned(gap)
    return found


def _turned(gap: Interval) -> Interval:
    """The difference the other way round."""
    return Interval(-gap.mean, None if gap.high is None else -gap.high, None if gap.low is None else -gap.low)


@dataclass(frozen=True, slots=True)
class Judged:
    """What one judge said of one row's answers, questions that are scored apart left out: counts of each label."""

    judge: str
    row: str
    correct: int
    wrong: int
    unusable: int
    unjudged: int

    @property
    def share(self) -> float | None:
        """Share found CORRECT of those with a usable verdict."""
        usable = self.correct + self.wrong
        return self.correct / usable if usable else None


def judgements(collected: Collected) -> list[Judged]:
    """What each judge said of each row that has answers."""
    found: list[Judged] = []
    for judge in collected.evaluation.judges:
        for name, marks in collected.marks.items():
            asked = [mark for id, mark in marks.items() if not collected.questions[id].apart]
            labels = [mark.labels.get(judge, "") for mark in asked]
            counts = [labels.count(label) for label in ("CORRECT", "WRONG", "UNUSABLE", "")]
            if asked:
                found.append(Judged(judge, name, *counts))
    return found


def recalls(collected: Collected, entry: Entry, columns: Sequence[Group]) -> dict[str, dict[str, float]]:
    """Mean recall of evidence by group and k, over the questions that have evidence; {} where none can be measured."""
    found: dict[str, dict[str, float]] = {}
    for group in columns:
        told = [collected.marks[entry.name][asking.id].recall for asking in group.questions]
        known = [recall for recall in told if recall is not None]
        cuts = sorted({cut for recall in known for cut in recall}, key=int)
        if known:
            found[group.key] = {cut: sum(recall.get(cut, 0.0) for recall in known) / len(known) for cut in cuts}
    return found
