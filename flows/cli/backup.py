"""Commands that keep a copy of all banks: backup, restore."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memory_r1.memory.errors import InputError

from .shared import Session, console, options, run, show, show_json

if TYPE_CHECKING:
    from memory_r1.memory.backup import BackedUp
    from memory_r1.memory.backup_folder import Report
    from memory_r1.memory.restore import Restored

FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the back-up.")]
BanksOption = Annotated[
    list[str] | None, typer.Option("--bank", "-b", metavar="NAME", help="Only this bank. May be repeated.")
]
ForgetOption = Annotated[
    list[str] | None,
    typer.Option("--forget", metavar="NAME", help="Back nothing up: erase this bank from DIR. May be repeated."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
AsOption = Annotated[str, typer.Option("--as", metavar="NEW", help="Restore the one bank under another name.")]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="In the place of the banks that the store holds.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Restore nothing: only verify. Needs no store.")]
ErasedOption = Annotated[
    list[Path] | None,
    typer.Option("--erased", metavar="FILE", help="The erased.jsonl of a newer back-up, which counts here, too."),
]

BACKUP_EPILOG = """\b
Examples:
  memory-r1 backup /backups/memory
  memory-r1 backup /backups/memory --store neo4j://neo4j@localhost:7687/neo4j
  memory-r1 backup /backups/older --forget anna"""

RESTORE_EPILOG = """\b
Examples:
  memory-r1 restore /backups/memory --check
  memory-r1 restore /backups/memory --store sqlite:///new.db
  memory-r1 restore /backups/memory --bank anna --as anna-yesterday"""


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(epilog=BACKUP_EPILOG)(backup)
    app.command(epilog=RESTORE_EPILOG)(restore)


def backup(
    ctx: typer.Context,
    folder: FolderArgument,
    bank: BanksOption = None,
    forget: ForgetOption = None,
    yes: YesOption = False,
) -> None:
    """Copy all banks into a folder, while others write.

    Each bank at one revision, in a file of its own; banks that did not change are not written again. Stop it whenever
    you like: the back-up before it stands, and the same command goes on. What `forget` erased from the store since is
    erased from the folder.
    """
    if forget:
        _forget(ctx, folder, forget, yes)
        return

    async def work(session: Session) -> BackedUp:
        from memory_r1.memory.backup import back_up

        with _progress() as report:
            return await back_up(session.store, folder, bank or (), report=report)

    done = run(ctx, work)
    show_json(done) if options(ctx).json else _show_backup(done)


def _forget(ctx: typer.Context, folder: Path, banks: list[str], yes: bool) -> None:
    from memory_r1.memory.backup import erase_from

    if not yes:
        if options(ctx).json:
            raise InputError("backup --forget asks before it erases, which --json can't answer: add --yes")
        typer.confirm(f"Erase {', '.join(banks)} from the back-up {folder}? It can't be undone.", abort=True)
    held = {name: erase_from(folder, name) for name in banks}
    if options(ctx).json:
        show_json({"folder": str(folder), "erased": held})
        return
    for name, was_there in held.items():
        found = "is erased from" if was_there else "was not in"
        show(f"Bank {name} {found} {folder}; no older copy of it comes back from here.")


def _show_backup(done: BackedUp) -> None:
    show(
        f"Back-up in {done.folder}: banks written {done.written} ({done.bytes / 1e6:.1f} MB), "
        f"unchanged {done.unchanged}, erased {done.erased}."
    )
    if done.missing:
        show(f"{done.missing} bank(s) of the back-up are not in this store, though nobody erased them: they are kept.")


def restore(  # noqa: PLR0913, PLR0917 - the options are what they are
    ctx: typer.Context,
    folder: FolderArgument,
    bank: BanksOption = None,
    name: AsOption = "",
    replace: ReplaceOption = False,
    check: CheckOption = False,
    erased: ErasedOption = None,
) -> None:
    """Bring banks back from a back-up.

    All files are verified first; then each bank appears as a whole or not at all. Banks that are there exactly so are
    left alone, so the same command goes on after a stop. What was erased since the back-up does not come back.
    """
    if check:
        _check(ctx, folder, bank or [])
        return

    async def work(session: Session) -> Restored:
        from memory_r1.memory.backup_folder import read_erased
        from memory_r1.memory.restore import How
        from memory_r1.memory.restore import restore as bring_back

        lists = [record for path in erased or () for record in read_erased(path)]
        with _progress() as report:
            how = How(name, replace, tuple(lists))
            return await bring_back(session.store, folder, bank or (), how, report=report)

    done = run(ctx, work, make=True)
    show_json(done) if options(ctx).json else _show_restored(done)


def _check(ctx: typer.Context, folder: Path, banks: list[str]) -> None:
    from memory_r1.memory.restore import verify

    with _progress() as report:
        manifest = verify(folder, banks, report=report)
    entries = [entry for name, entry in manifest.banks.items() if not banks or name in banks]
    size = sum(entry.bytes for entry in entries)
    if options(ctx).json:
        checked = {"banks": len(entries), "bytes": size, "finished": manifest.finished, "store": manifest.store}
        show_json({"folder": str(folder), **checked})
    else:
        finished = f"{manifest.finished:%Y-%m-%d %H:%M} UTC"
        show(f"Back-up in {folder} of {finished}: {len(entries)} bank(s), {size / 1e6:.1f} MB, all of it sound.")


def _show_restored(done: Restored) -> None:
    show(f"Restored from {done.folder}: banks {done.restored}, there already {done.there}.")
    if done.again:
        show(f"From {done.again} of them memories were erased again that were forgotten after the back-up.")
    if done.erased:
        show(f"Not brought back, because they were erased after the back-up: {len(done.erased)} bank(s).")


@contextmanager
def _progress() -> Generator[Report]:
    """A bar on stderr, on a terminal only."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    errors = console(stderr=True)
    columns = (
        TextColumn("banks"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bank]}"),
    )
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None, bank="")
        yield lambda bank, done, total: bar.update(task, total=total, completed=done, bank=bank)
