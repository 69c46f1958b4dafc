"""The command that shows what the others do: demo."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import Options, Session, clean, console, counted, options, plain, session, show_grid, show_json

if TYPE_CHECKING:
    from rich.console import Console

    from memory_r1.flows.ingest import Summary
    from memory_r1.flows.readers import Asked
    from memory_r1.flows.stories import Story
    from memory_r1.graphs import Agent, Answered, Remembered
    from memory_r1.memory.types import Memory, Operation, Turn

BANK = "demo"
GOLD = "the world's own facts"
"""Stands for an extractor in what the demo says."""
COLOURS = {"add": "green", "update": "yellow", "delete": "red", "noop": "bright_black"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(demo)


WorldOption = Annotated[
    bool, typer.Option("--world", help="Play a conversation of the synthetic world, as --model tiny does anyway.")
]


def demo(ctx: typer.Context, world: WorldOption = False) -> None:
    """See it work, in seconds and offline.

    Reads a short made-up conversation into a temporary SQLite file, shows every operation as it happens, then answers
    questions and shows the memories that the answers rest on. With --model, that model decides. The policy that the
    package brings (--model tiny) was trained in the synthetic world and plays a conversation of that.
    """
    given = options(ctx)
    world = world or "tiny" in given.settings.models.values()
    with TemporaryDirectory(prefix="memory-r1-demo-") as folder:
        url = f"sqlite:///{Path(folder) / 'demo.db'}"
        result = asyncio.run(_play(Options({**given.values, "store": url}, given.json), world))
    if given.json:
        show_json(asdict(result))


@dataclass
class Played:
    """What the demo did, for --json."""

    turns: list[Any] = field(default_factory=list[Any])
    answers: list[Any] = field(default_factory=list[Any])


async def _play(given: Options, world: bool) -> Played:
    from memory_r1.flows.ingest import Summary
    from memory_r1.flows.stories import made_up, of_world

    story = of_world() if world else made_up()
    out, played = console(), Played()
    out.quiet = given.json
    async with session(given, make=True) as opened:
        models = _players(given, story)
        agent = await _agent(opened, story, models)
        _show_head(out, story, models)
        summary = Summary(BANK, len(story.turns))
        before: Turn | None = None
        for turn in story.turns:
            _show_turn(out, turn, before)
            before = turn
            learned = await agent.learn(turn, BANK)
            summary.count(learned)
            _show_learned(out, learned, await _named(opened, learned))
            played.turns.append({"turn": plain(turn), "operations": plain(learned.operations)})
        await _show_bank(out, opened, summary)
        for question in story.questions:
            played.answers.append(await _ask(out, opened, agent, question))
        if story.facts:
            _show_score(out, played)
    return played


def _players(given: Options, story: Story) -> dict[str, str]:
    """Who plays each role. The gold facts of the world stand in for an extractor that doesn't know its language."""
    from memory_r1.graphs.models import RULES, learned
    from memory_r1.graphs.policies.pinned import pinned

    models = dict(pinned(given.settings.models))
    if story.facts and (models["extractor"] == RULES or "extractor" not in learned(models["extractor"])):
        models["extractor"] = GOLD
    return models


async def _agent(opened: Session, story: Story, models: dict[str, str]) -> Agent:
    """The agent as `models` play it."""
    if models["extractor"] != GOLD:
        return await opened.agent(BANK)
    from memory_r1.rl.world.oracle import GoldExtractor

    return await opened.agent(BANK, GoldExtractor(story.facts))


def _show_head(out: Console, story: Story, models: dict[str, str]) -> None:
    by_rules = set(models.values()) == {"rules"}
    who = "built-in rules, no model" if by_rules else ", ".join(f"{role} {name}" for role, name in models.items())
    out.print(f"{story.opening} What is remembered and answered is decided by: {clean(who)}.", style="bold")


def _show_score(out: Console, played: Played) -> None:
    """How many answers are those expected, letter case aside; a world knows them all."""
    right = sum(one["answer"].casefold() == one["expected"].casefold() for one in played.answers)
    out.print()
    out.print(f"{right} of {len(played.answers)} answers are right.", style="bold")


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
    result = await agent.ask(question.text, BANK, question.time)
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
