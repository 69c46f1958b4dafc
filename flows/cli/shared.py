"""What every command shares: options, opening the store, running, printing, and what an error becomes."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from memory_r1.memory.errors import (
    DataUnavailableError,
    InputError,
    MemoryR1Error,
    MissingExtraError,
    ModelUnavailableError,
    StoreUnavailableError,
    UnknownBankError,
    UnknownMemoryError,
    UnknownPolicyError,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from memory_r1.graphs import Agent, Extractor
    from memory_r1.memory.embedders import Embedder
    from memory_r1.memory.settings import Settings
    from memory_r1.memory.store import Store

EXIT_CODES: Mapping[type[MemoryR1Error], int] = {
    InputError: 2,
    DataUnavailableError: 4,
    UnknownBankError: 3,
    UnknownMemoryError: 3,
    UnknownPolicyError: 3,
    StoreUnavailableError: 4,
    ModelUnavailableError: 4,
    MissingExtraError: 4,
    MemoryR1Error: 1,
}
"""The exit status of each error; the first that fits counts. 0 is success, 130 Ctrl-C."""

BankOption = Annotated[str, typer.Option("--bank", "-b", envvar="MEMORY_R1_BANK", metavar="NAME", help="The bank.")]
ConversationsOption = Annotated[
    int | None, typer.Option("--limit-conversations", min=1, metavar="N", help="The first N of the split only.")
]
QuestionsOption = Annotated[
    int | None, typer.Option("--limit-questions", min=1, metavar="N", help="The first N of each conversation only.")
]

T = TypeVar("T")

SHORT = 20
"""Characters of a table cell that is never wrapped."""

_CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}


@dataclass
class Options:
    """The global options as the command line gave them; None leaves one to the environment."""

    values: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    json: bool = False

    @cached_property
    def settings(self) -> Settings:
        """The settings in force. Raises SettingsError."""
        from memory_r1.memory.settings import load_settings

        return load_settings(self.values)


@dataclass
class Session:
    """An open store, for the time of one command."""

    options: Options
    store: Store
    closing: AsyncExitStack

    async def embedder(self, bank: str = "") -> Embedder:
        """The embedder of the settings; if they name none, that of the bank, and for a new bank the built-in one."""
        from memory_r1.memory.settings import make_embedder

        stored = ""
        if bank:
            with suppress(UnknownBankError):
                stored = (await self.store.bank(bank)).embedder
        return await make_embedder(self.options.settings, stored)

    async def agent(self, bank: str, extractor: Extractor | None = None) -> Agent:
        """The agent over this store, with the models of the settings and the embedder for `bank`.

        `extractor`: plays that role instead of its model.
        """
        from memory_r1.graphs import ModelOptions, build_agent, load_limits, load_roles
        from memory_r1.graphs import Settings as AgentSettings
        from memory_r1.graphs.policies.pinned import pinned

        settings = self.options.settings
        calls = ModelOptions(api_key=settings.api_key.get_secret_value())
        models = pinned({**settings.models, **({"extractor": "rules"} if extractor else {})})
        roles = load_roles(models, calls)
        self.closing.push_async_callback(roles.close)
        if extractor:
            roles = replace(roles, extractor=extractor)
        how = AgentSettings(load_limits(models), calls)
        return build_agent(self.store, await self.embedder(bank), roles=roles, settings=how)


def options(ctx: typer.Context) -> Options:
    """The global options of the running command."""
    return ctx.find_object(Options) or Options()


@asynccontextmanager
async def session(given: Options, make: bool = False) -> AsyncIterator[Session]:
    """The store that the settings name, open. Only with `make` does a missing SQLite file come into being.

    Raises UnknownBankError when there is no such file, and what `make_store` raises.
    """
    from memory_r1.memory.settings import make_store

    path = given.settings.store_path
    if path is not None and not make and not path.exists():
        raise UnknownBankError(f"there is no store {str(path)!r} yet: `memory-r1 ingest` makes it, or give --store")
    async with AsyncExitStack() as closing:
        store = await closing.enter_async_context(await make_store(given.settings))
        yield Session(given, store, closing)


def run(ctx: typer.Context, work: Callable[[Session], Coroutine[Any, Any, T]], make: bool = False) -> T:
    """What `work` returns, given an open session (see `session`)."""

    async def opened() -> T:
        async with session(options(ctx), make) as open_session:
            return await work(open_session)

    return asyncio.run(opened())


def fail(error: MemoryR1Error, as_json: bool) -> int:
    """Print what went wrong and what to do, on stderr; returns the exit status."""
    if as_json:
        line = json.dumps({"error": type(error).__name__, "message": error.message}, ensure_ascii=False)
        typer.echo(line, err=True)
    else:
        from rich.text import Text

        errors = console(stderr=True)
        errors.print(Text.assemble(("error: ", "bold red"), (clean(error.message), "red")), soft_wrap=True)
    return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))


def clean(text: str) -> str:
    """`text` without control characters, which a terminal would obey: what is stored is data."""
    return text.translate(_CONTROLS)


def counted(counts: Mapping[str, int]) -> str:
    """As "3 add, 1 update"."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def day(time: datetime) -> str:
    """The day of `time`, as 2024-05-01."""
    return time.date().isoformat()


def now() -> datetime:
    """The time now, by the second, as the user's clock shows it: what the user does himself is recorded then."""
    return datetime.now().replace(microsecond=0)


def console(stderr: bool = False) -> Console:
    """A console on stdout (or stderr): colours on a terminal only, and nothing cut off when read by a program."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else 200, markup=False, highlight=False, emoji=False)


def show(text: str) -> None:
    """Print `text` on stdout as it is, but for control characters."""
    typer.echo(clean(text))


def plain(value: Any) -> Any:
    """`value` (a dataclass, or a list of them) as JSON has it."""
    from pydantic import TypeAdapter

    return TypeAdapter[Any](Any).dump_python(value, mode="json")


def show_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False, indent=2))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: numbers to the right, long texts wrapped, no colour unless a cell is a rich Text."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    every = [[cell if isinstance(cell, Text) else clean(str(cell)) for cell in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, name in enumerate(columns):
        cells = [str(row[at]) for row in every]
        side: Any = "right" if cells and all(re.fullmatch(r"-?\d+(\.\d+)?", cell) for cell in cells) else "left"
        table.add_column(name, justify=side, overflow="fold", no_wrap=all(len(cell) <= SHORT for cell in cells))
    for row in every:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    show_grid(console(), table)


def show_grid(out: Console, grid: Table) -> None:
    """Print `grid` on `out`; for a program without the spaces and empty lines that fill a terminal."""
    if out.is_terminal or out.quiet:
        out.print(grid)
        return
    with out.capture() as printed:
        out.print(grid)
    lines = [line.rstrip() for line in printed.get().splitlines()]
    typer.echo("\n".join(line for line in lines if line))
