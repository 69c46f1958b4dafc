"""Commands that put conversations in: ingest, retry, chat."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memory_r1.memory.errors import InputError, MemoryR1Error

from .shared import BankOption, Session, console, counted, options, run, show, show_json

if TYPE_CHECKING:
    from memory_r1.flows.ingest import OnTurn, Summary

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="LoCoMo's JSON, or JSON lines.")]
SampleOption = Annotated[
    str | None, typer.Option(metavar="ID", help="Which conversation of a LoCoMo file, as conv-26.", show_default=False)
]
LimitOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="Read the first N turns only.")]
SpeakerOption = Annotated[str, typer.Option(metavar="NAME", help="Who you are.")]

INGEST_EPILOG = """\b
A line of a JSON-lines file is one turn; session, id and caption may be left out:
  {"speaker": "Anna", "text": "I moved to Oslo.", "time": "2024-05-01T10:00", "session": "1", "id": "7"}

\b
Examples:
  memory-r1 ingest chat.jsonl --bank anna
  memory-r1 ingest locomo10.json --sample conv-26 --bank conv-26 --limit 50"""


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(epilog=INGEST_EPILOG)(ingest)
    app.command()(retry)
    app.command()(chat)


def ingest(
    ctx: typer.Context, file: FileArgument, bank: BankOption, sample: SampleOption = None, limit: LimitOption = None
) -> None:
    """Read a conversation into a bank.

    Turn by turn, each durable as soon as it is counted. Stop it whenever you like: the same command goes on where it
    was, asks no model again and stores nothing twice.
    """
    from memory_r1.flows.readers import read_conversation

    turns = read_conversation(file, sample)[:limit]

    async def work(session: Session) -> Summary:
        from memory_r1.flows.ingest import ingest as read_in

        agent = await session.agent(bank)
        with _progress() as step:
            return await read_in(agent, bank, turns, step)

    summary = run(ctx, work, make=True)
    show_json(summary) if options(ctx).json else _show_summary(summary)


def retry(ctx: typer.Context, bank: BankOption) -> None:
    """Take the turns once more in which a model failed.

    Their words are in the bank, and the failures in its history. What such a turn gave already is not stored twice.
    """

    async def work(session: Session) -> Summary:
        from memory_r1.flows.ingest import retry as take_again

        agent = await session.agent(bank)
        with _progress() as step:
            return await take_again(agent, bank, step)

    summary = run(ctx, work)
    show_json(summary) if options(ctx).json else _show_summary(summary)


@contextmanager
def _progress() -> Iterator[OnTurn]:
    """A bar with the time left, on stderr and on a terminal only. An ingestion that ends early says how to go on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    last: list[Summary] = []
    left = TextColumn("{task.fields[operations]}")
    errors = console(stderr=True)
    columns = (TextColumn("turns"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), left)
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None, operations="")

        def step(summary: Summary) -> None:
            last[:] = [summary]
            bar.update(task, total=summary.total, completed=summary.done, operations=counted(summary.operations))

        try:
            yield step
        except (asyncio.CancelledError, MemoryR1Error):
            bar.stop()
            if last and last[0].done:
                stored = f"{last[0].done} of {last[0].total} turns are stored"
                typer.echo(f"Stopped: {stored}; the same command goes on there.", err=True)
            raise


def _show_summary(summary: Summary) -> None:
    before = f", {summary.known} were known" if summary.known else ""
    show(f"Bank {summary.bank}: {summary.turns} turns read{before}.")
    if summary.turns:
        show(f"Operations: {counted(summary.operations) or 'none'}. Model calls: {summary.calls}.")
    if summary.failures:
        show(
            f"Failures: {counted(summary.failures)}. `memory-r1 history --bank {summary.bank}` shows where, "
            f"`memory-r1 retry --bank {summary.bank}` takes these turns once more."
        )


def chat(ctx: typer.Context, bank: BankOption, speaker: SpeakerOption = "User") -> None:
    """Talk to the agent. It remembers what you say.

    And it answers what you ask. An empty line or Ctrl-D ends it.
    """
    if options(ctx).json:
        raise InputError("chat is for people: use ingest and ask with --json")

    async def work(session: Session) -> None:
        agent = await session.agent(bank)
        config: Any = {"configurable": {"bank": bank, "speaker": speaker, "session": _session()}}
        while said := _prompt(speaker):
            message = {"role": "user", "content": said}
            result: Mapping[str, Any] = await agent.agent.ainvoke({"messages": [message]}, config)
            show(result["messages"][-1].text)

    run(ctx, work, make=True)


def _session() -> str:
    from datetime import datetime

    return f"chat-{datetime.now():%Y%m%dT%H%M%S}"


def _prompt(speaker: str) -> str:
    """What the user types next; "" at the end. Ctrl-C is an ordinary KeyboardInterrupt meanwhile, not asyncio's."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input(f"{speaker}: " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return ""
    except KeyboardInterrupt:
        typer.echo(err=True)
        raise
    finally:
        signal.signal(signal.SIGINT, before)
