"""Commands about data sets: data prepare, list, show; `build` has its own file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memory_r1.memory.errors import InputError, MemoryR1Error

from . import build
from .shared import console, options, plain, show, show_json, show_table

if TYPE_CHECKING:
    from memory_r1.rl.tasks.check import Checked
    from memory_r1.rl.tasks.download import OnBytes
    from memory_r1.rl.tasks.prepare import Prepared
    from memory_r1.rl.tasks.sources import Source
    from memory_r1.rl.tasks.types import Task

HELP = """Fetch data sets, check them, tell what they hold, and make training data of them.

They stand in your data folder, or in the folder that the variable MEMORY_R1_DATA names. Each keeps its own licence."""

EPILOG = """\b
Examples:
  memory-r1 data prepare locomo
  memory-r1 data prepare longmemeval-s --from longmemeval_s_cleaned.json
  memory-r1 data prepare nltk
  memory-r1 data build manager --task locomo --out manager.parquet"""

data = typer.Typer(help=HELP, no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `memory-r1 data list` names it.")]
FromOption = Annotated[
    Path | None, typer.Option("--from", metavar="PATH", help="Your copy: the file, its folder or its archive.")
]
UrlOption = Annotated[str, typer.Option("--url", metavar="URL", help="Fetch it from there instead.")]
ShaOption = Annotated[
    str, typer.Option("--sha256", metavar="HEX", help="The checksum that it must have, instead of the published one.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="PATH", help="Read this file instead of the prepared one.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    build.register(data)
    app.add_typer(data, name="data")


@data.command(epilog=EPILOG)
def prepare(
    ctx: typer.Context, name: NameArgument, origin: FromOption = None, url: UrlOption = "", sha256: ShaOption = ""
) -> None:
    """Fetch a data set, or take your copy of it.

    It is put in its place when it has its checksum and can be read as a whole; a copy of yours that isn't the published
    file is taken, too, and the difference told. What is there already is not fetched again.
    """
    from memory_r1.rl.tasks.load import prepare_data
    from memory_r1.rl.tasks.prepare import Wanted

    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise InputError(f"--sha256 {sha256!r} is no SHA-256: it has 64 characters of 0-9 and a-f")
    if url and origin is not None:
        raise InputError("--url and --from exclude each other: give one of them")
    with _progress(name) as on_bytes:
        done, task = prepare_data(Wanted(name, origin, url, sha256), on_bytes)
    if options(ctx).json:
        show_json({"prepared": done, "task": _summary(task)})
        return
    _show_prepared(done)
    if task is not None:
        _show_task(task)


@data.command("list")
def list_(ctx: typer.Context) -> None:
    """What can be prepared, what is, and under which licence."""
    from memory_r1.rl.tasks.prepare import place_of, prepared
    from memory_r1.rl.tasks.sources import SOURCES

    found = {name: prepared(name) for name in SOURCES}
    if options(ctx).json:
        rows = [
            {"name": name, "title": source.title, "licence": source.licence, "url": source.url,
             "sha256": source.sha256, "checksum_from": source.vouched, "path": place_of(name), "prepared": found[name]}
            for name, source in SOURCES.items()
        ]  # fmt: skip
        show_json(rows)
        return
    rows = [(name, _state(found[name]), source.licence, source.title) for name, source in SOURCES.items()]
    show_table(("name", "state", "licence", "what it is"), rows)
    for name, there in found.items():
        show(f"{name}: {there.path if there else 'goes to ' + str(place_of(name))}")


@data.command("show")
def show_(ctx: typer.Context, name: NameArgument, path: DataOption = None) -> None:
    """What a task holds: splits, categories under both names, what was read by rule."""
    from memory_r1.rl.tasks.load import load_task

    task = load_task(name, path)
    if options(ctx).json:
        show_json(_summary(task))
    else:
        _show_task(task)


def _state(there: Prepared | None) -> str:
    if there is None:
        return "missing"
    return {True: "published file", False: "another file", None: "prepared"}[there.published]


def _summary(task: Task | None) -> Any:
    from memory_r1.rl.tasks.summary import summarise

    if task is None:
        return None
    checked, why = _checked(task)
    return {**plain(summarise(task)), "golds": plain(checked), "golds_unchecked": why}


def _checked(task: Task) -> tuple[Checked | None, str]:
    """How the gold answers score, or why that can't be said here; neither without a question."""
    from memory_r1.rl.metrics.mem0 import find_punkt
    from memory_r1.rl.tasks.check import check

    if not any(one.questions for one in task.conversations):
        return None, ""
    try:
        find_punkt()
    except MemoryR1Error as error:
        return None, error.message
    return check(task), ""


def _show_prepared(done: Prepared) -> None:
    from memory_r1.rl.tasks.prepare import source_of

    source = source_of(done.name)
    was = "replaced what was there" if done.replaced else "put in place"
    show(f"{done.name}: {was if done.fresh else 'already there'}: {done.path}")
    show(f"  {source.title} ({source.homepage})")
    show(f"  licence: {source.licence}")
    show(f"  SHA-256 {done.sha256}: {_verdict(done, source)}")


def _verdict(done: Prepared, source: Source) -> str:
    if done.published:
        return f"the published one (as stated by: {source.vouched})"
    if done.published is None:
        return f"of the folder; the published archive's is {source.sha256}, so it can't be compared"
    return f"NOT the published file, whose is {source.sha256}; figures from it compare with nobody's"


def _show_task(task: Task) -> None:
    from memory_r1.rl.tasks.summary import summarise

    summary = summarise(task)
    show("")
    sizes = ("conversations", "sessions", "turns", "questions", "unanswerable", "facts")
    rows = [(name, *(getattr(split, size) for size in sizes)) for name, split in summary.splits.items()]
    show_table(("split", *sizes), rows)
    if summary.columns:
        show("")
        heads = ("category (official)", "column in the paper", *summary.splits)
        rows = [
            (category, column, *(split.categories[category] for split in summary.splits.values()))
            for category, column in summary.columns.items()
        ]
        show_table(heads, rows)
    for what, count in summary.repaired.items():
        show(f"read by rule: {count} x {what}")
    checked, why = _checked(task)
    if why:
        show(f"gold answers not checked: {why}")
    if checked is not None:
        but = ", but:" if checked.exceptions else ""
        show(f"gold answers: {checked.questions} score 1.0, an empty one 0.0, by every measure{but}")
        for what, count in checked.exceptions.items():
            show(f"  {count} x {what}")


@contextmanager
def _progress(name: str) -> Iterator[OnBytes]:
    """A bar of the bytes fetched, on stderr and on a terminal only."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    errors = console(stderr=True)
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)

        def on_bytes(done: int, total: int | None) -> None:
            bar.update(task, total=total, completed=done, visible=True)

        yield on_bytes
