"""The main table and the costs as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from memory_r1.rl.report.charts import seconds
from memory_r1.rl.report.collect import Measure
from memory_r1.rl.report.costs import Spent
from memory_r1.rl.report.figures import Figures
from memory_r1.rl.report.memories import FACTS_LEGEND, LEGEND, Memories
from memory_r1.rl.report.published import SOURCE, URL
from memory_r1.rl.report.tables import APART, OVERALL, Cell, Cells, Group

DASH = "–"


def markdown(found: Figures) -> str:
    """The report's tables as Markdown, ending in a line break."""
    info = found.evaluation.info
    parts = [f"# {escaped(info.task)}, {escaped(info.split)}", *_intro(found)]
    parts += [_main(found)] if info.questions else []
    if found.published:
        parts.append(
            f"Published rows: [{SOURCE}]({URL}), overall only; other models, another judge. "
            f"They were measured on {found.published_on:,} questions."
        )
    parts += ["## Memory", _memories(found), memories_legend(found)] if found.names else []
    parts += ["## Costs", _costs(found)] if found.names else []
    missing = [(entry.name, entry.missing) for entry in found.evaluation.entries if entry.missing]
    if missing:
        parts += ["## Not run", "\n".join(f"- **{escaped(name)}**: {escaped(why)}" for name, why in missing)]
    return "\n\n".join(parts) + "\n"


def escaped(text: object) -> str:
    """`text` as Markdown shows it literally, in one line."""
    line = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", line)


def counted(number: int, what: str) -> str:
    """As "1 question", "1,307 questions"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def percent(cell: Cell | None) -> str:
    """A mean in percent, with two decimals as the paper has it."""
    return DASH if cell is None else f"{100 * cell.mean:.2f}"


def bounds(cell: Cell | None) -> str:
    """The 95 % interval in percent, "" where there is none."""
    if cell is None or cell.low is None or cell.high is None:
        return ""
    return f"{100 * cell.low:.1f}–{100 * cell.high:.1f}"


def interval(cell: Cell | None) -> str:
    """A mean with its interval, in percent."""
    known = bounds(cell)
    return f"{percent(cell)} [{known}]" if known else percent(cell)


def _intro(found: Figures) -> Iterable[str]:
    info = found.evaluation.info
    count = len(found.overall.questions)
    if not info.questions:
        yield f"{counted(len(info.conversations), 'conversation')}, without questions: what rows hold is measured."
        return
    measures = [one for one in found.collected.measures if one.shown]
    yield (
        f"{counted(count, 'question')} about {counted(len(info.conversations), 'conversation')}. In percent: "
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
        yield interval(cells.get((OVERALL, one.key)))


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


MEMORIES = (
    "row", "memories", "characters each", "turns kept, %", "repeated: exactly / nearly", "superseded / deleted",
    "no-ops by reason",
)  # fmt: skip
FACTS = ("facts held, %", "precision, %", "overlap")
"""The columns that only data with gold facts has."""


def memories_columns(found: Figures) -> list[str]:
    """The heads of `memories_rows`."""
    return [*MEMORIES[:2], *(FACTS if _facts(found) else ()), *MEMORIES[2:]]


def memories_legend(found: Figures) -> str:
    """What the columns of `memories_rows` mean."""
    return f"{FACTS_LEGEND} {LEGEND}" if _facts(found) else LEGEND


def memories_rows(found: Figures) -> list[list[str]]:
    """What each complete row held in the end; where that isn't known, one cell that says why, and empty ones."""
    width = len(memories_columns(found))
    rows = [[name, *_memories_row(one, bool(_facts(found)))] for name, one in found.memories.items()]
    return [[*row, *[""] * (width - len(row))] for row in rows]


def _facts(found: Figures) -> int:
    return max((one.facts for one in found.memories.values()), default=0)


def _memories_row(one: Memories, facts: bool) -> Iterable[str]:
    if one.missing:
        return [one.missing]
    overlap = DASH if one.overlap is None else f"{one.overlap:.2f}"
    fates = one.fates
    return [
        f"{one.memories:,}", *([interval(one.recall), interval(one.precision), overlap] if facts else []),
        f"{one.characters / one.memories:.0f}" if one.memories else DASH,
        DASH if one.kept is None or not one.turns else f"{100 * one.kept / one.turns:.1f}",
        f"{one.repeats.exact:,} / {one.repeats.near:,}",
        DASH if fates is None else f"{fates.superseded:,} / {fates.deleted:,}",
        DASH if fates is None else ", ".join(f"{count:,} {why}" for why, count in fates.noops.items()) or "none",
    ]  # fmt: skip


def _memories(found: Figures) -> str:
    return table([memories_columns(found), *([escaped(cell) for cell in row] for row in memories_rows(found))])


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first row the head; numbers to the right."""
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
