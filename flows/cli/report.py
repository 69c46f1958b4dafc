"""The command that writes an evaluation's report: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .shared import options, show, show_json, show_table

FoldersArgument = Annotated[list[Path], typer.Argument(metavar="DIR...", help="What `memory-r1 eval --out` wrote.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(epilog="Example: memory-r1 report runs/rules runs/grpo --out report.html")(report)


def report(
    ctx: typer.Context,
    folders: FoldersArgument,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page. Default: DIR/report.html.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="The table. Default: DIR/report.md.")] = None,
    base: Annotated[str, typer.Option(metavar="ROW", help="Compare the rows with this one. Default: the first.")] = "",
) -> None:
    """Write one HTML page that needs nothing else, and a Markdown table, of one evaluation or several.

    Several folders must have the same task, split and data. Figures, plots, and for each question what was found.
    """
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
