"""Back-ups: exact, of one revision whatever is written meanwhile, and never a way back for what was erased."""

from __future__ import annotations

import asyncio
import gzip
import json
import stat
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story import Act, acts, told

from memory_r1.memory.archive import PAGE, read_bank, write_bank
from memory_r1.memory.backup import back_up, erase_from
from memory_r1.memory.backup_folder import read_erased
from memory_r1.memory.dumps import Dump, Part, Source
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.erased import erased_again
from memory_r1.memory.errors import (
    ConflictError,
    FileFormatError,
    InputError,
    StoreError,
    StoreUnavailableError,
    UnknownBankError,
)
from memory_r1.memory.replay import check
from memory_r1.memory.restore import How, restore, verify
from memory_r1.memory.store import NONE, Store
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.transfer import from_lines
from memory_r1.memory.types import Add, Delete, Noop, Turn, Update, Write

EMBEDDER = HashedEmbedder(64)
NOON = datetime(2024, 3, 5, 12, 0)


async def say(store: Store, bank: str, at: int, *operations: Add | Update | Delete | Noop) -> None:
    turn = Turn(f"t{at}", "s1", at, "Anna", f"Line {at}", NOON.replace(minute=at))
    texts = [op.text for op in operations if isinstance(op, Add | Update)]
    await store.write(bank, Write(f"turn:{at}", turn.time, (turn,), operations), await EMBEDDER.embed(texts))


def add(text: str, at: int) -> Add:
    return Add(text, "Anna", (f"t{at}",), entities=("Anna",))


async def fill(store: Store, *banks: str) -> None:
    for bank in banks:
        await store.open_bank(bank, EMBEDDER, NOON)
        await say(store, bank, 0, add(f"{bank} plays the flute.", 0), add(f"{bank} hides a Zanzibar stamp.", 0))
        await say(store, bank, 1, Update(("m1",), f"{bank} plays the oboe.", "Anna", ("t1",)))


def listed(source: Source) -> Dump:
    """A source in one piece."""
    pairs = list(source.memories)
    rows = np.array([row for _, row in pairs], np.float32).reshape(len(pairs), source.bank.dim)
    return Dump(source.bank, tuple(source.turns), tuple(memory for memory, _ in pairs), tuple(source.log), rows)


def files(folder: Path) -> set[Path]:
    return set((folder / "banks").glob("*/*"))


def entry(folder: Path, bank: str) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())["banks"][bank]


def bank_file(folder: Path, bank: str) -> Path:
    return folder / entry(folder, bank)["file"]


@pytest.fixture
async def store(tmp_path: Path):
    async with await SqliteStore.open(tmp_path / "m.db") as opened:
        yield opened


class Busy(InMemoryStore):
    """Runs the next of `steps` before each part that is read: a writer that never rests."""

    steps: list[Callable[[], Coroutine[Any, Any, Any]]]

    async def part(self, bank: str, *, turns: range = NONE, memories: range = NONE, log: range = NONE) -> Part:
        if self.steps:
            await self.steps.pop(0)()
        return await super().part(bank, turns=turns, memories=memories, log=log)


# --- one bank, one file ---------------------------------------------------------------------------------------


@given(acts)
@settings(max_examples=60, derandomize=True)
def test_a_file_holds_the_bank_exactly_and_its_log_replays(plot: list[Act]) -> None:
    async def work(folder: str) -> None:
        story = await told(InMemoryStore(), plot)
        path = Path(folder) / "b.jsonl.gz"
        await write_bank(story.store, "b", path)
        assert listed(read_bank(path)) == await story.store.dump("b")
        check(read_bank(path), "b")
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            assert from_lines(lines, "b") == await story.store.dump("b")

    with TemporaryDirectory() as folder:
        asyncio.run(work(folder))


@given(acts, acts)
@settings(max_examples=60, derandomize=True)
def test_a_bank_that_is_written_meanwhile_is_copied_as_it_was_at_one_revision(
    plot: list[Act], meanwhile: list[Act]
) -> None:
    async def work(folder: str) -> None:
        busy = Busy()
        busy.steps = []
        story = await told(busy, [act for act in plot if act.kind != "fork"])
        seen: dict[int, Dump] = {}

        async def step(act: Act) -> None:
            await story.do(act)
            seen[(await busy.bank("b")).revision] = await busy.dump("b")

        seen[(await busy.bank("b")).revision] = await busy.dump("b")
        busy.steps = [lambda act=act: step(act) for act in meanwhile if act.kind != "fork"]
        path = Path(folder) / "b.jsonl.gz"
        state, _ = await write_bank(busy, "b", path)
        assert listed(read_bank(path)) == seen[state.revision]

    with TemporaryDirectory() as folder:
        asyncio.run(work(folder))


@pytest.mark.parametrize("late", range(6))
async def test_what_is_forgotten_while_its_bank_is_read_is_in_no_file(tmp_path: Path, late: int) -> None:
    busy = Busy()
    busy.steps = []
    await fill(busy, "anna")

    async def nothing() -> None:
        pass

    busy.steps = [*[nothing] * late, lambda: busy.forget("anna", "m2", NOON)]
    await back_up(busy, tmp_path / "b")
    if not busy.steps:
        assert "Zanzibar" not in gzip.decompress(bank_file(tmp_path / "b", "anna").read_bytes()).decode()
    while busy.steps:  # it came too late for this run, not for the next
        await busy.steps.pop(0)()
    await back_up(busy, tmp_path / "b")
    assert [b"Zanzibar" in gzip.decompress(path.read_bytes()) for path in files(tmp_path / "b")] == [False]


async def test_a_bank_that_is_erased_from_each_time_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    busy = Busy()
    busy.steps = []
    await fill(busy, "anna", "ben")
    for number in range(2, 40):
        await say(busy, "anna", number, add(f"fact {number}", number))
    await back_up(busy, tmp_path / "b")
    before = entry(tmp_path / "b", "anna")
    await say(busy, "ben", 50, add("Ben sails", 50))
    await say(busy, "anna", 50, add("Anna sails", 50))
    busy.steps = [lambda n=n: busy.forget("anna", f"m{n}", NOON) for n in range(4, 34)]
    with pytest.raises(StoreError, match="'anna' was erased from or embedded anew while it was read"):
        await back_up(busy, tmp_path / "b")
    assert entry(tmp_path / "b", "anna") == before and entry(tmp_path / "b", "ben")["revision"] == 3


async def test_a_bank_of_many_pages_is_written_page_by_page(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counting(InMemoryStore):
        async def part(self, bank: str, *, turns: range = NONE, memories: range = NONE, log: range = NONE) -> Part:
            found = await super().part(bank, turns=turns, memories=memories, log=log)
            asked.append(len(found.turns) + len(found.memories) + len(found.log))
            return found

    store = Counting()
    await store.open_bank("b", EMBEDDER, NOON)
    turns = tuple(Turn(f"t{n}", "s", n, "Anna", "Hm", NOON) for n in range(2 * PAGE + 3))
    operations = tuple(Add(f"fact {n}", "Anna", (f"t{n}",)) for n in range(2 * PAGE + 3))
    rows = np.tile(EMBEDDER.vectors(["fact"]), (len(operations), 1))
    await store.write("b", Write("k", NOON, turns, operations), rows)
    await write_bank(store, "b", tmp_path / "b.gz")
    assert max(asked) == PAGE and listed(read_bank(tmp_path / "b.gz")) == await store.dump("b")


# --- the folder -----------------------------------------------------------------------------------------------


async def test_all_banks_go_to_another_store_and_come_back_the_same(store: SqliteStore, tmp_path: Path) -> None:
    names = ["anna", "a@b.c:1", "A@b.c:1", "x" * 128, "con.-_"]
    await fill(store, *names)
    await store.open_bank("empty", EMBEDDER, NOON)
    done = await back_up(store, tmp_path / "b")
    assert (done.written, done.unchanged, len(files(tmp_path / "b"))) == (6, 0, 6)
    other = InMemoryStore()
    assert (await restore(other, tmp_path / "b")).restored == 6
    assert [await other.dump(bank.id) for bank in await other.banks()] == [
        await store.dump(bank.id) for bank in await store.banks()
    ]
    await say(other, "anna", 7, add("Anna sails.", 7))
    assert (await other.search("anna", "Who sails?", EMBEDDER))[0].memory.id == "m4"


async def test_only_what_changed_is_written_again(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna", "ben")
    await back_up(store, tmp_path / "b")
    before = files(tmp_path / "b")
    assert (await back_up(store, tmp_path / "b")).unchanged == 2 and files(tmp_path / "b") == before
    await say(store, "ben", 3, add("Ben sails.", 3))
    done = await back_up(store, tmp_path / "b")
    assert (done.written, done.unchanged) == (1, 1) and len(files(tmp_path / "b")) == 2
    await store.reembed("anna", HashedEmbedder(32))
    assert (await back_up(store, tmp_path / "b")).written == 1


async def test_another_bank_of_the_same_name_and_counts_is_written_anew(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna")
    await back_up(store, tmp_path / "b")
    state = await store.bank("anna")
    await store.erase_bank("anna")
    await store.open_bank("anna", EMBEDDER, NOON)
    await say(store, "anna", 0, add("Another Anna.", 0), add("She rows.", 0))
    await say(store, "anna", 1, Update(("m1",), "Another Anna indeed.", "Anna", ("t1",)))
    assert await store.bank("anna") == state
    done = await back_up(store, tmp_path / "b")
    assert (done.erased, done.written) == (1, 1)
    other = InMemoryStore()
    await restore(other, tmp_path / "b")
    assert await other.dump("anna") == await store.dump("anna")


async def test_files_are_their_owners_alone(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna")
    await store.forget("anna", "m2", NOON)
    await back_up(store, tmp_path / "b")
    for path in [tmp_path / "b", *(tmp_path / "b").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_some_banks_are_backed_up_and_the_others_stay(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna", "ben")
    await back_up(store, tmp_path / "b")
    await say(store, "anna", 3, add("Anna sails.", 3))
    await say(store, "ben", 3, add("Ben sails.", 3))
    assert (await back_up(store, tmp_path / "b", ["ben"])).written == 1
    assert (entry(tmp_path / "b", "anna")["revision"], entry(tmp_path / "b", "ben")["revision"]) == (2, 3)
    with pytest.raises(UnknownBankError, match="'eve'"):
        await back_up(store, tmp_path / "b", ["eve"])


async def test_an_empty_store_takes_nothing_from_a_back_up(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna")
    await back_up(store, tmp_path / "b")
    done = await back_up(InMemoryStore(), tmp_path / "b")
    assert done.missing == 1
    assert (await restore(InMemoryStore(), tmp_path / "b")).restored == 1


async def test_a_folder_of_something_else_is_left_alone(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    with pytest.raises(InputError, match=r"cat\.jpg"):
        await back_up(store, tmp_path / "photos")


async def test_one_run_at_a_time(store: SqliteStore, tmp_path: Path) -> None:
    busy = Busy()
    busy.steps = []
    await fill(busy, "anna")
    with pytest.raises(StoreUnavailableError, match="another back-up or restore"):
        busy.steps = [lambda: back_up(store, tmp_path / "b")]
        await back_up(busy, tmp_path / "b")


async def test_an_interrupted_run_leaves_the_back_up_and_is_gone_on_with(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna", "ben", "eve")
    await back_up(store, tmp_path / "b")
    for bank in ("anna", "ben", "eve"):
        await say(store, bank, 3, add(f"{bank} sails.", 3))

    def stop(bank: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await back_up(store, tmp_path / "b", report=stop)
    assert len(files(tmp_path / "b")) == 5
    verify(tmp_path / "b")
    old = InMemoryStore()
    await restore(old, tmp_path / "b")
    assert [bank.revision for bank in await old.banks()] == [2, 2, 2]
    (tmp_path / "b" / "progress.jsonl").write_bytes((tmp_path / "b" / "progress.jsonl").read_bytes() + b'{"bank": "ev')
    done = await back_up(store, tmp_path / "b")
    assert (done.written, done.unchanged) == (1, 2) and len(files(tmp_path / "b")) == 3
    new = InMemoryStore()
    await restore(new, tmp_path / "b")
    assert [bank.revision for bank in await new.banks()] == [3, 3, 3]


# --- damage ---------------------------------------------------------------------------------------------------


async def damaged(store: SqliteStore, folder: Path, how: str) -> None:
    await fill(store, "anna", "ben", "eve")
    await back_up(store, folder)
    path = bank_file(folder, "ben")
    held = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(held[:-40])
    elif how == "bit":
        path.write_bytes(held[:200] + bytes([held[200] ^ 1]) + held[201:])
    elif how == "swapped":
        path.write_bytes(bank_file(folder, "eve").read_bytes())


@pytest.mark.parametrize("how", ["missing", "cut", "bit", "swapped"])
async def test_a_damaged_file_is_named_and_nothing_is_restored(store: SqliteStore, tmp_path: Path, how: str) -> None:
    await damaged(store, tmp_path / "b", how)
    other = InMemoryStore()
    for work in (lambda: asyncio.to_thread(verify, tmp_path / "b"), lambda: restore(other, tmp_path / "b")):
        with pytest.raises(FileFormatError, match=r"1 of 3 bank\(s\) are damaged: the file of bank 'ben'"):
            await work()
    assert await other.banks() == []
    assert (await restore(other, tmp_path / "b", ["anna", "eve"])).restored == 2
    if how != "swapped":
        await back_up(store, tmp_path / "b")  # a file that is gone or of another size is written again


@pytest.mark.parametrize("how", ["text", "memory", "log", "cut"])
async def test_a_file_with_right_hashes_that_contradicts_itself_is_refused(
    store: SqliteStore, tmp_path: Path, how: str
) -> None:
    await fill(store, "anna")
    await back_up(store, tmp_path / "b")
    path = bank_file(tmp_path / "b", "anna")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    if how == "text":
        lines[4] = lines[4].replace("Zanzibar", "Tanzania")
    elif how == "memory":
        lines[0] = lines[0].replace('"memories":3,"revisions"', '"memories":2,"revisions"')
        del lines[4]
    elif how == "log":
        lines[-1] = lines[-1].replace('"ended":["m1"]', '"ended":[]')
    else:
        lines = lines[:-1]
    path.write_bytes(gzip.compress("".join(lines).encode()))
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    from memory_r1.memory.archive import sha256_of

    manifest["banks"]["anna"].update(sha256=sha256_of(path), bytes=path.stat().st_size)
    (tmp_path / "b" / "manifest.json").write_text(json.dumps(manifest))
    for work in (
        lambda: asyncio.to_thread(verify, tmp_path / "b"),
        lambda: restore(InMemoryStore(), tmp_path / "b"),
    ):
        with pytest.raises(FileFormatError):
            await work()


async def test_a_damaged_manifest_and_a_lost_list_are_named(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna")
    await store.forget("anna", "m2", NOON)
    await back_up(store, tmp_path / "b")
    (tmp_path / "b" / "erased.jsonl").rename(tmp_path / "kept")
    for work in (restore(InMemoryStore(), tmp_path / "b"), asyncio.to_thread(verify, tmp_path / "b")):
        with pytest.raises(FileFormatError, match=r"erased\.jsonl has lost lines"):
            await work
    (tmp_path / "kept").rename(tmp_path / "b" / "erased.jsonl")
    verify(tmp_path / "b")
    manifest = tmp_path / "b" / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace("banks/", "../banks/"))
    with pytest.raises(FileFormatError, match="damaged at banks"):
        verify(tmp_path / "b")
    manifest.write_text(text[:-20])
    with pytest.raises(FileFormatError, match="damaged"):
        await restore(InMemoryStore(), tmp_path / "b")
    manifest.unlink()
    with pytest.raises(InputError, match="no complete back-up"):
        verify(tmp_path / "b")


# --- restoring ------------------------------------------------------------------------------------------------


async def test_a_restore_never_overwrites_unless_told_and_goes_on(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna", "ben")
    await back_up(store, tmp_path / "b")
    assert (await restore(store, tmp_path / "b")).there == 2
    was = await store.dump("ben")
    await say(store, "ben", 3, add("Ben sails.", 3))
    now = await store.dump("ben")
    with pytest.raises(ConflictError, match="another bank 'ben'"):
        await restore(store, tmp_path / "b")
    assert await store.dump("ben") == now
    assert (await restore(store, tmp_path / "b", ["ben"], How("ben-2"))).restored == 1
    assert await store.dump("ben-2") == replace(was, bank=replace(was.bank, id="ben-2"))
    await store.search("ben", "Who sails?", EMBEDDER)
    done = await restore(store, tmp_path / "b", how=How(replace=True))
    assert (done.restored, done.there) == (1, 1) and await store.dump("ben") == was
    assert not [hit for hit in await store.search("ben", "Who sails?", EMBEDDER) if "sails" in hit.memory.text]
    with pytest.raises(InputError, match="for one bank, not for 2"):
        await restore(store, tmp_path / "b", how=How("x"))
    with pytest.raises(UnknownBankError, match="holds no bank 'eve'"):
        await restore(store, tmp_path / "b", ["eve"])


async def test_a_stopped_restore_is_gone_on_with(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna", "ben", "eve")
    await back_up(store, tmp_path / "b")

    def stop(bank: str, done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    other = InMemoryStore()
    with pytest.raises(KeyboardInterrupt):
        await restore(other, tmp_path / "b", report=stop)
    assert len(await other.banks()) == 1
    done = await restore(other, tmp_path / "b")
    assert (done.there, done.restored) == (1, 2)


async def test_a_bank_that_can_not_be_loaded_leaves_the_old_one(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna")
    before = await store.dump("anna")
    source = Source.of(before)

    def broken():
        yield from list(source.memories)[:1]
        raise FileFormatError("cut off")

    from memory_r1.memory.dumps import Anew

    with pytest.raises(FileFormatError):
        await store.load(replace(source, memories=Anew(broken)), replace=True)
    assert await store.dump("anna") == before


# --- what was erased stays erased -----------------------------------------------------------------------------


async def test_an_erased_bank_leaves_the_back_up_and_no_old_copy_brings_it_back(
    store: SqliteStore, tmp_path: Path
) -> None:
    await fill(store, "anna", "ben")
    await back_up(store, tmp_path / "b")
    copied(tmp_path / "b", tmp_path / "old")
    await store.erase_bank("anna")
    with pytest.raises(UnknownBankError, match="was erased after"):
        await restore(store, tmp_path / "b", ["anna"])
    assert (await restore(store, tmp_path / "b")).erased == ["anna"]  # the store knows, before any other run
    assert (await back_up(store, tmp_path / "b")).erased == 1
    assert len(files(tmp_path / "b")) == 1 and "anna" not in (tmp_path / "b" / "manifest.json").read_text()
    assert b"anna" not in (tmp_path / "b" / "erased.jsonl").read_bytes()
    fresh = InMemoryStore()
    newer = tuple(read_erased(tmp_path / "b" / "erased.jsonl"))
    done = await restore(fresh, tmp_path / "old", how=How(erased=newer))
    assert (done.restored, done.erased) == (1, ["anna"])
    assert (await restore(fresh, tmp_path / "old")).erased == ["anna"]  # and the new store has learnt it
    third = InMemoryStore()
    await restore(third, tmp_path / "b")
    assert (await restore(third, tmp_path / "old")).erased == ["anna"]


def copied(folder: Path, to: Path) -> None:
    import shutil

    shutil.copytree(folder, to)


async def test_a_bank_made_anew_after_an_erasure_is_another_one(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna")
    await back_up(store, tmp_path / "b")
    await store.erase_bank("anna")
    await fill(store, "anna")
    await say(store, "anna", 4, add("A new life.", 4))
    done = await back_up(store, tmp_path / "b")
    assert (done.erased, done.written) == (1, 1)
    assert (await restore(InMemoryStore(), tmp_path / "b")).restored == 1


async def test_a_bank_is_erased_from_a_back_up_alone(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna", "ben")
    await back_up(store, tmp_path / "b")
    assert erase_from(tmp_path / "b", "anna") and not erase_from(tmp_path / "b", "eve")
    assert len(files(tmp_path / "b")) == 1
    other = InMemoryStore()
    assert (await restore(other, tmp_path / "b")).restored == 1
    with pytest.raises(InputError, match="no folder"):
        erase_from(tmp_path / "c", "anna")


async def test_forgotten_memories_are_erased_again_from_an_old_copy(store: SqliteStore, tmp_path: Path) -> None:
    await fill(store, "anna")
    await say(store, "anna", 2, Noop(("t2",), "a Zanzibar stamp, again", target="m2", reason="duplicate"))
    await back_up(store, tmp_path / "b")
    await store.forget("anna", "m2", NOON)
    other = InMemoryStore()
    lists = tuple(await store.erased())
    for _ in range(2):
        done = await restore(other, tmp_path / "b", how=How(erased=lists))
    assert (done.restored, done.there) == (0, 1)
    dump = await other.dump("anna")
    assert "Zanzibar" not in repr(dump) and "Line 0" not in repr(dump) and "Line 2" not in repr(dump)
    assert [m.id for m in dump.memories] == ["m1", "m3"]
    check(Source.of(dump), "x")
    await restore(store, tmp_path / "b", how=How(replace=True))  # the store itself remembers
    assert "Zanzibar" not in repr(await store.dump("anna"))
    await restore(store, tmp_path / "b", ["anna"], How("copy"))
    assert "Zanzibar" not in repr(await store.dump("copy"))
    await back_up(store, tmp_path / "b")
    assert not any(b"Zanzibar" in gzip.decompress(path.read_bytes()) for path in files(tmp_path / "b"))


@given(acts, acts, st.lists(st.integers(0, 30), min_size=1, max_size=4))
@settings(max_examples=60, derandomize=True)
def test_no_old_copy_holds_more_than_the_bank_itself_after_forgetting(
    plot: list[Act], later: list[Act], picks: list[int]
) -> None:
    """Whatever happened before and after the copy: what the store forgot is in no restored bank either."""

    async def work(folder: str) -> None:
        story = await told(InMemoryStore(), [act for act in plot if act.kind != "fork"])
        path = Path(folder) / "b.jsonl.gz"
        await write_bank(story.store, "b", path)
        for act in later:
            if act.kind != "fork":
                await story.do(act)
        for pick in picks:
            if every := await story.store.all_memories("b"):
                await story.store.forget("b", every[pick % len(every)].id, NOON)
        records = await story.store.erased()
        again = erased_again(read_bank(path), records, NOON)
        check(again, "again")
        old, now = listed(again), await story.store.dump("b")
        kept = {memory.id: memory.text for memory in now.memories}
        assert all(kept.get(memory.id) == memory.text for memory in old.memories)
        said = {turn.id: turn.text for turn in now.turns}
        assert all(turn.text in ("", said[turn.id]) for turn in old.turns)
        blank = {turn.id for turn in now.turns if not turn.text}
        assert not [turn for turn in old.turns if turn.id in blank and turn.text]
        assert listed(erased_again(again, records, NOON)) == old

    with TemporaryDirectory() as folder:
        asyncio.run(work(folder))


async def test_records_of_erasures_hold_no_name_and_no_word(store: SqliteStore) -> None:
    await fill(store, "anna")
    await store.forget("anna", "m2", NOON)
    await store.erase_bank("anna")
    one, two = await store.erased()
    assert one.memories == ("m2",) and two.whole and not one.whole
    assert "anna" not in repr((one, two)) and "t0" not in repr(one)
    await store.note_erased([one])
    assert await store.erased() == [one, two]
