"""Judges what an evaluation left in its folder, and reads what judges said there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from memory_r1.memory.errors import InputError
from memory_r1.rl.evaluation.files import ANSWERS, Place, read_rows, read_run, write_run
from memory_r1.rl.evaluation.records import AnswerRow, RunInfo, VerdictRow
from memory_r1.rl.judge.judge import CORRECT, UNUSABLE, Judge
from memory_r1.rl.judge.run import CONCURRENCY, OnVerdict, judge_answers
from memory_r1.rl.judge.verdicts import read_verdicts, verdict_path
from memory_r1.rl.metrics.bootstrap import Interval, interval


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge says of one system. `rate`: the share of CORRECT answers, UNUSABLE verdicts left out, None without
    any other; `low`, `high`: its 95 % interval, drawn by conversation, None of one.
    """

    judge: str
    system: str
    answers: int
    correct: int
    unusable: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


def read_answers(out: Path) -> list[tuple[str, AnswerRow]]:
    """Every answer in the evaluation folder `out`, with its system, of the conversations that are finished.

    What was found for it is left out: judges aren't shown it. Raises InputError without an evaluation or an answer,
    FileFormatError for a file that can't be read.
    """
    run = _run(out)
    ran = [system for system, info in run.rows.items() if not info.not_run]
    found = list(finished_answers(out, ran, run.conversations))
    if not found:
        raise InputError(f"the evaluation in {str(out)!r} has no finished answers yet: `memory-r1 eval` goes on there")
    return found


def finished_answers(
    out: Path, systems: Iterable[str], conversations: Sequence[str]
) -> Iterator[tuple[str, AnswerRow]]:
    """Every answer of `systems` to the `conversations` that are finished, with its system, less what was found."""
    for system in systems:
        place = Place(out, system)
        for conversation in conversations:
            if place.finished(conversation):
                for row in read_rows(place.answers(conversation), ANSWERS):
                    yield system, replace(row, found=())


def _run(out: Path) -> RunInfo:
    run = read_run(out)
    if run is None:
        raise InputError(f"there is no evaluation in {str(out)!r}: give the folder that `memory-r1 eval` wrote")
    return run


async def judge_folder(
    judges: Sequence[Judge], answers: Sequence[tuple[str, AnswerRow]], out: Path, on_verdict: OnVerdict | None = None,
    *, concurrency: int = CONCURRENCY, retry: bool = False,
) -> list[Judged]:  # fmt: skip
    """Get the verdict of each of `judges` on `answers`, those of the evaluation in `out`, whose `run.json` names them.

    Call it while `evaluation.evaluate.held` holds the folder. Raises as `judge_answers` does.
    """
    found: list[Judged] = []
    for judge in judges:
        run = _run(out)
        if judge.name not in run.judges:
            write_run(out, replace(run, judges=(*run.judges, judge.name)))
        path = verdict_path(out, judge.name)
        verdicts = await judge_answers(judge, answers, path, on_verdict, concurrency=concurrency, retry=retry)
        found += _by_system(answers, verdicts)
    return found


def _by_system(answers: Sequence[tuple[str, AnswerRow]], verdicts: Sequence[VerdictRow]) -> Iterator[Judged]:
    judged = [(system, row.conversation, said) for (system, row), said in zip(answers, verdicts, strict=True)]
    for system in dict.fromkeys(system for system, _ in answers):
        mine = [(conversation, said) for name, conversation, said in judged if name == system]
        usable = [(conversation, said.label == CORRECT) for conversation, said in mine if said.label != UNUSABLE]
        values = [float(right) for _, right in usable]
        share: Interval | tuple[()] = interval(values, [name for name, _ in usable]) if values else ()
        yield Judged(mine[0][1].judge, system, len(mine), int(sum(values)), len(mine) - len(usable), *share)


def read_judges(out: Path) -> list[list[VerdictRow]]:
    """The verdicts of every judge in the folder `out`, in the order of their names.

    Raises InputError without any, FileFormatError for a file that can't be read.
    """
    found = [rows for path in sorted((out / "judges").glob("*.jsonl")) if (rows := read_verdicts(path))]
    if not found:
        raise InputError(f"there are no verdicts in {str(out)!r}: `memory-r1 judge run` asks a judge for them")
    return sorted(found, key=lambda rows: rows[0].judge)
