"""Writes the report of evaluation folders: one HTML page, one Markdown file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memory_r1.rl.evaluation.files import write_whole
from memory_r1.rl.report.figures import Figures, figures
from memory_r1.rl.report.markdown import markdown
from memory_r1.rl.report.page import page


@dataclass(frozen=True, slots=True)
class Report:
    """What was written, and the figures in it."""

    page: Path
    markdown: Path
    figures: Figures


def write_report(folders: Sequence[Path], out: Path | None = None, table: Path | None = None, base: str = "") -> Report:
    """Write the report of `folders` to `out` and `table`; without them to report.html and report.md in the first.

    The same folders give the same bytes. Either file is written wholly or not at all. `base`: the row that others are
    compared with, the first if "". Raises as `figures` and `page` do; StoreUnavailableError when the disk refuses.
    """
    found = figures(folders, base)
    out = out or folders[0] / "report.html"
    table = table or (folders[0] / "report.md")
    html = page(found)
    write_whole(out, html.encode("utf-8", "replace"))
    write_whole(table, markdown(found).encode("utf-8", "replace"))
    return Report(out, table, found)
