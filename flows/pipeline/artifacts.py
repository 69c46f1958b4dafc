"""What a flow run leaves to look at in Prefect: tables, curves, links, and where a policy is with its checksum.

They hold figures and paths, never a memory's text or a setting that is secret.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from memory_r1.rl.evaluation.table import summarize
from memory_r1.rl.report.picture import reward_picture
from memory_r1.rl.report.training import write_training
from memory_r1.rl.report.write import write_report
from memory_r1.rl.tasks.files import checksum

if TYPE_CHECKING:
    from memory_r1.flows.pipeline.rows_made import Built
    from memory_r1.flows.pipeline.work import Tell
    from memory_r1.rl.trainer.learn import Learned
    from memory_r1.rl.trainer.progress import Progress

EVERY = 2.0
"""Seconds between updates of a progress artifact, at least."""


class Live:
    """Tells of a training: a line for each step in the run's log, and a bar in Prefect."""

    def __init__(self, key: str, tell: Tell) -> None:
        self._tell = tell
        self._bar: Any = create_progress_artifact(progress=0.0, key=key, description="starting")
        self._told = time.monotonic()

    def __call__(self, progress: Progress, new: bool) -> None:
        """Tell of a step, if it is new."""
        now = time.monotonic()
        if not new:
            return
        self._tell(progress.line(now))
        if now - self._told >= EVERY or progress.step >= progress.total:
            self._told = now
            share = 100 * progress.step / max(1, progress.total)
            update_progress_artifact(self._bar, progress=share, description=progress.line(now))


def show_rows(built: Sequence[Built]) -> None:
    """A table of files of rows."""
    table: list[dict[str, Any]] = [
        {"kind": one.kind, "split": one.split, "rows": one.rows, "file": str(one.path), "sha256": one.sha256}
        for one in built
    ]
    create_table_artifact(table=table, key="rows", description="Training rows, checked for leaks")


def show_training(key: str, runs: Sequence[Learned]) -> None:
    """The metrics table, the curve, the report's link, and each policy's path and checksum."""
    folders = [run.out for run in runs]
    report = write_training(folders)
    table = [dict(zip(report.summary.columns, row, strict=True)) for row in report.summary.rows]
    create_table_artifact(table=table, key=f"{key}-metrics", description="Metrics of each run")
    for number, folder in enumerate(folders):
        picture = reward_picture(folder)
        if picture:
            name = f"{key}-curve" if len(folders) == 1 else f"{key}-curve-{number}"
            create_image_artifact(image_url=picture, key=name, description=f"Reward of {folder.name}")
    _link(f"{key}-report", report.page, "All curves")
    lines = [f"| `{run.policy}` | {run.step} | {_figure(run.reward)} | `{checksum(run.policy)}` |" for run in runs]
    head = ["| policy | after step | validation reward | sha256 |", "|---|--:|--:|---|"]
    create_markdown_artifact(markdown="\n".join([*head, *lines]), key=f"{key}-policy", description="Policies")


def show_evaluation(out: Path) -> None:
    """The table of an evaluation, and its report's link."""
    report = write_report([out])
    summary = summarize(out)
    table = [dict(zip(summary.columns, row, strict=True)) for row in summary.overall()]
    create_table_artifact(table=table, key="evaluation", description="Percent, with 95 % intervals")
    _link("evaluation-report", report.page, "Every question's trace")


def show_decision(decision: Mapping[str, Any]) -> None:
    """What was decided about a policy, and why."""
    lines = [f"| {name} | {_cell(value)} |" for name, value in decision.items()]
    create_markdown_artifact(
        markdown="\n".join(["| | |", "|---|---|", *lines]), key="promotion", description="Promotion"
    )


def _link(key: str, page: Path, text: str) -> None:
    create_link_artifact(link=page.absolute().as_uri(), link_text=text, key=key, description=str(page))


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
