"""Backs banks up into a folder, while others write: each at one revision, only those that changed, and resumed.

What the store erased since is erased from the back-up by the same run. `restore` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from memory_r1.memory.archive import head_of, sha256_of, write_bank
from memory_r1.memory.backup_folder import Coverage, Entry, Folder, Manifest, Report, explained, quiet
from memory_r1.memory.erased import Erased
from memory_r1.memory.errors import ConflictError, CorruptStoreError, StoreError, UnknownBankError
from memory_r1.memory.store import Store
from memory_r1.memory.types import Bank

Clock = Callable[[], datetime]


@dataclass
class BackedUp:
    """What a run did: banks `written` anew, `unchanged` since the last run, `erased` from the back-up because the store
    erased them, `missing` in the store though nobody erased them (their files are kept), `failed` with the reason.
    `bytes`: the size of the files written.
    """

    folder: str
    written: int = 0
    unchanged: int = 0
    erased: int = 0
    missing: int = 0
    bytes: int = 0
    failed: dict[str, str] = field(default_factory=dict[str, str])


def utc_now() -> datetime:
    """The time now, by the second."""
    return datetime.now(UTC).replace(microsecond=0)


async def back_up(
    store: Store, folder: Path, banks: Collection[str] = (), *, clock: Clock = utc_now, report: Report = quiet
) -> BackedUp:
    """Write every bank of the store, or those of `banks`, into `folder`, unless it holds them as they are.

    The back-up that stood there stands until the new one is complete; a run that was killed leaves it and is gone on
    with by the next. Holds one page of a bank, and an entry for each bank.
    Raises UnknownBankError; StoreUnavailableError (the store or the folder), with what was finished kept; InputError
    when the folder holds something else; and at the end, with all other banks done, StoreError for those that could
    not be read.
    """
    place = Folder.made(folder)
    with place.locked():
        run = _Run(store, place, place.learn(await store.erased()))
        done = await run.banks(banks, report)
        place.finish(Manifest(store=store.kind, finished=clock(), banks=run.entries))
    if done.failed:
        first, why = next(iter(done.failed.items()))
        raise StoreError(
            f"{len(done.failed)} bank(s) are not in this back-up as they are now, all others are. {first!r}: {why}",
            failed=done.failed,
        )
    return done


def erase_from(folder: Path, bank: str, *, clock: Clock = utc_now) -> bool:
    """Erase a bank from the back-up, for good: no `restore` from it, or with its list, brings the bank back.

    Returns whether the back-up held it. A bank of that name that is made and backed up later is another one.
    """
    place = Folder.there(folder)
    with place.locked():
        place.learn([Erased.of_bank(uuid4().hex, bank)])
        before = place.manifest()
        held = {**(before.banks if before else {}), **place.progress()}
        left = {name: entry for name, entry in held.items() if name != bank}
        place.finish(Manifest(store=before.store if before else "", finished=clock(), banks=left))
    return bank in held


class _Run:
    """One run. `entries`: what the back-up holds so far."""

    def __init__(self, store: Store, place: Folder, erased: list[Erased]) -> None:
        before = place.manifest()
        progress = place.progress()
        self.store, self.place, self.known = store, place, len(erased)
        held: Mapping[str, Entry] = {**(before.banks if before else {}), **progress}
        coverage = Coverage(erased, ())
        self.entries = {name: entry for name, entry in held.items() if not coverage.whole(entry)}
        self.done = BackedUp(str(place.path), erased=len(held) - len(self.entries))
        self.gone = held.keys() - self.entries.keys()
        place.begin({name: entry for name, entry in progress.items() if name in self.entries})

    async def banks(self, names: Collection[str], report: Report) -> BackedUp:
        """Back the named banks up, or all."""
        states = {state.id: state for state in await self.store.banks()}
        for name in names:
            if name not in states and name not in self.entries and name not in self.gone:
                raise UnknownBankError.of(name)
        wanted = [state for name, state in states.items() if not names or name in names]
        self.done.missing = sum(name not in states for name in self.entries if not names or name in names)
        for at, state in enumerate(wanted):
            report(state.id, at, len(wanted))
            try:
                await self._bank(state)
            except (ConflictError, CorruptStoreError) as error:
                self.done.failed[state.id] = error.message
            except UnknownBankError:  # erased a moment ago: the next run takes its file away
                self.done.missing += 1
        return self.done

    async def _bank(self, state: Bank) -> None:
        old = self.entries.get(state.id)
        if old is not None and old.state() == state and old.head == await head_of(self.store, state):
            with explained(self.place.path):
                path = self.place.path / old.file
                if path.is_file() and path.stat().st_size == old.bytes:
                    self.done.unchanged += 1
                    return
        path = self.place.new_file(state, uuid4().hex[:8])
        with explained(path):
            read, head = await write_bank(self.store, state.id, path)
            name, size = path.relative_to(self.place.path).as_posix(), path.stat().st_size
            entry = Entry.of(read, head, self.known, (name, sha256_of(path), size))
        self.place.note(entry)
        self.entries[state.id] = entry
        self.done.written += 1
        self.done.bytes += size
