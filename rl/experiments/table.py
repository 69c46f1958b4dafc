"""The table of experiments: what was earned before and after, seeds and intervals, whatever came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from memory_r1.rl.experiments.catalogue import EXPERIMENTS, RUNS, SEEDS, START, start_of
from memory_r1.rl.experiments.folder import Folder
from memory_r1.rl.experiments.types import Experiment, Run, Scored, TestName
from memory_r1.rl.metrics.bootstrap import Interval, interval, paired

KINDS = ("add", "update", "delete", "noop")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: who played, by seed what was earned, with the interval over conversations and the gain since START.

    `kinds`: means by right operation or category. `right`, `wrong`: shares of all answers.
    """

    name: str
    seeds: Mapping[int, float]
    mean: Interval
    gain: Interval | None
    kinds: Mapping[str, float]
    malformed: float
    right: float
    wrong: float


def line(name: str, played: Mapping[int, Sequence[Scored]], start: Sequence[Scored] | None, cost: float = 0.0) -> Line:
    """What `name` earned. `played`: its rows by seed; `start`: those of the policy that training started from.

    `cost`: of a wrong answer, as `Experiment.cost`.

    Rows are averaged over seeds before conversations are drawn: the interval says how the mean of these seeds would
    vary with the worlds, the seeds' own figures how it varies with training.
    """
    first = next(iter(played.values()))
    means = [fmean(rows[at].figure(cost) for rows in played.values()) for at in range(len(first))]
    clusters = [one.cluster for one in first]
    gain = None
    if start is not None and [one.row for one in start] == [one.row for one in first]:
        gain = paired(means, [one.figure(cost) for one in start], clusters)
    kinds: dict[str, list[float]] = {}
    for one, mean in zip(first, means, strict=True):
        kinds.setdefault(one.kind, []).append(mean)
    return Line(
        name, {seed: fmean(one.figure(cost) for one in rows) for seed, rows in played.items()},
        interval(means, clusters), gain,
        {kind: fmean(values) for kind, values in kinds.items()},
        fmean(one.malformed > 0 for rows in played.values() for one in rows),
        fmean(one.em for rows in played.values() for one in rows),
        fmean(one.wrong for rows in played.values() for one in rows),
    )  # fmt: skip


def lines(folder: Folder, one: Experiment, test: TestName) -> Iterator[Line]:
    """The lines of an experiment for one of its tests: START, always-NOOP and the oracle, and every run so far."""
    first = pair_name(START, START) if one.pairs else start_of(one)
    start = folder.scores(test, first)
    if start is not None:
        yield line(first, {0: start}, None, one.cost)
        for name in ("noop", "oracle"):
            known = [getattr(row, name) for row in start]
            if None not in known:
                yield line(f"always-{name}" if name == "noop" else name, {0: _as(start, known)}, start)
    for run in (RUNS[name] for name in one.runs):
        if played := _played(folder, run, test):
            yield line(run.name, played, start, one.cost)
    for pair in one.pairs:
        if pair != (START, START) and (played := _paired(folder, pair, test)):
            yield line(pair_name(*pair), played, start)


def markdown(folder: Folder, seeds: Sequence[int] = SEEDS) -> str:
    """All experiments as Markdown. Runs that are still to come, and those that failed, are named."""
    parts: list[str] = []
    failed = folder.failed()
    for one in EXPERIMENTS:
        parts += [f"### {one.name}. {one.claim}", ""]
        for test in one.tests:
            parts += [*_table(list(lines(folder, one, test)), test, one.cost), ""]
        missing = [f"{name} (seed {seed})" for name in one.runs for seed in seeds if not _is_done(folder, name, seed)]
        if missing:
            parts += [f"Not run: {', '.join(missing)}.", ""]
        parts += [f"Failed: {name}: {failed[name]}" for name in sorted(failed) if name.rpartition("-s")[0] in one.runs]
        if one.caution:
            parts += [one.caution, ""]
    return "\n".join(parts).rstrip() + "\n"


def pair_name(manager: str, answerer: str) -> str:
    """How a manager and an answerer that play together are called."""
    return f"{manager} + {answerer}"


def _table(found: Sequence[Line], test: TestName, cost: float) -> list[str]:
    if not found:
        return [f"({test} test: nothing measured)"]
    kinds = [kind for kind in KINDS if any(kind in one.kinds for one in found)]
    kinds += sorted({kind for one in found for kind in one.kinds} - {*KINDS, "", "session"})
    head = [
        f"{test} test, {f'right less {cost:g} × wrong answers' if cost else 'exact match'} in %",
        "mean [95 %]",
        "each seed",
        f"gain on {START} [95 %]",
        *(("right", "wrong") if cost else ()),
        *kinds,
        "malformed",
    ]
    rows = [
        [
            one.name, _shown(one.mean), " / ".join(_percent(value) for value in one.seeds.values()),
            _shown(one.gain, sign=True) if one.gain else "", *(map(_percent, (one.right, one.wrong)) if cost else ()),
            *(_percent(one.kinds.get(kind)) for kind in kinds), _percent(one.malformed),
        ]
        for one in found
    ]  # fmt: skip
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def _played(folder: Folder, run: Run, test: TestName) -> dict[int, list[Scored]]:
    found = {seed: folder.scores(test, f"{run.name}-s{seed}") for seed in SEEDS}
    return {seed: rows for seed, rows in found.items() if rows}


def _paired(folder: Folder, pair: tuple[str, str], test: TestName) -> dict[int, list[Scored]]:
    found = {seed: folder.scores(test, f"{pair_name(*pair)}-s{seed}") for seed in SEEDS}
    return {seed: rows for seed, rows in found.items() if rows}


def _is_done(folder: Folder, name: str, seed: int) -> bool:
    return folder.done(RUNS[name], seed)


def _as(rows: Sequence[Scored], earned: Sequence[float]) -> list[Scored]:
    """`rows` as if these rewards had been earned."""
    return [Scored(one.row, one.cluster, one.kind, value) for one, value in zip(rows, earned, strict=True)]


def _shown(found: Interval, sign: bool = False) -> str:
    mean = f"{100 * found.mean:+.1f}" if sign else _percent(found.mean)
    if found.low is None or found.high is None:
        return mean
    low, high = (f"{100 * value:+.1f}" if sign else _percent(value) for value in (found.low, found.high))
    return f"{mean} [{low}, {high}]"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"
