"""The command that writes the report of evaluations or of training runs: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memory_r1.memory.errors import InputError

from .shared import options, show, show_json, show_table

FoldersArgument = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="What `memory-r1 eval --out` or `memory-r1 train --out` wrote.")
]
EPILOG = """\b
Examples:
  memory-r1 report runs/rules runs/grpo --out report.html
  memory-r1 report training/grpo-s1 training/grpo-s2 training/shuffled-s1 --out curves.html"""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(epilog=EPILOG)(report)


def report(
    ctx: typer.Context,
    folders: FoldersArgument,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page. Default: DIR/report.html.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="The table. Default: DIR/report.md.")] = None,
    base: Annotated[str, typer.Option(metavar="ROW", help="Compare the rows with this one. Default: the first.")] = "",
) -> None:
    """Write one HTML page that needs nothing else, and a Markdown table, of evaluations, or of training runs.

    Evaluations must have the same task, split and data: figures, plots, and for each question what was found. Training
    runs: their curves in one picture each; runs that differ by "-s1", "-s2" alone are seeds of one variant.
    """
    from memory_r1.rl.report.runs import is_training

    if any(is_training(folder) for folder in folders):
        _training(ctx, folders, out, markdown, base)
    else:
        _evaluation(ctx, folders, out, markdown, base)


def _training(ctx: typer.Context, folders: list[Path], out: Path | None, markdown: Path | None, base: str) -> None:
    from memory_r1.rl.report.training import write_training

    if base:
        raise InputError(f"--base {base!r} is for evaluations; training runs stand side by side")
    done = write_training(folders, out, markdown)
    if options(ctx).json:
        rows = [dict(zip(done.summary.columns, row, strict=True)) for row in done.summary.rows]
        show_json({"page": str(done.page), "markdown": str(done.markdown), "runs": rows})
        return
    show_table(done.summary.columns[:9], [row[:9] for row in done.summary.rows])
    show(f"page      {done.page}")
    show(f"markdown  {done.markdown}")


def _evaluation(ctx: typer.Context, folders: list[Path], out: Path | None, markdown: Path | None, base: str) -> None:
    from memory_r1.rl.report import write_report
    from memory_r1.rl.report.markdown import memories_columns, memories_rows, percent
    from memory_r1.rl.report.tables import OVERALL

    done = write_report(folders, out, markdown, base)
    found = done.figures
    measures = [one for one in found.collected.measures if one.shown]
    if options(ctx).json:
        rows = {
            name: {
                one.key: {"mean": cell.mean, "low": cell.low, "high": cell.high, "questions": cell.count}
                for one in found.collected.measures
                if (cell := cells.get((OVERALL, one.key))) is not None
            }
            for name, cells in found.cells.items()
        }
        missing = {entry.name: entry.missing for entry in found.evaluation.entries if entry.missing}
        files = {"page": str(done.page), "markdown": str(done.markdown)}
        show_json({**files, "rows": rows, "memories": found.memories, "missing": missing})
        return
    if found.evaluation.info.questions:
        told = [
            [name, *(percent(cells.get((OVERALL, one.key))) for one in measures)] for name, cells in found.cells.items()
        ]
        show_table(["overall, %", *(one.head for one in measures)], told)
    else:
        show_table(memories_columns(found), memories_rows(found))
    for entry in found.evaluation.entries:
        if entry.missing:
            show(f"{entry.name}: {'not run: ' if entry.info.not_run else ''}{entry.missing}")
    show(f"page      {done.page}")
    show(f"markdown  {done.markdown}")
