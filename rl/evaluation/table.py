"""The table that an evaluation ends with: each row's scores, overall and by category, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from memory_r1.rl.metrics.costs import Costs, summary
from memory_r1.rl.report.collect import Collected, Measure, collect
from memory_r1.rl.report.memories import Memories, memories
from memory_r1.rl.report.reading import Entry, read_evaluation
from memory_r1.rl.report.tables import APART, OVERALL, Cell, Cells, Group, cells, groups, recalls

SHOWN_CUT = "60"
"""The k of the recall that the table shows."""
HELD = ("system", "memories", "facts held", "precision", "turns kept")
"""The heads of `Summary.held`: gold facts that some memory holds, memories that hold one, turns that left a memory."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of one row. `scores`: by group's and measure's key, shares in [0, 1] with their intervals.

    `missing`: why there are no scores; "" if there are. `costs`: of the conversations that are finished.
    `memories`: what was held in the end.
    """

    entry: Entry
    missing: str
    scores: Cells
    recall: Mapping[str, Mapping[str, float]]
    costs: Costs
    memories: Memories


@dataclass(frozen=True, slots=True)
class Summary:
    """The table of one evaluation folder, as data and as cells of text."""

    collected: Collected
    groups: Sequence[Group]
    rows: Sequence[Figures]

    def data(self) -> dict[str, Any]:
        """All figures, for programs."""
        info = self.collected.evaluation.info
        return {
            "task": info.task, "split": info.split, "questions": info.questions, "asked": dict(info.asked),
            "conversations": len(info.conversations), "repaired": dict(info.repaired), "judges": list(info.judges),
            "data_sha256": info.data_sha256, "machine": dict(info.machine), "wall": info.wall,
            "finished": info.finished, "categories": dict(info.categories),
            "rows": [self._row(figures) for figures in self.rows],
        }  # fmt: skip

    def _row(self, figures: Figures) -> dict[str, Any]:
        info = figures.entry.info
        about: dict[str, Any] = {"system": figures.entry.name, "describe": dict(info.describe)}
        if info.not_run:
            return {**about, "not_run": info.not_run}
        found = {_name(group): self._group(figures, group) for group in self.groups}
        overall = found.pop(OVERALL, {})
        apart = found.pop(APART, None)
        scored = {"overall": overall, "categories": found} if not figures.missing else {"unfinished": figures.missing}
        refused = {"adversarial": apart} if apart and not figures.missing else {}
        held = {"memory": asdict(figures.memories)} if not figures.missing else {}
        return {**about, **scored, **refused, **held, "costs": asdict(figures.costs), "wall": info.wall}

    def _group(self, figures: Figures, group: Group) -> dict[str, Any]:
        scores = {
            measure.judge or f"{measure.convention}.{measure.name}": asdict(figures.scores[group.key, measure.key])
            for measure in self.collected.measures
            if (group.key, measure.key) in figures.scores
        }
        return {"paper": group.paper, "questions": len(group.questions), **scores,
                "recall": dict(figures.recall.get(group.key, {}))}  # fmt: skip

    @property
    def measures(self) -> list[Measure]:
        """The scores that the table shows."""
        return [measure for measure in self.collected.measures if measure.key in ("f1", "b1", "em") or measure.judge]

    @property
    def asks(self) -> bool:
        """Whether questions are asked at all."""
        return bool(self.collected.evaluation.info.questions)

    @property
    def columns(self) -> list[str]:
        """The heads of `overall`, without those of questions where none is asked."""
        scores = [*(measure.head for measure in self.measures), f"recall@{SHOWN_CUT}"] if self.asks else []
        return ["system", *scores, "calls", "tokens", "turn ms", *(["question ms"] if self.asks else []), "wall s"]

    def overall(self) -> list[list[str]]:
        """A line for each row: percent with 95 % intervals, model calls and tokens, p50/p95 of turns and questions."""
        return [
            [figures.entry.name, *(self._scores(figures, OVERALL) if self.asks else ()), *_costs(figures, self.asks)]
            for figures in self.rows
        ]

    def held(self) -> list[list[str]]:
        """A line for each row with a memory, a cell for each of `HELD`; none where there are no gold facts."""
        found = [row for row in self.rows if not row.memories.missing]
        return [_held(row) for row in found] if any(row.memories.facts for row in found) else []

    @property
    def category_columns(self) -> list[str]:
        """The heads of `by_category`."""
        heads = [measure.head for measure in self.measures]
        return ["category", "in the paper", "questions", "system", *heads, f"recall@{SHOWN_CUT}"]

    def by_category(self) -> list[list[str]]:
        """A line for each category and row that has scores."""
        return [
            [_name(group), group.paper, str(len(group.questions)), figures.entry.name,
             *self._scores(figures, group.key)]
            for group in self.groups if group.key != OVERALL
            for figures in self.rows if not figures.missing
        ]  # fmt: skip

    def notes(self) -> list[str]:
        """What the reader must know: the judges, and the rows without scores."""
        judges = [f"{measure.head}: {measure.title}" for measure in self.measures if measure.judge and self.asks]
        facts = ["facts held: by some memory; precision: memories that hold a fact"] if self.held() else []
        gaps = [f"{row.entry.name}: {_gap(row)}" for row in self.rows if row.missing]
        return [*judges, *facts, *gaps]

    def _scores(self, figures: Figures, group: str) -> list[str]:
        scores = [_shown(figures.scores.get((group, measure.key))) for measure in self.measures]
        found = figures.recall.get(group, {}).get(SHOWN_CUT)
        return [*scores, "–" if found is None or figures.missing else f"{100 * found:.1f}"]


def summarize(out: Path) -> Summary:
    """The table of the evaluation in the folder `out`. Raises InputError and FileFormatError."""
    collected = collect(read_evaluation([out]))
    columns = groups(collected)
    return Summary(collected, columns, [_figures(collected, entry, columns) for entry in collected.evaluation.entries])


def _figures(collected: Collected, entry: Entry, columns: Sequence[Group]) -> Figures:
    scored = not entry.missing
    return Figures(
        entry, entry.missing, cells(collected, entry, columns) if scored else {},
        recalls(collected, entry, columns) if scored else {}, summary(entry.costs()),
        memories(entry) if scored else Memories(entry.missing),
    )  # fmt: skip


def _name(group: Group) -> str:
    return group.key if group.key in (OVERALL, APART) else group.official


def _gap(row: Figures) -> str:
    return f"not run: {row.missing}" if row.entry.info.not_run else row.missing


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    interval = "" if cell.low is None or cell.high is None else f" [{100 * cell.low:.1f}, {100 * cell.high:.1f}]"
    return f"{100 * cell.mean:.1f}{interval}"


def _held(figures: Figures) -> list[str]:
    found = figures.memories
    kept = "–" if found.kept is None or not found.turns else f"{100 * found.kept / found.turns:.1f}"
    return [figures.entry.name, str(found.memories), _shown(found.recall), _shown(found.precision), kept]


def _costs(figures: Figures, asks: bool) -> list[str]:
    if figures.entry.info.not_run:
        return ["–"] * (5 if asks else 4)
    usage = figures.costs.usage
    tokens = usage.prompt_tokens + usage.reply_tokens
    learn, ask = figures.costs.learn.seconds, figures.costs.ask.seconds
    turn = learn.get("learn")
    phases = [ask[name] for name in ("search", "answer") if name in ask]
    return [
        str(usage.calls), str(tokens), f"{1e3 * turn.p50:.1f}/{1e3 * turn.p95:.1f}" if turn else "–",
        *([" + ".join(f"{1e3 * phase.p50:.1f}/{1e3 * phase.p95:.1f}" for phase in phases) or "–"] if asks else []),
        f"{figures.entry.info.wall:.0f}",
    ]  # fmt: skip
