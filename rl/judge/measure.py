"""How often a judge errs on probes: what it lets pass, and what it turns down, by kind of probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from memory_r1.rl.evaluation.files import write_whole, written
from memory_r1.rl.evaluation.records import VerdictRow
from memory_r1.rl.judge.judge import CORRECT, UNUSABLE, Judge
from memory_r1.rl.judge.probes import GROUPS, KINDS, Probe, write_line
from memory_r1.rl.judge.run import CONCURRENCY, OnVerdict, judge_answers
from memory_r1.rl.judge.verdicts import verdict_path
from memory_r1.rl.metrics.bootstrap import Interval, interval

FOLDER = "probes"
"""The folder in an output folder that holds probes and their verdicts, apart from those of an evaluation."""


@dataclass(frozen=True, slots=True)
class Errors:
    """How often a judge erred: `wrong` of `judged` probes, unusable verdicts left out.

    `rate`: their share, None without any; `low`, `high`: its 95 % interval, drawn by conversation, None of one. Where
    all are alike no drawing differs: the interval is then the exact one of so many independent probes.
    """

    wrong: int
    judged: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class KindErrors:
    """A judge on one kind of probe. `correct`: how many it called CORRECT; `expected`: what it owes them.

    `errors`: None where the style's instruction leaves the label open.
    """

    kind: str
    group: str
    expected: str
    probes: int
    correct: int
    unusable: int
    errors: Errors | None


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """A judge on all probes. `groups`: by what the probes are; those of "right" were turned down, others let pass."""

    judge: str
    style: str
    kinds: tuple[KindErrors, ...]
    groups: Mapping[str, Errors]


async def judge_probes(
    judge: Judge, probes: Sequence[Probe], out: Path, on_verdict: OnVerdict | None = None, *,
    concurrency: int = CONCURRENCY, retry: bool = False,
) -> list[VerdictRow]:  # fmt: skip
    """The verdict on each of `probes`, kept in `out`/probes as `judge_answers` does. Raises what that raises."""
    path = verdict_path(out / FOLDER, judge.name)
    answers = [probe.row() for probe in probes]
    return await judge_answers(judge, answers, path, on_verdict, concurrency=concurrency, retry=retry)


def write_probes(out: Path, probes: Sequence[Probe]) -> Path:
    """Write `probes` into `out`/probes, a line of JSON each; returns the file. Raises StoreUnavailableError."""
    path = out / FOLDER / "probes.jsonl"
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "".join(f"{write_line(probe)}\n" for probe in probes).encode())
    return path


def errors_of(judge: Judge, probes: Sequence[Probe], verdicts: Sequence[VerdictRow]) -> JudgeErrors:
    """How `judge` erred on `probes`, of which `verdicts` are its verdicts, in the same order."""
    judged = list(zip(probes, verdicts, strict=True))
    kinds = [_kind(kind, judge.style, [pair for pair in judged if pair[0].kind == kind]) for kind in KINDS]
    groups: dict[str, Errors] = {}
    for group in GROUPS:
        owed = [pair for pair in judged if KINDS[pair[0].kind].group == group]
        if any(KINDS[probe.kind].expected[judge.style] for probe, _ in owed):
            groups[group] = _errors(judge.style, owed)
    return JudgeErrors(judge.name, judge.style, tuple(kind for kind in kinds if kind.probes), groups)


def _kind(kind: str, style: str, judged: Sequence[tuple[Probe, VerdictRow]]) -> KindErrors:
    labels = [verdict.label for _, verdict in judged]
    expected = KINDS[kind].expected[style]
    return KindErrors(
        kind, KINDS[kind].group, expected, len(judged), labels.count(CORRECT), labels.count(UNUSABLE),
        _errors(style, judged) if expected else None,
    )  # fmt: skip


def _errors(style: str, judged: Sequence[tuple[Probe, VerdictRow]]) -> Errors:
    usable = [(probe, verdict) for probe, verdict in judged if verdict.label != UNUSABLE]
    wrong = [float(verdict.label != KINDS[probe.kind].expected[style]) for probe, verdict in usable]
    if not wrong:
        return Errors(0, 0)
    found = _exact(wrong) or interval(wrong, [probe.conversation for probe, _ in usable])
    return Errors(int(sum(wrong)), len(wrong), *found)


def _exact(values: Sequence[float]) -> Interval | None:
    """The 95 % interval of Clopper and Pearson (1934) for `values` that are all 0 or all 1; None for others."""
    unseen = 1 - 0.025 ** (1 / len(values))
    return {0.0: Interval(0.0, 0.0, unseen), 1.0: Interval(1.0, 1 - unseen, 1.0)}.get(sum(values) / len(values))
