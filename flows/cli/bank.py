"""Commands on banks: banks, memories, history, undo, forget, reembed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from memory_r1.memory.errors import InputError

from .shared import BankOption, Session, day, now, options, run, show, show_json, show_table

if TYPE_CHECKING:
    from memory_r1.memory.types import Bank, Memory, Operation, Revision

MemoryArgument = Annotated[str | None, typer.Argument(metavar="MEMORY", help="The memory's id, as m12.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (memories, history, undo, forget, reembed, banks):
        app.command()(command)


def banks(ctx: typer.Context) -> None:
    """List the banks of the store."""

    async def work(session: Session) -> None:
        show_banks(await session.store.banks())

    def show_banks(found: Sequence[Bank]) -> None:
        if options(ctx).json:
            show_json(found)
        elif not found:
            show("There is no bank yet: memory-r1 ingest FILE --bank NAME makes one.")
        else:
            columns = ("bank", "memories", "turns", "revision", "created", "embedder")
            rows = [(b.id, b.live, b.turns, b.revision, day(b.created), b.embedder) for b in found]
            show_table(columns, rows)

    given = options(ctx)
    path = given.settings.store_path
    if path is not None and not path.exists() and not given.settings.store:
        show_banks([])
    else:
        run(ctx, work)


def memories(
    ctx: typer.Context,
    bank: BankOption,
    as_of: Annotated[int | None, typer.Option(metavar="REVISION", help="Those held right after that revision.")] = None,
) -> None:
    """List what a bank remembers, now or then."""

    async def work(session: Session) -> None:
        if as_of is None:
            found = await session.store.memories(bank)
        else:
            found = await session.store.as_of(bank, as_of)
        if options(ctx).json:
            show_json(found)
        elif not found:
            show(f"Bank {bank} holds no memory{'' if as_of is None else f' at revision {as_of}'}.")
        else:
            show_memories(found)

    run(ctx, work)


def show_memories(found: Sequence[Memory]) -> None:
    """Print memories as a table."""
    rows = [(m.id, day(m.recorded), m.when, m.speaker, " ".join(m.turns), m.text) for m in found]
    show_table(("id", "said", "happened", "speaker", "turns", "memory"), rows)


def history(ctx: typer.Context, bank: BankOption, memory: MemoryArgument = None) -> None:
    """Show how a memory, or the bank, came about.

    All versions of MEMORY; without it, every revision of the bank with its operations.
    """

    async def work(session: Session) -> None:
        if memory is not None:
            versions = await session.store.history(bank, memory)
            show_json(versions) if options(ctx).json else _show_versions(versions)
            return
        state = await session.store.bank(bank)
        log = await session.store.log(state.id)
        show_json(log) if options(ctx).json else _show_log(log)

    run(ctx, work)


def _show_versions(versions: Sequence[Memory]) -> None:
    rows = [(m.id, m.born, _end(m), " ".join(m.turns), m.text) for m in versions]
    show_table(("id", "from revision", "until", "turns", "memory"), rows)


def _end(memory: Memory) -> str:
    if memory.live:
        return "held now"
    return f"{memory.died}: " + (f"became {memory.successor}" if memory.successor else "deleted")


def _show_log(log: Sequence[Revision]) -> None:
    rows = [(r.number, day(r.recorded), " ".join(r.turns) or r.key, "\n".join(described(r)) or "no fact") for r in log]
    show_table(("revision", "recorded", "turn", "operations"), rows)


def described(revision: Revision) -> list[str]:
    """One line for each operation of a revision."""
    created = iter(revision.created)
    return [_described(op, next(created) if op.kind in ("add", "update") else "") for op in revision.operations]


def _described(op: Operation, created: str) -> str:
    if op.kind == "add":
        return f"ADD {created}: {op.text}"
    if op.kind == "update":
        return f"UPDATE {' '.join(op.targets)} to {created}: {op.text}"
    if op.kind == "delete":
        return f"DELETE {' '.join(op.targets)}"
    return "NOOP " + " ".join(part for part in (op.reason, op.target, op.text) if part)


def undo(
    ctx: typer.Context,
    revision: Annotated[int, typer.Argument(min=1, help="The revision, as `history` numbers it.")],
    bank: BankOption,
) -> None:
    """Take one revision back.

    By a new revision: what it added goes, what it ended returns.
    """

    async def work(session: Session) -> None:
        receipt = await session.store.undo(bank, revision, now())
        if options(ctx).json:
            show_json({"revision": receipt.revision, "repeated": receipt.repeated})
        elif receipt.repeated:
            show(f"Revision {revision} was undone before, by revision {receipt.revision.number}; nothing changed.")
        else:
            show(f"Revision {revision} is undone by revision {receipt.revision.number}:")
            for line in described(receipt.revision):
                show(f"  {line}")

    run(ctx, work)


def forget(
    ctx: typer.Context,
    bank: BankOption,
    memory: MemoryArgument = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Erase a memory, or the bank, for good.

    With MEMORY go all its versions and the text of the turns that it comes from; without it goes the whole bank.
    """
    if options(ctx).json and not yes:
        raise InputError("forget asks before it erases, which --json can't answer: add --yes")

    async def work(session: Session) -> None:
        store = session.store
        state = await store.bank(bank)
        if memory is None:
            what = f"bank {bank} with its {state.live} memories and {state.turns} turns"
        else:
            versions = await store.history(bank, memory)
            what = f"memory {memory} ({versions[-1].text!r}), {len(versions)} version(s) and the text of their turns"
        if not yes:
            typer.confirm(f"Erase {what}? It can't be undone.", abort=True)
        if memory is None:
            await store.erase_bank(bank)
        else:
            await store.forget(bank, memory, now())
        show_json({"bank": bank, "memory": memory, "erased": True}) if options(ctx).json else show(f"Erased {what}.")

    run(ctx, work)


def reembed(ctx: typer.Context, bank: BankOption) -> None:
    """Give a bank another embedder.

    Computes all vectors anew with --embedder (the built-in one if none is named): all or nothing.
    """

    async def work(session: Session) -> None:
        before = await session.store.bank(bank)
        after = await session.store.reembed(bank, await session.embedder())
        if options(ctx).json:
            show_json(after)
        else:
            show(f"Bank {bank} was embedded by {before.embedder}; it is embedded by {after.embedder} now.")

    run(ctx, work)
