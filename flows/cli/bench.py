"""Commands that measure: bench turn, search, write, size, fork, train, overhead, recall, world."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import Options, console, options, plain, show, show_json, show_table

if TYPE_CHECKING:
    from memory_r1.rl.bench.made import Table
    from memory_r1.rl.tasks.locomo import Conversation

HELP = """Measure speed and quality, and print the machine and the command with the figures.

Speed is measured on a temporary SQLite file, or on the store that --store names; the banks made are erased again.
Set OPENBLAS_NUM_THREADS=1 for figures that can be compared."""

app = typer.Typer(help=HELP, no_args_is_help=True)

TurnsOption = Annotated[int, typer.Option(min=40, metavar="N", help="Turns to read.")]
SizesOption = Annotated[str, typer.Option(metavar="N,N", help="Memories in each bank.")]
SizeOption = Annotated[int, typer.Option(min=1, metavar="N", help="Memories in the bank.")]
LocomoArgument = Annotated[Path, typer.Argument(metavar="FILE", help="LoCoMo's locomo10.json.")]
WorldsOption = Annotated[int, typer.Option(min=1, metavar="N", help="Worlds of the test split to spoil.")]
SeedOption = Annotated[int, typer.Option(min=0, metavar="N", help="The seed of the worlds.")]
OverheadTurnsOption = Annotated[int, typer.Option("--turns", min=40, metavar="N", help="Turns whose work is measured.")]
OverheadSizeOption = Annotated[int, typer.Option("--size", min=40, metavar="N", help="Memories that are searched.")]
SystemsOption = Annotated[str, typer.Option(metavar="NAME,NAME", help="Libraries to measure.")]
StepsOption = Annotated[int, typer.Option(min=2, metavar="N", help="Steps of each; the first is not counted.")]
AnswererOption = Annotated[
    str, typer.Option("--answerer", metavar="MODEL", help="The frozen answerer. Default: the policy itself.")
]
CountOption = Annotated[int, typer.Option(min=1, metavar="N", help="How often.")]
BanksOption = Annotated[int, typer.Option(min=1, metavar="N", help="Banks to load.")]
FolderOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="With --store: where its server, on this machine, keeps its data.")
]


@app.command()
def turn(ctx: typer.Context, turns: TurnsOption = 1_000) -> None:
    """Own processor time of one turn, at both ends of a growing bank."""
    from memory_r1.rl.bench.turn import turn as measure

    _report(ctx, measure(_store(ctx), turns))


@app.command()
def search(ctx: typer.Context, sizes: SizesOption = "300,1000,10000") -> None:
    """Time of a search, by the size of the bank."""
    from memory_r1.memory.errors import InputError
    from memory_r1.rl.bench.search import search as measure

    parts = [part.strip() for part in sizes.split(",")]
    if not all(part.isascii() and part.isdecimal() and int(part) for part in parts):
        raise InputError(f"--sizes {sizes!r} is no list of numbers: write it as 300,1000,10000")
    _report(ctx, measure(_store(ctx), [int(part) for part in parts]))


@app.command()
def write(ctx: typer.Context, count: CountOption = 200, size: SizeOption = 1_000) -> None:
    """Time of a durable write."""
    from memory_r1.rl.bench.write import write as measure

    _report(ctx, measure(_store(ctx), count, size))


@app.command()
def size(
    ctx: typer.Context, banks: BanksOption = 100, memories: SizeOption = 300, folder: FolderOption = None
) -> None:  # fmt: skip
    """Bytes on the disk for each memory, with its turn, its log entry, its vector and the indexes."""
    from memory_r1.rl.bench.size import size as measure

    _report(ctx, measure(_store(ctx), banks, memories, folder))


@app.command()
def fork(ctx: typer.Context, count: CountOption = 500, size: SizeOption = 300) -> None:
    """Time of a rollout's own bank: fork, apply, search; in memory."""
    from memory_r1.rl.bench.fork import fork as measure

    _report(ctx, measure(size, count))


@app.command()
def train(ctx: typer.Context, steps: StepsOption = 8, answerer: AnswererOption = "") -> None:
    """Where the seconds of a training step of 48 decisions go, by GRPO and PPO; --model FOLDER is the policy."""
    from memory_r1.rl.bench.train import train as measure

    model = options(ctx).values.get("model") or "tiny"
    beside = model if model == "tiny" else f"local:{model.removeprefix('local:')}"
    _report(ctx, measure(model, answerer or beside, steps))


@app.command()
def overhead(
    ctx: typer.Context, turns: OverheadTurnsOption = 200, size: OverheadSizeOption = 1_000,
    systems: SystemsOption = "memory-r1,mem0,langmem,zep",
) -> None:  # fmt: skip
    """What each library does itself for a turn and a search, this one beside others, and each as multiples of ours.

    The others must be installed (`memory-r1 systems install NAME`); zep needs --store neo4j://… as well.
    """
    _report(ctx, _overhead(options(ctx), [name.strip() for name in systems.split(",")], turns, size))


async def _overhead(given: Options, systems: Sequence[str], turns: int, size: int) -> Table:
    from memory_r1.memory.settings import make_embedder
    from memory_r1.rl.bench.overhead import Plan
    from memory_r1.rl.bench.overhead import overhead as measure

    password = given.settings.store_password.get_secret_value()
    plan = Plan(turns, size, given.values.get("store") or "", password)
    errors = console(stderr=True)
    tell = errors.print if errors.is_terminal else lambda line: None
    return await measure(systems, await make_embedder(given.settings), plan, tell)


@app.command()
def recall(ctx: typer.Context, file: LocomoArgument) -> None:
    """Share of LoCoMo's evidence turns that a search finds."""
    from memory_r1.rl.tasks.locomo import load_locomo

    _report(ctx, _recalled(options(ctx), load_locomo(file)))


@app.command()
def world(ctx: typer.Context, worlds: WorldsOption = 20, seed: SeedOption = 0) -> None:
    """What one wrong operation changes in the answers about a synthetic world; in percent."""
    from memory_r1.rl.bench.world import world as measure

    _report(ctx, measure(worlds, seed))


async def _recalled(given: Options, conversations: Sequence[Conversation]) -> Table:
    from memory_r1.memory.settings import make_embedder
    from memory_r1.rl.bench.recall import recall as measure

    return await measure(conversations, await make_embedder(given.settings), _named(given) or "memory")


def _store(ctx: typer.Context) -> str:
    """The store that the command line names, else a temporary SQLite file."""
    return _named(options(ctx)) or "sqlite"


def _named(given: Options) -> str:
    """The store that the command line names, with its password; "" if it names none."""
    from memory_r1.memory.stores.open import with_password

    return with_password(given.values.get("store") or "", given.settings.store_password.get_secret_value())


def _report(ctx: typer.Context, measure: Coroutine[Any, Any, Table]) -> None:
    table = asyncio.run(measure)
    if options(ctx).json:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        show_json({"bench": table.name, "note": table.note, "machine": plain(table.machine), "rows": rows})
        return
    show(f"{table.name}: {table.note}")
    for name, value in table.machine.items():
        show(f"  {name:10} {value}")
    show("")
    show_table([name.replace("_", " ") for name in table.columns], table.rows)
