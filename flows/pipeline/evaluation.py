"""The flow `evaluate`: rows of the paper's table on a benchmark, with the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task

from memory_r1.flows.evaluating import Evaluation, Watch, run_evaluation
from memory_r1.flows.pipeline.artifacts import show_evaluation
from memory_r1.flows.pipeline.work import may_pass, place, signature
from memory_r1.memory.settings import load_settings
from memory_r1.rl.evaluation.plan import Chosen, Plan
from memory_r1.rl.evaluation.run import Step
from memory_r1.rl.evaluation.table import summarize

PARTS = 20
"""A line in the run's log for each so many-th part of the work."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation's folder, and its figures as `memory-r1 eval --json` prints them."""

    out: Path
    table: dict[str, Any]


@task(name="evaluate", retries=3, retry_delay_seconds=[10, 60, 300], retry_condition_fn=may_pass)
def run(asked: Evaluation) -> Evaluated:
    """Run the rows; conversations that are done are not run again."""
    tell = get_run_logger().info

    def watch(plan: Plan) -> Watch:
        total = len(plan.rows) * (plan.turns + plan.questions)
        done = 0

        def step(one: Step) -> None:
            nonlocal done
            before, done = done, done + one.turns + one.questions
            if before * PARTS // total < done * PARTS // total:
                tell("%s %s: %d of %d turns and questions", one.system, one.conversation, done, total)

        return Watch(step)

    run_evaluation(asked, load_settings({}), watch)
    return Evaluated(asked.out, summarize(asked.out).data())


@flow(name="evaluate", flow_run_name="{task}-{split}", persist_result=True)
def evaluate(  # noqa: PLR0913, PLR0917 - what an operator sets
    task: str = "world",
    split: str = "test",
    systems: Sequence[str] = ("rules", "memory-r1"),
    models: Sequence[str] = (),
    judges: Sequence[str] = (),
    conversations: int | None = None,
    questions: int | None = None,
    data: str = "",
) -> Evaluated:
    """Run rows of the paper's table, and draw the report.

    Args:
        task: world:…, locomo, longmemeval-s, msc, …
        split: train, validation, test, or all.
        systems: the rows.
        models: NAME=MODEL or NAME.ROLE=MODEL each; other rows have the settings' models.
        judges: chat models that judge the answers.
        conversations: only so many of the split.
        questions: only so many of each conversation.
        data: the task's own file.
    """
    chosen = Chosen(conversations, questions)
    file = Path(data) if data else None
    inputs = {"task": task, "split": split, "systems": list(systems), "models": list(models), "data": signature(data)}
    inputs |= {"chosen": chosen, "judges": list(judges)}
    inputs |= {one: signature(one.partition("local:")[2]) for one in models if "local:" in one}
    out = place("evaluation", inputs)
    asked = Evaluation(task, split, tuple(systems), out, file, tuple(models), tuple(judges), chosen=chosen)
    done = run(asked)
    show_evaluation(done.out)
    return done
