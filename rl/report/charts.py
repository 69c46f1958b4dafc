"""The report's figures: quality against cost, recall at k, growth of the memory, latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import TYPE_CHECKING

from memory_r1.rl.metrics.costs import Part, Phase
from memory_r1.rl.metrics.operations import KINDS
from memory_r1.rl.report.costs import STEPS, Spent
from memory_r1.rl.report.drawing import INK, Chart, clipped, drawing, margin, marker, series, svg
from memory_r1.rl.report.tables import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PHASES = {"learn": "learning one turn", "search": "searching for one question", "answer": "answering one question"}

_Point = tuple[int, str, float, float]
"""A row's series number and name, its x and its y."""


def quality(names: Sequence[str], f1: Mapping[str, float], costs: Mapping[str, Spent]) -> list[Chart]:
    """Overall F1 of each row against what it costs. `f1`: in [0, 1], by row.

    Against model calls instead of tokens where a server didn't count tokens.
    """
    counted = all(one.costs.usage.prompt_tokens or not one.costs.usage.calls for one in costs.values())
    what = "tokens" if counted else "model calls"
    asked = {name: _used(one.costs.ask, counted) for name, one in costs.items()}
    learned = {name: _used(one.costs.learn, counted) for name, one in costs.items()}
    waited = {name: _median(one) for name, one in costs.items()}
    return [
        _against("cost-ask", f"F1 against {what} for one question", f"{what} for one question", names, f1, asked),
        _against("cost-learn", f"F1 against {what} for one turn", f"{what} for one turn learned", names, f1, learned),
        _against("cost-time", "F1 against time for one question", "ms, median of search and answer", names, f1, waited),
    ]


def _used(part: Part, tokens: bool) -> float | None:
    spent = part.usage.prompt_tokens + part.usage.reply_tokens if tokens else part.usage.calls
    return spent / part.rows if part.rows else None


def _median(one: Spent) -> float | None:
    found = [phase.p50 for name, phase in one.costs.ask.seconds.items() if name in PHASES]
    return sum(found) * 1000 if found else None


def _against(
    key: str, title: str, label: str, names: Sequence[str], f1: Mapping[str, float], cost: Mapping[str, float | None]
) -> Chart:  # fmt: skip
    points: list[_Point] = []
    for at, name in enumerate(names):
        value = cost.get(name)
        if value is not None and name in f1:
            points.append((at, name, value, 100 * f1[name]))
    about = f"Overall F1 in percent against {label}; up and left is better."
    if not any(x for _, _, x, _ in points):
        why = "no row has figures for it" if not points else "no row called a model, so nothing was spent"
        return Chart(key, title, about, missing=f"Nothing to plot: {why}.")
    with drawing(230) as (figure, axes):
        axes.set_xlabel(label)
        axes.set_ylabel("F1, %")
        _cost_scale(axes, [x for _, _, x, _ in points])
        low, high = min(y for *_, y in points), max(y for *_, y in points)
        room = max((high - low) * 0.18, 2.0)
        axes.set_ylim(max(0.0, low - room), high + room)
        for at, _, x, y in points:
            axes.plot(
                [x], [y], marker=marker(at), color=series(at), markersize=7, linestyle="", clip_on=False, zorder=5
            )
        _name_points(axes, points)
        drawn = svg(figure, key, title, about)
    rows = tuple((name, f"{x:,.1f}", f"{y:.2f}") for _, name, x, y in points)
    return Chart(key, title, about, drawn, columns=("row", label, "F1, %"), rows=rows)


def _cost_scale(axes: Axes, values: Sequence[float]) -> None:
    """From 0 on; by powers of ten where the costs differ by more than that."""
    axes.xaxis.set_major_formatter(_plain)
    positive = [value for value in values if value > 0]
    if not positive or max(positive) < 10 * min(positive):
        axes.set_xlim(0, max(values, default=0) * 1.15 or 1)
        axes.locator_params(axis="x", nbins=5)
        return
    low = 10 ** _power(min(positive))
    axes.set_xscale("symlog", linthresh=low, linscale=0.6)
    axes.xaxis.set_major_formatter(_plain)
    axes.set_xlim(0 if min(values) == 0 else low * 0.8, max(positive) * 3)


def _plain(value: float, _: object = None) -> str:
    return f"{value:,.10g}"


def _power(value: float) -> int:
    return floor(log10(value))


def _name_points(axes: Axes, points: Sequence[_Point]) -> None:
    """Write each name beside its point, moved up or down where two would overlap."""
    gap = 11.0
    scale = 72 / axes.figure.dpi
    seen = [(name, axes.transData.transform((x, y)) * scale, (x, y)) for _, name, x, y in points]
    left, right = (end * scale for end in axes.bbox.intervalx)
    sides = {name: "right" if place[0] > left + 0.6 * (right - left) else "left" for name, place, _ in seen}
    for side in ("left", "right"):
        ordered = sorted((one for one in seen if sides[one[0]] == side), key=lambda one: one[1][1])
        heights = spread([float(place[1]) for _, place, _ in ordered], gap)
        for (name, place, at), height in zip(ordered, heights, strict=True):
            axes.annotate(
                clipped(name, 22), at, xytext=(-8 if side == "right" else 8, height - float(place[1])),
                textcoords="offset points", ha=side, va="center", color=INK, fontsize=9.5, annotation_clip=False,
            )  # fmt: skip


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """`heights`, which ascend, moved as little as it takes to leave `gap` between neighbours."""
    runs: list[list[float]] = []
    for height in heights:
        runs.append([height])
        while len(runs) > 1 and _top(runs[-2], gap) + gap > _bottom(runs[-1], gap):
            last = runs.pop()
            runs[-1] += last
    return [_bottom(run, gap) + at * gap for run in runs for at in range(len(run))]


def _bottom(run: Sequence[float], gap: float) -> float:
    return sum(run) / len(run) - gap * (len(run) - 1) / 2


def _top(run: Sequence[float], gap: float) -> float:
    return sum(run) / len(run) + gap * (len(run) - 1) / 2


def recall(
    names: Sequence[str], columns: Sequence[Group], found: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> list[Chart]:
    """Recall of evidence at k, a figure for each group. `found`: by row, group and k as text."""
    return [
        _recall(group, names, {name: one.get(group.key, {}) for name, one in found.items()})
        for group in columns
        if any(group.key in one for one in found.values())
    ]


def _recall(group: Group, names: Sequence[str], found: Mapping[str, Mapping[str, float]]) -> Chart:
    title = named = group.title
    about = f"Share of the evidence turns among the best k found, in percent, by k: {named}."
    cuts = sorted({int(cut) for one in found.values() for cut in one})
    key = f"recall-{group.key}"
    with drawing(210) as (figure, axes):
        axes.set_xlabel("k, memories put before the answerer")
        axes.set_ylabel("recall, %")
        axes.set_ylim(0, 104)
        axes.set_xlim(0, max(cuts) * 1.06)
        axes.set_xticks(cuts)
        for at, name in enumerate(names):
            if found.get(name):
                values = [100 * found[name][str(cut)] for cut in cuts]
                axes.plot(cuts, values, marker=marker(at), color=series(at), clip_on=False)
        drawn = svg(figure, key, title, about)
    rows = tuple((name, *(f"{100 * found[name][str(cut)]:.1f}" for cut in cuts)) for name in names if found.get(name))
    return Chart(key, title, about, drawn, columns=("row", *(f"@{cut}, %" for cut in cuts)), rows=rows)


def operations(names: Sequence[str], costs: Mapping[str, Spent]) -> list[Chart]:
    """How the memory of each row grew along a conversation, by kind of operation."""
    top = max((max(curve) for one in costs.values() for curve in one.growth.values()), default=0)
    return [_operations(f"operations-{at}", name, costs[name], top) for at, name in enumerate(names) if name in costs]


def _operations(key: str, name: str, one: Spent, top: float) -> Chart:
    about = f"Operations of {name} so far, by kind, along a conversation: mean over the conversations."
    if not one.growth:
        return Chart(key, name, about, missing=f"{name} keeps no log of operations.")
    along = [100 * at / STEPS for at in range(STEPS + 1)]
    with drawing(200, left=50) as (figure, axes):
        axes.set_xlabel("turns learned, % of a conversation")
        axes.set_ylabel("operations so far")
        axes.set_xlim(0, 100)
        axes.set_ylim(0, top * 1.05)
        axes.yaxis.set_major_formatter(_plain)
        for at, (kind, curve) in enumerate(one.growth.items()):
            place = KINDS.index(kind) if kind in KINDS else len(KINDS) + at
            style = ("-", "--", ":", "-.")[place % 4]
            axes.plot(along, curve, color=series(place), linestyle=style, clip_on=False)
        drawn = svg(figure, key, name, about)
    ends = tuple((kind, f"{curve[STEPS // 2]:,.1f}", f"{curve[-1]:,.1f}") for kind, curve in one.growth.items())
    return Chart(key, name, about, drawn, columns=("kind", "half way", "at the end"), rows=ends)


def latency(names: Sequence[str], costs: Mapping[str, Spent]) -> list[Chart]:
    """p50 and p95 of each phase, a figure for each."""
    found: list[Chart] = []
    for key, title in PHASES.items():
        parts = [costs[name].costs.learn if key == "learn" else costs[name].costs.ask for name in names]
        told = [(at, name, part.seconds.get(key)) for at, (name, part) in enumerate(zip(names, parts, strict=True))]
        found.append(_latency(key, title, [(at, name, phase) for at, name, phase in told if phase is not None]))
    return found


def _latency(key: str, title: str, found: Sequence[tuple[int, str, Phase]]) -> Chart:
    heading = title[0].upper() + title[1:]
    about = f"Seconds of wall time for {title}: the mark is the median, the line ends at the 95th percentile."
    if not found:
        return Chart(f"latency-{key}", heading, about, missing="Nothing to plot: no row tells the time of this phase.")
    shown = [clipped(name) for _, name, _ in found]
    with drawing(64 + 22 * len(found), left=margin(shown), right=26) as (figure, axes):
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        axes.set_xscale("log")
        axes.set_xlabel("median; 95th percentile at the line's end")
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_yticks(range(len(found)), shown)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.spines["left"].set_visible(False)
        for y, (at, _, one) in enumerate(found):
            low, high = max(one.p50, 1e-7), max(one.p95, 1e-7)
            axes.plot([low, high], [y, y], color=series(at), linewidth=3, alpha=0.45, solid_capstyle="round")
            axes.plot([low], [y], marker=marker(at), color=series(at), markersize=7, linestyle="")
            axes.plot([high], [y], marker="|", color=series(at), markersize=9, markeredgewidth=2, linestyle="")
        _seconds_ticks(axes, [value for _, _, one in found for value in (one.p50, one.p95)])
        drawn = svg(figure, f"latency-{key}", heading, about)
    rows = tuple((name, seconds(one.p50), seconds(one.p95), f"{one.count:,}") for _, name, one in found)
    return Chart(f"latency-{key}", heading, about, drawn, columns=("row", "p50", "p95", "times"), rows=rows)


def _seconds_ticks(axes: Axes, values: Sequence[float]) -> None:
    low, high = _power(max(min(values), 1e-7)), _power(max(*values, 1e-7)) + 1
    axes.set_xlim(10**low, 10**high)
    step = 1 if high - low < 5 else 2
    axes.set_xticks([10**power for power in range(low, high + 1, step)])
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: seconds(value).replace(".00", "").replace(".0", ""))


def seconds(value: float) -> str:
    """A time with its unit and three digits: "1.20 ms"; from two minutes on "2 min 5 s"."""
    if value >= 120:
        return f"{round(value) // 60:,} min {round(value) % 60} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= 0.9995 * size or unit == "µs":
            number = value / size
            return f"{number:.{0 if number >= 99.95 else 1 if number >= 9.995 else 2}f} {unit}"
    raise AssertionError("every time has a unit")
