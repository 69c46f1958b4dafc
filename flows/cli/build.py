"""The commands that make training data: data build manager, answerer, sft."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from memory_r1.memory.errors import MemoryR1Error

from .shared import Options, clean, console, counted, options, plain, show, show_json

if TYPE_CHECKING:
    from memory_r1.flows.rows import Rows
    from memory_r1.rl.training.banks import OnTurn
    from memory_r1.rl.training.tuples import Summary

HELP = """Make training data: what an episode starts from, checked for leaks, as a Parquet file.

The banks are built by the agent that --model and its siblings name (default: rules). The synthetic world needs none:
its banks are the oracle's, and there are as many rows as you ask for."""

EPILOG = """\b
Examples:
  memory-r1 data build manager --task locomo --out manager.parquet
  memory-r1 data build manager --task world:names=120 --count 2000 --out world.parquet
  memory-r1 data build answerer --task locomo --out answerer.parquet \\
    --manager-model openai:grpo@http://localhost:8001/v1
  memory-r1 data build sft --task world:names=120,conversations=500 --out sft.parquet"""

build = typer.Typer(help=HELP, no_args_is_help=True)

OutOption = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the rows go, all of them or none.")]
TaskOption = Annotated[str, typer.Option(metavar="NAME", help="locomo, longmemeval-oracle, msc, … or world:….")]
WorldOption = Annotated[str, typer.Option("--task", metavar="NAME", help="world, or world:KEY=NUMBER,….")]
SplitOption = Annotated[str, typer.Option(metavar="NAME", help="train, validation or test.")]
DataOption = Annotated[Path | None, typer.Option(metavar="PATH", help="The task's file. Default: what was prepared.")]
CountOption = Annotated[int, typer.Option(min=1, metavar="N", help="How many rows, of the world.")]
TurnsOption = Annotated[int, typer.Option(min=1, metavar="N", help="Steps of a row, of the world; several: a session.")]
BanksOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Keep the banks there for the next build. Default: FILE.banks, until it is done."),
]
WindowOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="The bank holds what the last N turns told; 0: everything.")
]
LinkOption = Annotated[
    str, typer.Option(metavar="WHICH", help="A question belongs to the last of its evidence turns, or to any.")
]
QuestionsOption = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Linked questions of a turn, at most. Default: all; world: 4.")
]
GuardsOption = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Others beside them, to stay right. Default: none; world: 2.")
]
RolesOption = Annotated[str, typer.Option(metavar="NAME,…", help="Whose examples: extractor, manager, answerer.")]
SpoiledOption = Annotated[
    float, typer.Option(min=0, max=1, metavar="SHARE", help="Of the decisions: the bank gets a mistake instead.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(build, name="build")


@build.command(epilog=EPILOG)
def manager(  # noqa: PLR0913, PLR0917 - the options are what they are
    ctx: typer.Context,
    out: OutOption,
    task: TaskOption = "locomo",
    split: SplitOption = "train",
    data: DataOption = None,
    window: WindowOption = 50,
    link: LinkOption = "last",
    questions: QuestionsOption = None,
    guards: GuardsOption = None,
    count: CountOption = 1000,
    turns: TurnsOption = 1,
    banks: BanksOption = None,
) -> None:
    """Rows of the manager: the bank before a turn, the turn's facts, the questions linked to it (algorithm 1).

    Turns without a linked question are left out, as in the paper. Stop it whenever you like: the same command goes on
    there. Of the world there are rows for every right operation, balanced, and `--turns` makes sessions of them.
    """
    from memory_r1.flows.rows import Rows
    from memory_r1.rl.training.build import Wanted
    from memory_r1.rl.training.tuples import Link, Linking
    from memory_r1.rl.training.world_rows import Choice

    limits: dict[str, Any] = {name: n for name, n in (("questions", questions), ("guards", guards)) if n is not None}
    linking = Linking(window=window, link=cast("Link", link), **limits)
    wanted = Wanted("manager", split, out)
    _build(options(ctx), Rows(wanted, task, data, count, turns, Choice(**limits), linking, banks))


@build.command(epilog=EPILOG)
def answerer(  # noqa: PLR0913, PLR0917 - the options are what they are
    ctx: typer.Context,
    out: OutOption,
    task: TaskOption = "locomo",
    split: SplitOption = "train",
    data: DataOption = None,
    count: CountOption = 1000,
    banks: BanksOption = None,
) -> None:
    """Rows of the answerer: a question and the bank of its whole conversation (algorithm 2).

    Build the bank with the manager that you trained: --manager-model. The graph finds the candidates in each rollout.
    Of the world there are questions at any moment, of all categories alike.
    """
    from memory_r1.flows.rows import Rows
    from memory_r1.rl.training.build import Wanted

    _build(options(ctx), Rows(Wanted("answerer", split, out), task, data, count, banks=banks))


@build.command(epilog=EPILOG)
def sft(
    ctx: typer.Context,
    out: OutOption,
    task: WorldOption = "world",
    split: SplitOption = "train",
    roles: RolesOption = "manager,answerer",
    spoiled: SpoiledOption = 0.0,
) -> None:
    """Examples with the right reply, for supervised fine-tuning: of the synthetic world only.

    Only its oracle knows the right operation and answer; no published data set states them. `conversations` of the
    task's name says how many worlds.
    """
    from memory_r1.rl.training.sft import Taught, count_kinds
    from memory_r1.rl.training.sft_file import read_roles, world_examples, world_options, write_examples

    given, wanted, how = options(ctx), read_roles(roles), Taught(spoiled=spoiled)
    made = asyncio.run(world_examples(world_options(task), split, how, wanted))
    write_examples(out, made, {"task": task, "split": split, "roles": wanted, **asdict(how)})
    counts = count_kinds(made)
    if given.json:
        show_json({"path": out, "examples": len(made), "kinds": counts})
        return
    show(f"{out}: {len(made)} examples")
    show(counted(counts))


def _build(given: Options, asked: Rows) -> None:
    from memory_r1.flows.rows import build_rows, by_oracle
    from memory_r1.rl.tasks import load_task

    asked = replace(asked, gold=not given.values.get("extractor_model"))
    if by_oracle(given.settings, asked.task):
        summary = build_rows(asked, given.settings)
    else:
        conversations = load_task(asked.task, asked.data).split(asked.wanted.split)
        with _progress(sum(len(one.turns) for one in conversations)) as on_turn:
            summary = build_rows(asked, given.settings, on_turn)
    _report(given, asked.wanted.out, summary)


@contextmanager
def _progress(turns: int) -> Iterator[OnTurn]:
    """A bar of the turns read, with the time left, on stderr and on a terminal only."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    errors = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
        task = bar.add_task("turns", total=turns)

        def on_turn(conversation: str, done: int, total: int) -> None:
            bar.update(task, advance=1, description=clean(f"{conversation}: turn {done} of {total}"))

        try:
            yield on_turn
        except (asyncio.CancelledError, MemoryR1Error):
            bar.stop()
            typer.echo("Stopped: what was built is kept, and the same command goes on there.", err=True)
            raise


def _report(given: Options, out: Path, summary: Summary) -> None:
    if given.json:
        found: dict[str, Any] = plain(summary)
        show_json({"path": str(out), **found})
        return
    steps = f", {summary.steps} steps" if summary.steps not in (0, summary.rows) else ""
    show(f"{out}: {summary.rows} rows{steps}, {summary.memories:.0f} memories in a bank on average")
    if summary.linked is not None:
        show(f"  {summary.linked} turns have a linked question, {summary.steps} of them facts, too: a row each")
    show(f"  {summary.questions} questions, {summary.pairs} askings: {counted(summary.categories)}")
    if summary.right:
        show(f"  right operations: {counted(summary.right)}")
    for reason, count in (summary.failed or {}).items():
        show(f"  {count} x {reason}")
