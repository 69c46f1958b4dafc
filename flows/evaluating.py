"""Runs an evaluation as the settings say: its rows and judges made, held, run, judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memory_r1.graphs.models import ModelOptions
from memory_r1.memory.errors import ModelUnavailableError, SettingsError
from memory_r1.memory.settings import BUILT_IN, Settings, make_embedder
from memory_r1.rl.evaluation.evaluate import Failures, clear, evaluate, held, run_here
from memory_r1.rl.evaluation.files import read_run
from memory_r1.rl.evaluation.judging import judge_plan
from memory_r1.rl.evaluation.plan import Chosen, Plan
from memory_r1.rl.evaluation.run import OnStep
from memory_r1.rl.judge import Judge, make_judges
from memory_r1.rl.judge.run import OnVerdict
from memory_r1.rl.metrics.mem0 import find_punkt
from memory_r1.rl.systems.registry import Row, check_names, read_row_models, row_models
from memory_r1.rl.tasks import load_task


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to evaluate. `models`: NAME=MODEL or NAME.ROLE=MODEL each, for single rows; others have the settings'."""

    task: str
    split: str
    systems: tuple[str, ...]
    out: Path
    data: Path | None = None
    models: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    styles: tuple[str, ...] = ("lenient",)
    chosen: Chosen = field(default_factory=Chosen)
    at_once: int = 8


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told: of each step of a row, and of each verdict."""

    step: OnStep = lambda _: None
    verdict: OnVerdict = lambda _: None


def plan_of(asked: Evaluation, settings: Settings) -> Plan:
    """What is to be run, checked, with the metric's needs.

    Raises InputError, DataUnavailableError, SettingsError.
    """
    rows = rows_of(asked.systems, asked.models, settings)
    task = load_task(asked.task, asked.data)
    plan = Plan(task, asked.split, asked.chosen, rows, asked.out, asked.at_once)
    if plan.questions:
        find_punkt()  # before the work
    return plan


def rows_of(systems: Sequence[str], models: Sequence[str], settings: Settings) -> tuple[Row, ...]:
    """The rows named `systems`, each with its models. Raises InputError."""
    own = read_row_models(models)
    neo4j = settings.store if settings.store.startswith(("neo4j", "bolt")) else ""
    return tuple(
        Row(
            name, row_models(name, settings.models, own), settings.embedder or BUILT_IN, neo4j,
            settings.api_key.get_secret_value(), settings.embedder_api_key.get_secret_value(),
            settings.store_password.get_secret_value(),
        )
        for name in check_names(list(systems))
    )  # fmt: skip


def judge_options(settings: Settings) -> ModelOptions:
    """How judges' models are called: with the judges' own key, so that no other endpoint's is sent to them."""
    return ModelOptions(api_key=settings.judge_api_key.get_secret_value())


def judges_of(asked: Evaluation, settings: Settings) -> list[Judge]:
    """The judges, whose connections are the caller's to close. Raises SettingsError."""
    return list(make_judges(asked.judges, asked.styles, judge_options(settings)))


async def run_plan(
    plan: Plan,
    judges: Sequence[Judge],
    settings: Settings,
    watch: Watch = Watch(),
    ray: str = "",
    fresh: bool = False,
) -> Failures:
    """Do what is left of the plan, then let the judges look at it; close them. What stopped which row.

    `ray`: the address of a cluster, or "local"; "" runs here. `fresh`: what `plan.out` holds is thrown away first.
    """
    runner = run_here
    if ray:
        from memory_r1.rl.evaluation.cluster import on_cluster

        runner = on_cluster(ray)
    try:
        with held(plan.out):
            if fresh:
                await clear(plan)
            failures = await evaluate(plan, watch.step, runner, await make_embedder(settings))
            if not any(isinstance(error, ModelUnavailableError) for error in failures.values()):
                await judge_plan(plan, judges, watch.verdict)
    finally:
        for one in judges:
            await one.close()
    return failures


def run_evaluation(asked: Evaluation, settings: Settings, watch: Callable[[Plan], Watch] = lambda _: Watch()) -> None:
    """Plan and run all of it in one call.

    Raises the first error that stopped a row, what was done being kept, and SettingsError for a row that can't run.
    """
    plan = plan_of(asked, settings)
    failures = asyncio.run(run_plan(plan, judges_of(asked, settings), settings, watch(plan)))
    for error in failures.values():
        raise error
    run = read_run(plan.out)
    for row in plan.rows:
        if run is not None and run.rows[row.name].not_run:
            raise SettingsError(run.rows[row.name].not_run)
