"""Commands on files: export, import."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from memory_r1.memory.durable import write_whole
from memory_r1.memory.errors import InputError

from .shared import BankOption, Session, options, run, show, show_json


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("export")(export)
    app.command("import")(import_bank)


def export(
    ctx: typer.Context,
    bank: BankOption,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - is stdout.")] = Path("-"),
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Write a bank to a file.

    As JSON lines, with its history and vectors: import makes the same bank of it, in any store.
    """
    to_stdout = str(file) == "-"
    if file.exists() and not force and not to_stdout:
        raise InputError(f"{str(file)!r} exists: give another name, or --force to replace it")

    async def work(session: Session) -> None:
        from memory_r1.memory.transfer import to_lines

        dump = await session.store.dump(bank)
        if to_stdout:
            for line in to_lines(dump):
                sys.stdout.write(line)
            return
        try:
            write_whole(file, "".join(to_lines(dump)).encode(), private=True)
        except OSError as error:
            raise InputError(f"can't write {str(file)!r}: {error.strerror}") from None
        counts = {"turns": len(dump.turns), "memories": len(dump.memories), "revisions": len(dump.log)}
        if options(ctx).json:
            show_json({"bank": bank, "file": str(file), **counts})
        else:
            show(f"Wrote {file}: " + ", ".join(f"{name} {count}" for name, count in counts.items()) + ".")

    run(ctx, work)


def import_bank(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What export wrote; - is stdin.")],
    bank: Annotated[str | None, typer.Option("--bank", "-b", metavar="NAME", help="Another name for the bank.")] = None,
) -> None:
    """Read a bank that export wrote.

    All or nothing; the store must not have a bank of that name.
    """

    async def work(session: Session) -> None:
        from memory_r1.memory.transfer import from_lines, renamed

        if str(file) == "-":
            dump = from_lines(sys.stdin, "stdin")
        else:
            try:
                with file.open(encoding="utf-8", newline="\n") as lines:
                    dump = from_lines(lines, str(file))
            except OSError as error:
                raise InputError(f"can't read {str(file)!r}: {error.strerror}") from None
        state = await session.store.load(renamed(dump, bank) if bank else dump)
        if options(ctx).json:
            show_json(state)
        else:
            show(f"Bank {state.id} is there: memories {state.live}, turns {state.turns}, revisions {state.revision}.")

    run(ctx, work, make=True)
