"""The command that shows what the others do: demo."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

from .shared import Options, Session, clean, console, counted, options, plain, session, show_grid, show_json

if TYPE_CHECKING:
    from rich.console import Console

    from memory_r1.flows.ingest import Summary
    from memory_r1.flows.readers import Asked
    from memory_r1.graphs import Agent, Answered, Remembered
    from memory_r1.memory.types import Memory, Operation, Turn

BANK = "demo"
COLOURS = {"add": "green", "update": "yellow", "delete": "red", "noop": "bright_black"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(demo)


def demo(ctx: typer.Context) -> None:
    """See it work, in seconds and offline.

    Reads a short made-up conversation into a temporary SQLite file, shows every operation as it happens, then answers
    questions and shows the memories that the answers rest on. With --model, that model decides.
    """
    given = options(ctx)
    with TemporaryDirectory(prefix="memory-r1-demo-") as folder:
        url = f"sqlite:///{Path(folder) / 'demo.db'}"
        result = asyncio.run(_play(Options({**given.values, "store": url}, given.json)))
    if given.json:
        show_json(asdict(result))


@dataclass
class Played:
    """What the demo did, for --json."""

    turns: list[Any] = field(default_factory=list[Any])
    answers: list[Any] = field(default_factory=list[Any])


async def _play(given: Options) -> Played:
    from memory_r1.flows.ingest import Summary
    from memory_r1.flows.readers import read_conversation, read_questions

    folder = files("memory_r1.flows") / "demo"
    with as_file(folder / "conversation.jsonl") as talk, as_file(folder / "questions.jsonl") as asked:
        turns, questions = read_conversation(talk), read_questions(asked)
    out, played = console(), Played()
    out.quiet = given.json
    async with session(given, make=True) as opened:
        agent = await opened.agent(BANK)
        _show_head(out, given)
        summary = Summary(BANK, len(turns))
        before: Turn | None = None
        for turn in turns:
            _show_turn(out, turn, before)
            before = turn
            learned = await agent.learn(turn, BANK)
            summary.count(learned)
            _show_learned(out, learned, await _named(opened, learned))
            played.turns.append({"turn": plain(turn), "operations": plain(learned.operations)})
        await _show_bank(out, opened, summary)
        for question in questions:
            played.answers.append(await _ask(out, opened, agent, question))
    return played


def _show_head(out: Console, given: Options) -> None:
    models = given.settings.models
    by_rules = set(models.values()) == {"rules"}
    who = "built-in rules, no model" if by_rules else ", ".join(f"{role} {name}" for role, name in models.items())
    out.print(f"Two people talk. What is remembered and answered is decided by: {clean(who)}.", style="bold")


async def _named(opened: Session, learned: Remembered) -> dict[str, Memory]:
    """The memories that the operations name, by id."""
    ids = [*learned.created, *learned.ended]
    ids += [op.target for op in learned.operations if op.kind == "noop" and op.target]
    return {memory.id: memory for memory in await opened.store.memories(BANK, ids)}


def _show_rule(out: Console, title: str) -> None:
    if out.is_terminal:
        out.rule(clean(title), align="left", style="dim")
    else:
        out.print(f"-- {clean(title)} --")


def _show_turn(out: Console, turn: Turn, before: Turn | None) -> None:
    from rich.text import Text

    if before is None or before.session != turn.session:
        out.print()
        _show_rule(out, f"session {turn.session}, {turn.time:%d %B %Y}".replace(", 0", ", "))
    said = turn.text + (f" [{turn.caption}]" if turn.caption else "")
    out.print(Text.assemble((f"{turn.speaker}: ", "bold"), clean(said)))


def _show_learned(out: Console, learned: Remembered, named: dict[str, Memory]) -> None:
    from rich.table import Table
    from rich.text import Text

    created = iter(learned.created)
    lines = Table.grid(padding=(0, 1, 0, 0))
    for width in (2, 6, None):
        lines.add_column(width=width)
    for op in learned.operations:
        new = next(created) if op.kind in ("add", "update") else ""
        colour = COLOURS[op.kind]
        lines.add_row("", Text(op.kind.upper(), f"bold {colour}"), Text(_told(op, new, named), colour))
    for failure in learned.failures:
        told = f"{failure.role}: {failure.kind}: {clean(failure.detail)}"
        lines.add_row("", Text("FAILED", "bold red"), Text(told, "red"))
    if lines.row_count:
        show_grid(out, lines)


def _told(op: Operation, new: str, named: dict[str, Memory]) -> str:
    """One operation in words."""

    def quoted(id: str) -> str:
        return f"{id} “{clean(named[id].text)}”" if id in named else id

    if op.kind == "add":
        return f"{new} {clean(op.text)}"
    if op.kind == "update":
        return f"{new} {clean(op.text)}\n   replaces " + ", ".join(map(quoted, op.targets))
    if op.kind == "delete":
        return ", ".join(map(quoted, op.targets))
    return f"{op.reason}: " + (quoted(op.target) if op.target else clean(op.text))


async def _show_bank(out: Console, opened: Session, summary: Summary) -> None:
    bank = await opened.store.bank(BANK)
    out.print()
    _show_rule(out, "what is remembered")
    out.print(
        f"{summary.turns} turns: {counted(summary.operations)}; {summary.calls} model calls. "
        f"{bank.live} memories are held, {bank.memories - bank.live} more in the history."
    )


async def _ask(out: Console, opened: Session, agent: Agent, question: Asked) -> Any:
    result = await agent.ask(question.text, BANK)
    found = {memory.id: memory for memory in await opened.store.memories(BANK, result.answer.selected)}
    rests = [found[id] for id in result.answer.selected]
    _show_answer(out, result, rests)
    return {
        "question": question.text,
        "answer": result.answer.text,
        "expected": question.answer,
        "memories": plain(rests),
    }


def _show_answer(out: Console, result: Answered, rests: list[Memory]) -> None:
    from rich.table import Table
    from rich.text import Text

    lines = Table.grid(padding=(0, 1, 0, 1))
    lines.add_row(Text("?", "bold"), Text(clean(result.answer.question), "bold"))
    lines.add_row("", Text(clean(result.answer.text), "bold cyan"))
    for memory in rests:
        lines.add_row("", Text(f"{memory.id} {clean(memory.text)} (turn {', '.join(memory.turns)})", "dim"))
    out.print()
    show_grid(out, lines)
