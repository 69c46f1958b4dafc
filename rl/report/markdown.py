"""The main table and the costs as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from memory_r1.rl.report.charts import seconds
from memory_r1.rl.report.collect import Measure
from memory_r1.rl.report.costs import Spent
from memory_r1.rl.report.figures import Figures
from memory_r1.rl.report.published import SOURCE, URL
from memory_r1.rl.report.tables import APART, OVERALL, Cell, Cells, Group

DASH = "–"


def markdown(found: Figures) -> str:
    """The report's tables as Markdown, ending in a line break."""
    info = found.evaluation.info
    parts = [f"# {escaped(info.task)}, {escaped(info.split)}", *_intro(found), _main(found)]
    if found.published:
        parts.append(
            f"Published rows: [{SOURCE}]({URL}), overall only; other models, another judge. "
            f"They were measured on {found.published_on:,} questions."
        )
    parts += ["## Costs", _costs(found)] if found.names else []
    missing = [(entry.name, entry.missing) for entry in found.evaluation.entries if entry.missing]
    if missing:
        parts += ["## Not run", "\n".join(f"- **{escaped(name)}**: {escaped(why)}" for name, why in missing)]
    return "\n\n".join(parts) + "\n"


def escaped(text: object) -> str:
    """`text` as Markdown shows it literally, in one line."""
    line = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", line)


def percent(cell: Cell | None) -> str:
    """A mean in percent, with two decimals as the paper has it."""
    return DASH if cell is None else f"{100 * cell.mean:.2f}"


def bounds(cell: Cell | None) -> str:
    """The 95 % interval in percent, "" where there is none."""
    if cell is None or cell.low is None or cell.high is None:
        return ""
    return f"{100 * cell.low:.1f}–{100 * cell.high:.1f}"


def _intro(found: Figures) -> Iterable[str]:
    info = found.evaluation.info
    count = len(found.overall.questions)
    measures = [one for one in found.collected.measures if one.shown]
    yield (
        f"{count:,} questions about {len(info.conversations):,} conversations. In percent: "
        + "; ".join(f"{one.head}: {escaped(one.title)}" for one in measures)
        + ". By category the three stand as F1 / B1 / J. [a–b]: 95 % bootstrap interval, by conversation."
    )
    if any(group.official != group.paper for group in _categories(found)):
        yield "Categories by the paper's names, with the data set's own in brackets: the two are shifted."


def _categories(found: Figures) -> list[Group]:
    return [group for group in found.groups if group.key not in (OVERALL, APART)]


def _main(found: Figures) -> str:
    measures = [one for one in found.collected.measures if one.shown]
    names = [escaped(group.title) for group in _categories(found)]
    rows = [["", *names, *(f"Overall {one.head}" for one in measures)]]
    for entry in found.evaluation.entries:
        if entry.missing:
            why = "unfinished" if not entry.info.not_run else "not run"
            rows.append([escaped(entry.name), why, *[DASH] * (len(rows[0]) - 2)])
        else:
            rows.append([escaped(entry.name), *_row(found, found.cells[entry.name], measures)])
    for one in found.published:
        told = {"f1": one.f1, "b1": one.bleu1, "j0": one.judge}
        values = [f"{told[measure.key]:.2f}" if measure.key in told else DASH for measure in measures]
        rows.append([f"*{escaped(one.name)}, {escaped(one.model)} (published)*", *[DASH] * len(names), *values])
    return table(rows)


def _row(found: Figures, cells: Cells, measures: Sequence[Measure]) -> Iterable[str]:
    for group in _categories(found):
        yield " / ".join(percent(cells.get((group.key, one.key))) for one in measures)
    for one in measures:
        cell = cells.get((OVERALL, one.key))
        interval = bounds(cell)
        yield f"{percent(cell)} [{interval}]" if interval else percent(cell)


COSTS = (
    "row", "calls", "prompt tokens", "reply tokens", "learn p50 / p95", "search p50 / p95", "answer p50 / p95", "wall",
    "CPU a turn", "memories", "add / update / delete / noop", "failures",
)  # fmt: skip


def costs_row(name: str, one: Spent, wall: float) -> list[str]:
    """What a row cost, a cell for each of `COSTS`. `wall`: seconds that it took in all, 0 where not told."""
    costs, usage, learn = one.costs, one.costs.usage, one.costs.learn
    failures = sum(learn.failures.values()) + sum(costs.ask.failures.values())
    phases = [learn.seconds.get("learn"), costs.ask.seconds.get("search"), costs.ask.seconds.get("answer")]
    return [
        name, f"{usage.calls:,}", f"{usage.prompt_tokens:,}", f"{usage.reply_tokens:,}",
        *(f"{seconds(phase.p50)} / {seconds(phase.p95)}" if phase else DASH for phase in phases),
        seconds(wall) if wall else DASH,
        seconds(learn.cpu / learn.rows) if learn.cpu is not None else DASH,
        DASH if costs.size is None else f"{costs.size:,}",
        " / ".join(f"{costs.operations.get(kind, 0):,}" for kind in ("add", "update", "delete", "noop")),
        f"{failures:,}",
    ]  # fmt: skip


def costs_rows(found: Figures) -> list[list[str]]:
    """What each complete row cost."""
    walls = {entry.name: entry.info.wall for entry in found.evaluation.entries}
    return [costs_row(name, one, walls[name]) for name, one in found.costs.items()]


def _costs(found: Figures) -> str:
    rows = [[escaped(cell) for cell in row] for row in costs_rows(found)]
    return table([list(COSTS), *rows])


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first row the head; numbers to the right."""
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
