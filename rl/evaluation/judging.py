"""Lets judges look at the answers of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from memory_r1.rl.evaluation.files import read_run, write_run
from memory_r1.rl.evaluation.plan import Plan
from memory_r1.rl.judge import Judge, judge_answers, verdict_path
from memory_r1.rl.judge.folder import finished_answers
from memory_r1.rl.judge.run import OnVerdict


async def judge_plan(plan: Plan, judges: Sequence[Judge], on_verdict: OnVerdict) -> None:
    """Get each judge's verdict on every answer of the plan's rows; those that are known are not asked again.

    `run.json` names the judges. Call it while `evaluate.held` holds the folder, after `evaluate`. Raises
    ModelUnavailableError; the verdicts so far are kept.
    """
    run = read_run(plan.out)
    assert run is not None, "evaluate has written it"
    names = tuple(dict.fromkeys((*run.judges, *(judge.name for judge in judges))))
    if names != run.judges:
        write_run(plan.out, replace(run, judges=names))
    systems = [row.name for row in plan.rows]
    conversations = [conversation.id for conversation in plan.conversations]
    for judge in judges:
        answers = finished_answers(plan.out, systems, conversations)
        path = verdict_path(plan.out, judge.name)
        await judge_answers(judge, answers, path, on_verdict, concurrency=plan.at_once)
