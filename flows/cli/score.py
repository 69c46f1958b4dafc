"""The command that scores answers, of any system, without a model: score."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from memory_r1.memory.errors import FileFormatError

WHAT = "JSON lines of question, category, gold and prediction"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(epilog="Example: memory-r1 score predictions.jsonl | tail -n 1")(score)


def score(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=f"{WHAT}; - is stdin.")],
    interval: Annotated[
        bool, typer.Option("--interval", help="Also 95 % intervals; each line then names its conversation.")
    ] = False,
) -> None:
    """Score any system's answers by both conventions of the literature, LoCoMo's own and Mem0's.

    Prints each line again with its scores, then one line with the means, overall and by category. Asks no model.
    A category is LoCoMo's number (1 multi-hop, 2 temporal, 3 open-domain, 4 single-hop, 5 adversarial) or a name.
    """
    from memory_r1.rl.metrics.mem0 import find_punkt
    from memory_r1.rl.metrics.table import Totals, read_row, shown

    find_punkt()
    totals = Totals(clustered=interval)
    for place, values in _rows(file):
        row = read_row(values, place)
        if interval and not row.conversation:
            raise FileFormatError(f"{place}: 'conversation' is missing, which --interval draws its samples from")
        found = row.scores()
        _print({**values, **shown(found)}, place)
        totals.add(row, found)
    if not totals.questions:
        raise FileFormatError(f"{str(file)!r} has only blank lines; give {WHAT}")
    _print(totals.line(), str(file))


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    from memory_r1.rl.tasks.fields import read_rows, rows_of

    return rows_of(sys.stdin.buffer, "stdin", WHAT) if str(file) == "-" else read_rows(file, WHAT)


def _print(values: dict[str, Any], place: str) -> None:
    """Write one line of JSON. What UTF-8 can't hold, a lone surrogate, stays the escape that it was."""
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise FileFormatError(f"{place}: NaN or Infinity is no JSON: leave that field out") from None
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
