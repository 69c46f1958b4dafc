"""Restores banks from the folder of a back-up: verified first, each as a whole or not at all, never what was erased."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from memory_r1.memory.archive import head_of, read_bank, sha256_of
from memory_r1.memory.backup import Clock, utc_now
from memory_r1.memory.backup_folder import Coverage, Entry, Folder, Manifest, Report, explained, quiet
from memory_r1.memory.dumps import Source
from memory_r1.memory.erased import Erased, erased_again
from memory_r1.memory.errors import ConflictError, FileFormatError, InputError, UnknownBankError
from memory_r1.memory.replay import check
from memory_r1.memory.store import Store
from memory_r1.memory.transfer import renamed
from memory_r1.memory.types import Bank


@dataclass
class Restored:
    """What a restore did: banks `restored`, `there` already exactly so, and those left out because they were `erased`
    after the back-up; `again`: restored banks from which memories were erased once more.
    """

    folder: str
    restored: int = 0
    there: int = 0
    again: int = 0
    erased: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class How:
    """How to restore. `name`: another name for the one bank; `replace`: in the place of what the store holds;
    `erased`: further lists of erasures that count.
    """

    name: str = ""
    replace: bool = False
    erased: tuple[Erased, ...] = ()


def verify(folder: Path, banks: Collection[str] = (), *, report: Report = quiet) -> Manifest:
    """Check the files of the back-up, or those of `banks`: present, their hashes, every line, the log replayed.

    Raises FileFormatError that names the damaged ones, UnknownBankError, InputError when there is no back-up.
    """
    place = Folder.there(folder)
    with place.locked():
        manifest = _manifest(place)
        entries = _chosen(manifest, banks)
        coverage = Coverage(place.erased(), ())
        _all_whole(place, entries)
        wrong: list[str] = []
        for at, entry in enumerate(entries):
            report(entry.bank, at, len(entries))
            try:
                coverage.of(entry)
                _checked(place, entry)
            except FileFormatError as error:
                wrong.append(error.message)
        _refuse(place, wrong, len(entries))
    return manifest


async def restore(
    store: Store, folder: Path, banks: Collection[str] = (), how: How | None = None, *,
    clock: Clock = utc_now, report: Report = quiet,
) -> Restored:  # fmt: skip
    """Bring the banks of the back-up, or those of `banks`, into the store, exactly.

    First all hashes are verified and all names looked up, then each bank is checked and appears as a whole or not at
    all; a run that was stopped is gone on with by the same call. A bank that was erased since (by this store, by the
    back-up's list or by a further one) is left out, erased memories are erased again before their bank is seen.
    Raises FileFormatError (damaged), UnknownBankError (not in the back-up, or one of `banks` was erased),
    ConflictError when the store holds another bank of that name, and what the store raises.
    """
    how = how or How()
    place = Folder.there(folder)
    with place.locked():
        manifest = _manifest(place)
        entries = _chosen(manifest, banks)
        if how.name and len(entries) != 1:
            raise InputError(f"another name is for one bank, not for {len(entries)}: name it")
        known = place.erased()
        coverage = Coverage(known, (*how.erased, *await store.erased()))
        work = _Work(store, place, coverage, how, clock)
        todo = await work.plan(entries, explicit=bool(banks))
        await store.note_erased((*known, *how.erased))
        for at, (entry, target) in enumerate(todo):
            report(entry.bank, at, len(todo))
            await work.load(entry, target)
    return work.done


class _Work:
    """One restore."""

    def __init__(self, store: Store, place: Folder, coverage: Coverage, how: How, clock: Clock) -> None:
        self.store, self.place, self.coverage, self.how, self.clock = store, place, coverage, how, clock
        self.done = Restored(str(place.path))

    async def plan(self, entries: Iterable[Entry], explicit: bool) -> list[tuple[Entry, str]]:
        """The entries to load, with the name of each in the store, once nothing stands in their way."""
        left = [entry for entry in entries if not self._erased(entry, explicit)]
        await asyncio.to_thread(_all_whole, self.place, left)
        there = {bank.id: bank for bank in await self.store.banks()}
        todo: list[tuple[Entry, str]] = []
        for entry in left:
            target = self.how.name or entry.bank
            if target in there and await self._same(entry, there[target]):
                self.done.there += 1
                continue
            if target in there and not self.how.replace:
                raise ConflictError(
                    f"the store holds another bank {target!r} than the back-up: restore it --as another name, or "
                    f"--replace what is there; nothing was restored", bank=target,
                )  # fmt: skip
            todo.append((entry, target))
        return todo

    def _erased(self, entry: Entry, explicit: bool) -> bool:
        if not self.coverage.whole(entry):
            return False
        if explicit:
            raise UnknownBankError(
                f"bank {entry.bank!r} was erased after this back-up was made, and is not brought back", bank=entry.bank
            )
        self.done.erased.append(entry.bank)
        return True

    async def _same(self, entry: Entry, there: Bank) -> bool:
        """Whether the store holds exactly what restoring would bring."""
        records = self.coverage.of(entry)
        source = self._source(entry) if records else None
        if source is None or source.bank == entry.state():
            return replace(there, id=entry.bank) == entry.state() and await head_of(self.store, there) == entry.head
        last = await self.store.log(there.id, there.revision - 1)
        return replace(there, id=entry.bank) == source.bank and last[0].key == f"forget:{records[-1].id}"

    def _source(self, entry: Entry) -> Source:
        with explained(self.place.path):
            source = read_bank(self.place.path / entry.file)
            return erased_again(source, self.coverage.of(entry), self.clock().replace(tzinfo=None))

    async def load(self, entry: Entry, target: str) -> None:
        """Check the bank and store it under the name `target`."""
        await asyncio.to_thread(_checked, self.place, entry)
        source = await asyncio.to_thread(self._source, entry)
        self.done.again += source.bank != entry.state()
        await self.store.load(renamed(source, target), replace=self.how.replace)
        self.done.restored += 1


def _manifest(place: Folder) -> Manifest:
    found = place.manifest()
    if found is None:
        raise InputError(f"{str(place.path)!r} holds no complete back-up: it has no manifest.json")
    return found


def _chosen(manifest: Manifest, banks: Collection[str]) -> list[Entry]:
    for name in banks:
        if name not in manifest.banks:
            raise UnknownBankError(f"the back-up holds no bank {name!r}", bank=name)
    return [entry for name, entry in manifest.banks.items() if not banks or name in banks]


def _all_whole(place: Folder, entries: Iterable[Entry]) -> None:
    """Every file is there, with the bytes that were written. Raises FileFormatError."""
    listed = list(entries)
    _refuse(place, [why for entry in listed if (why := _damage(place, entry))], len(listed))


def _damage(place: Folder, entry: Entry) -> str:
    path = place.path / entry.file
    with explained(path):
        if not path.is_file():
            return f"the file of bank {entry.bank!r}, {entry.file!r}, is missing"
        if path.stat().st_size != entry.bytes or sha256_of(path) != entry.sha256:
            return f"the file of bank {entry.bank!r}, {entry.file!r}, is not what was written"
    return ""


def _refuse(place: Folder, wrong: list[str], total: int) -> None:
    if wrong:
        raise FileFormatError(
            f"{str(place.path)!r}: {len(wrong)} of {total} bank(s) are damaged: {'; '.join(wrong[:3])}. Name the "
            f"others by --bank, and take these from another copy", damaged=wrong,
        )  # fmt: skip


def _checked(place: Folder, entry: Entry) -> None:
    """The file holds the bank that the manifest says, and its log makes that bank. Raises FileFormatError."""
    with explained(place.path):
        source = read_bank(place.path / entry.file)
        if source.bank != entry.state():
            raise FileFormatError(f"{entry.file!r} holds bank {source.bank.id!r}, not as the manifest says")
        check(source, str(place.path / entry.file))


__all__ = ["How", "Restored", "restore", "verify"]
