"""A training run's curves: each metric against the step, several runs in one figure.

Runs that differ in their seed alone have one colour: each a thin line, their mean a thick one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from memory_r1.rl.report.drawing import INK, MUTED, Chart, drawing, series, svg
from memory_r1.rl.report.runs import Points, TrainingRun
from memory_r1.rl.trainer.metrics import PREFIX

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VALIDATION = PREFIX + "val/"
MOST = 240
"""Points of a curve in a figure; longer ones are means of so many parts."""
STYLES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
PHASES = ("generation", "answering", "environment", "update")
OPERATIONS = ("add", "update", "delete", "noop", "several")
"""In this order, where a run has them."""
DASH = "–"


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure to draw: a metric's name, the title, what it says. `share`: from 0 to 1; `log`: by powers of ten."""

    metric: str
    title: str
    about: str
    share: bool = False
    log: bool = False


LEARNING = (
    Curve(PREFIX + "groups/with_signal", "Groups with signal", "Share of groups whose rewards differ.", share=True),
    Curve("actor/ppo_kl", "KL to the rollout policy", "Mean estimate of the step's policy change, in nats."),
    Curve("actor/kl_loss", "KL to the reference", "The KL term of the loss, before its coefficient, in nats."),
    Curve("actor/entropy", "Entropy", "Mean entropy of a token's distribution, in nats."),
    Curve("actor/pg_loss", "Policy loss", "The clipped surrogate, to be minimised."),
    Curve("actor/grad_norm", "Gradient norm", "Of the actor, before clipping."),
    Curve("critic/vf_loss", "Value loss", "Of the critic (PPO)."),
    Curve("response_length/mean", "Response length", "Tokens of a reply, on average."),
)
SUPERVISED = (
    Curve("train/loss", "Loss in training", "Cross entropy of the right reply's tokens, in nats."),
    Curve("val/loss", "Loss in validation", "The same on held-out examples."),
    Curve("train/lr", "Learning rate", "Of the step."),
    Curve("train/grad_norm", "Gradient norm", "Before clipping."),
)
FAULTS = (
    Curve(PREFIX + "malformed", "Malformed replies", "Share of decisions whose reply can't be read.", share=True),
    Curve(PREFIX + "truncated", "Truncated replies", "Share of replies that ran into the limit of tokens.", share=True),
    Curve(PREFIX + "lost", "Lost rollouts", "Share of rollouts that the infrastructure failed for good.", share=True),
    Curve(
        "training/rollout_probs_diff_max", "Probability difference",
        "The largest difference of a token's probability between rollout and trainer.", log=True,
    ),
)  # fmt: skip


def variants(runs: Sequence[TrainingRun]) -> dict[str, list[TrainingRun]]:
    """The runs by what they share but the seed."""
    found: dict[str, list[TrainingRun]] = {}
    for run in runs:
        found.setdefault(run.variant, []).append(run)
    return found


def reward(runs: Sequence[TrainingRun]) -> list[Chart]:
    """The mean reward of training and of validation, beside what always-NOOP and the oracle earn."""
    train = Curve(
        PREFIX + "reward/mean", "Reward in training",
        "Mean reward of a step's decisions. Dotted: what always-NOOP and the oracle earn on the same rows.",
    )  # fmt: skip
    held = Curve(
        VALIDATION + "reward/mean", "Reward in validation",
        "Mean reward of greedy replies on held-out rows. Dotted: always-NOOP and the oracle there.",
    )  # fmt: skip
    return [_chart("reward-train", train, runs, PREFIX), _chart("reward-held", held, runs, VALIDATION)]


def parts(runs: Sequence[TrainingRun], kind: str) -> list[Chart]:
    """A figure for each metric whose name begins with `kind`: "reward/", "right/", "operation/", "part/" and so on."""
    known = dict.fromkeys(name for run in runs for name in run.series if name.startswith(PREFIX + kind))
    names = [name.removeprefix(PREFIX + kind) for name in known]
    names = sorted((n for n in names if "/" not in n and n != "mean"), key=lambda n: (_place(n), n))
    about = {
        "reward/": "Mean reward of decisions whose right operation is this one (the chosen one where none is known).",
        "reward/category/": "Mean reward of decisions about questions of this category.",
        "right/": "Where this operation is right: share of decisions that chose it.",
        "operation/": "Share of this operation among those chosen.",
        "part/": "This part of the reward, unweighted.",
    }[kind]
    share = kind in ("right/", "operation/")
    key = kind.strip("/").replace("/", "-")
    return [
        _chart(f"{key}-{at}", Curve(PREFIX + kind + name, name.replace("_", " "), about, share=share), runs)
        for at, name in enumerate(names)
    ]


def plain(runs: Sequence[TrainingRun], curves: Iterable[Curve]) -> list[Chart]:
    """A figure for each of `curves`; none for what no run logged."""
    return [
        _chart(curve.metric.replace("/", "-").replace("_", "-"), curve, runs)
        for curve in curves
        if any(run.points(curve.metric) for run in runs)
    ]


def seconds(runs: Sequence[TrainingRun]) -> list[Chart]:
    """Where the seconds of a step went, a figure for each run."""
    return [_seconds(f"seconds-{at}", run) for at, run in enumerate(runs)]


def thinned(points: Points, most: int = MOST) -> list[tuple[float, float]]:
    """At most `most` points: means of equal parts of a longer curve, at the mean of their steps."""
    if len(points) <= most:
        return [(float(step), value) for step, value in points]
    edges = [round(at * len(points) / most) for at in range(most + 1)]
    chunks = [points[first:last] for first, last in pairwise(edges)]
    return [(fmean(step for step, _ in part), fmean(value for _, value in part)) for part in chunks]


def smooth(points: Points) -> Points:
    """The curve as a centred mean over about a fifteenth of it; shorter at the ends."""
    half = len(points) // 30
    values = [value for _, value in points]
    return tuple((step, fmean(values[max(0, at - half) : at + half + 1])) for at, (step, _) in enumerate(points))


def averaged(curves: Sequence[Points]) -> Points:
    """The mean of several curves at the steps that all of them have."""
    tables = [dict(points) for points in curves]
    steps = sorted(set(tables[0]).intersection(*tables[1:])) if tables else []
    return tuple((step, fmean(table[step] for table in tables)) for step in steps)


def ends(points: Points) -> tuple[str, str, str]:
    """The mean of the first and of the last tenth of a curve, and its last value, as text."""
    if not points:
        return DASH, DASH, DASH
    count = max(1, len(points) // 10)
    values = [value for _, value in points]
    return _number(fmean(values[:count])), _number(fmean(values[-count:])), _number(values[-1])


def _place(name: str) -> int:
    return OPERATIONS.index(name) if name in OPERATIONS else len(OPERATIONS)


def _number(value: float) -> str:
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.3g}"


def _chart(key: str, curve: Curve, runs: Sequence[TrainingRun], baselines: str = "") -> Chart:
    told = {run.name: run.points(curve.metric) for run in runs}
    if not any(told.values()):
        return Chart(key, curve.title, curve.about, missing="Nothing to plot: no run logged it.")
    with drawing(210, left=52) as (figure, axes):
        _scale(axes, curve, [value for points in told.values() for _, value in points])
        for at, mates in enumerate(variants(runs).values()):
            _draw(axes, at, [told[run.name] for run in mates if told[run.name]])
        if baselines:
            for name in ("noop", "oracle"):
                _baseline(axes, name, [run.points(f"{baselines}baseline/{name}") for run in runs])
        drawn = svg(figure, key, curve.title, curve.about)
    rows = tuple((name, *ends(points)) for name, points in told.items())
    return Chart(key, curve.title, curve.about, drawn, columns=("run", "first tenth", "last tenth", "last"), rows=rows)


def _draw(axes: Axes, at: int, curves: Sequence[Points]) -> None:
    """The curves of one variant: each thin; thick, their mean, or the smoothed one."""
    style, colour = STYLES[at % len(STYLES)], series(at)
    if not curves:
        return
    for points in curves:
        _line(axes, points, color=colour, alpha=0.35, linewidth=0.9)
    mean = averaged(curves) if len(curves) > 1 else curves[0]
    _line(axes, smooth(mean), color=colour, linestyle=style, linewidth=1.9, marker="o" if len(mean) < 2 else "")


def _line(axes: Axes, points: Points, **style: object) -> None:
    if points:
        steps, values = zip(*thinned(points), strict=True)
        axes.plot(steps, values, **style)  # pyright: ignore[reportArgumentType]


def _baseline(axes: Axes, name: str, curves: Sequence[Points]) -> None:
    """What always-NOOP or the oracle earns, on average over all runs and steps, with its name."""
    values = [value for points in curves for _, value in points]
    if not values:
        return
    height = fmean(values)
    axes.axhline(height, color=MUTED, linestyle=":", linewidth=1.2)
    named = {"noop": "always NOOP", "oracle": "oracle"}[name]
    axes.annotate(
        named, (1, height), xycoords=("axes fraction", "data"), xytext=(-2, 3), textcoords="offset points", ha="right",
        color=INK, fontsize=8.5,
    )  # fmt: skip
    low, high = axes.get_ylim()
    room = 0.06 * (high - low)
    axes.set_ylim(min(low, height - room), max(high, height + 2 * room))


def _scale(axes: Axes, curve: Curve, values: Sequence[float]) -> None:
    axes.set_xlabel("step")
    axes.locator_params(axis="x", nbins=6, integer=True)
    if curve.share:
        axes.set_ylim(-0.02, 1.02)
    elif curve.log and all(value > 0 for value in values):
        axes.set_yscale("log")
        axes.minorticks_off()
    else:
        low, high = min(values), max(values)
        room = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
        axes.set_ylim(low - room, high + room)
        axes.yaxis.set_major_formatter(_tick)


def _tick(value: float, _: object = None) -> str:
    return f"{value:.4g}"


def _seconds(key: str, run: TrainingRun) -> Chart:
    about = "Wall seconds of a step by phase. Environment: neither a model nor an update was at work."
    told: Mapping[str, Points] = {phase: run.points(f"{PREFIX}seconds/{phase}") for phase in PHASES}
    told = {phase: points for phase, points in told.items() if points}
    if not told:
        return Chart(key, run.name, about, missing=f"{run.name} logged no times.")
    with drawing(200, left=52) as (figure, axes):
        axes.set_xlabel("step")
        axes.set_ylabel("seconds")
        axes.locator_params(axis="x", nbins=6, integer=True)
        for at, phase in enumerate(PHASES):
            if phase in told:
                _line(axes, smooth(told[phase]), color=series(at), linestyle=STYLES[at])
        axes.set_ylim(bottom=0)
        drawn = svg(figure, key, run.name, about)
    total = sum(fmean(value for _, value in points) for points in told.values())
    rows = tuple((phase, *_spent(points, total)) for phase, points in told.items())
    return Chart(key, run.name, about, drawn, columns=("phase", "seconds a step", "share, %"), rows=rows)


def _spent(points: Points, total: float) -> tuple[str, str]:
    mean = fmean(value for _, value in points)
    return f"{mean:.3f}", f"{100 * mean / total:.1f}" if total else DASH
