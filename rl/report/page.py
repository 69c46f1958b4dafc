"""The report as one HTML page that needs nothing else: style, script, figures and traces are inside.

What was stored is data: Jinja escapes every text, the traces are base64, and the page's policy lets only its own script
run and nothing be fetched.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from memory_r1 import __version__
from memory_r1.memory.errors import MissingExtraError
from memory_r1.rl.metrics.operations import KINDS
from memory_r1.rl.report import charts
from memory_r1.rl.report.collect import Collected, Mark, Measure
from memory_r1.rl.report.drawing import SERIES, Chart
from memory_r1.rl.report.figures import Figures
from memory_r1.rl.report.markdown import (
    COSTS,
    bounds,
    costs_rows,
    counted,
    memories_columns,
    memories_legend,
    memories_rows,
    percent,
)
from memory_r1.rl.report.published import SOURCE, URL, Published
from memory_r1.rl.report.tables import OVERALL, Group
from memory_r1.rl.report.traces import SHOWN, pack

TITLES = {
    "locomo": "LoCoMo", "longmemeval-oracle": "LongMemEval (oracle)", "longmemeval-s": "LongMemEval (S)", "msc": "MSC",
    "msc-personas": "MSC persona summaries", "world": "Synthetic world",
}  # fmt: skip
"""How the page calls the tasks."""

PARTS = {
    "results": "Results", "differences": "Differences", "quality": "Cost", "recall": "Recall", "memory": "Memory",
    "latency": "Latency", "judges": "Judges", "questions": "Questions", "provenance": "Provenance",
}  # fmt: skip
"""The page's sections, each a template, with their names in the list at the top."""
UNASKED = ("memory", "quality", "latency", "provenance")
"""Those of a page about data without a question."""

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the main table."""

    group: Group
    measure: Measure
    first: bool


def page(found: Figures) -> str:
    """The whole page. Raises MissingExtraError without Jinja or matplotlib."""
    script = read_template("page.js")
    info = found.evaluation.info
    asks = bool(info.questions)
    values = {
        "title": TITLES.get(info.task, info.task), "found": found, "info": info, "version": __version__,
        "style": read_template("style.css"),
        "script": script, "script_hash": b64encode(sha256(script.encode()).digest()).decode(),
        "columns": _columns(found), "best": _best(found), "percent": percent, "bounds": bounds, "counted": counted,
        "OVERALL": OVERALL,
        "published": _published(found), "source": SOURCE, "url": URL, "series": _series(found),
        "sections": _charts(found), "kinds": list(enumerate(KINDS)), "cost_columns": COSTS,
        "costs": costs_rows(found), "memory_columns": memories_columns(found), "memories": memories_rows(found),
        "memory_legend": memories_legend(found), "seconds": charts.seconds,
        "index": pack(_index(found.collected)), "blocks": _blocks(found), "points": _points,
        "verdicts": bool(found.judged),
        "asks": asks, "parts": PARTS if asks else {name: PARTS[name] for name in UNASKED},
    }  # fmt: skip
    return template("page.html").render(values)


@cache
def read_template(name: str) -> str:
    """The text of one of the report's files."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def template(name: str) -> Any:
    """A template of the report, which escapes what it is given. Raises MissingExtraError without Jinja."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError.of("rl", "jinja2") from error
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return made.get_template(name)


def _columns(found: Figures) -> list[Column]:
    return [
        Column(group, measure, at == 0) for group in found.groups for at, measure in enumerate(found.measures(group))
    ]


def _best(found: Figures) -> set[tuple[str, str, str]]:
    """The highest figure of each column among the rows measured, as (row, group, measure); none of a single row."""
    marked: set[tuple[str, str, str]] = set()
    for column in _columns(found) if len(found.cells) > 1 else []:
        key = (column.group.key, column.measure.key)
        told = {name: percent(cells[key]) for name, cells in found.cells.items() if key in cells}
        top = max(told.values(), key=float, default="")
        marked |= {(name, *key) for name, value in told.items() if value == top}
    return marked


def _published(found: Figures) -> list[tuple[str, list[Published]]]:
    """The paper's rows by model."""
    models = dict.fromkeys(one.model for one in found.published)
    return [(model, [one for one in found.published if one.model == model]) for model in models]


def _series(found: Figures) -> dict[str, int]:
    """The colour of each row; a row without figures has none."""
    return {name: at % SERIES for at, name in enumerate(found.names)}


def _points(value: float) -> str:
    """A difference in percentage points, with its sign."""
    return f"{100 * value:+.2f}".replace("-", "−")


def _charts(found: Figures) -> dict[str, list[Chart]]:
    names = found.names
    f1 = {name: cells[OVERALL, "f1"].mean for name, cells in found.cells.items() if (OVERALL, "f1") in cells}
    return {
        "quality": charts.quality(names, f1, found.costs),
        "recall": charts.recall(names, found.groups, found.recalls),
        "operations": charts.operations(names, found.costs),
        "latency": charts.latency(names, found.costs),
    }


def _index(collected: Collected) -> dict[str, Any]:
    """What the list of questions shows: everything but what was found for them."""
    info = collected.evaluation.info
    asked = list(collected.questions.values())
    categories = list(dict.fromkeys(asking.category for asking in asked))
    places = {name: at for at, name in enumerate(info.conversations)}
    shown = {name: marks for name, marks in collected.marks.items() if marks}
    return {
        "systems": list(shown),
        "judges": list(collected.evaluation.judges),
        "measures": [[one.key, one.head, one.title] for one in collected.measures if not one.judge],
        "categories": [[name, info.categories.get(name, name)] for name in categories],
        "conversations": list(info.conversations),
        "shown": SHOWN,
        "questions": [
            [places[one.conversation], one.id, one.text, one.gold, categories.index(one.category), list(one.evidence),
             int(one.unanswerable)]
            for one in asked
        ],
        "answers": [[_answer(marks.get(one.id), collected) for one in asked] for marks in shown.values()],
    }  # fmt: skip


def _answer(mark: Mark | None, collected: Collected) -> list[Any] | None:
    if mark is None:
        return None
    values = [_rounded(mark.values.get(one.key)) for one in collected.measures if not one.judge]
    labels = [mark.labels.get(judge, "")[:1] for judge in collected.evaluation.judges]
    return [mark.answer, values, labels, {cut: _rounded(value) for cut, value in (mark.recall or {}).items()}]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _blocks(found: Figures) -> Iterable[tuple[str, str]]:
    """The packed traces with their element ids: "t-<system>-<conversation>", by place in the index."""
    shown = (name for name, marks in found.collected.marks.items() if marks)
    systems = {name: at for at, name in enumerate(shown)}
    conversations = {name: at for at, name in enumerate(found.evaluation.info.conversations)}
    for (system, conversation), block in found.traces.blocks.items():
        yield f"t-{systems[system]}-{conversations[conversation]}", block
