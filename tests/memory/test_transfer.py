"""Export and import: exact between any two stores, and strict about every line."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import ConflictError, FileFormatError, InputError
from memory_r1.memory.store import Dump, Store
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.transfer import from_lines, renamed, to_lines
from memory_r1.memory.types import Add, Delete, Noop, Turn, Update, Write

EMBEDDER = HashedEmbedder(64)
NOON = datetime(2024, 3, 5, 12, 0)


async def filled(store: Store, bank: str = "anna") -> Dump:
    """A bank in which everything happened once: add, update, delete, noop, undo and forget."""
    await store.open_bank(bank, EMBEDDER, NOON)
    texts = ["Anna plays the flute.", "Anna lives in Łódź.\u2028She likes it \U0001f3b6", "Anna has a cat."]
    for at, text in enumerate(texts):
        await put(store, bank, at, Add(text, "Anna", (f"t{at}",), when="2024-03", entities=("Anna", "Łódź")))
    await put(store, bank, 3, Update(("m1",), "Anna plays the flute and the oboe.", "Anna", ("t3",)))
    await put(store, bank, 4, Delete(("m3",), ("t4",)))
    await put(store, bank, 5, Noop(("t5",), text="Anna says hello.", reason="not-a-fact"))
    await store.undo(bank, 5, NOON)
    await put(store, bank, 6, Add("Anna's secret.", "Anna", ("t6",)))
    await store.forget(bank, "m6", NOON)
    return await store.dump(bank)


async def put(store: Store, bank: str, at: int, operation: Add | Update | Delete | Noop) -> None:
    turn = Turn(f"t{at}", "s1", at, "Anna", f'Line {at}\nof "Anna"\t\\', NOON.replace(minute=at), "a photo")
    texts = [operation.text] if isinstance(operation, Add | Update) else []
    vectors = await EMBEDDER.embed(texts)
    await store.write(bank, Write(f"turn:{at}", turn.time, (turn,), (operation,)), vectors)


def same(one: Dump, other: Dump) -> bool:
    plain = (one.bank, one.turns, one.memories, one.log) == (other.bank, other.turns, other.memories, other.log)
    return plain and one.vectors.dtype == other.vectors.dtype and np.array_equal(one.vectors, other.vectors)


async def lines() -> list[str]:
    return list(to_lines(await filled(InMemoryStore())))


async def test_a_bank_moves_between_stores_and_back_unchanged(tmp_path: Path):
    first = InMemoryStore()
    dump = await filled(first)
    async with await SqliteStore.open(tmp_path / "a.db") as second:
        await second.load(from_lines(to_lines(dump), "x"))
        back = await second.dump("anna")
    assert same(dump, back)
    third = InMemoryStore()
    await third.load(from_lines(to_lines(back), "x"))
    assert list(to_lines(await third.dump("anna"))) == list(to_lines(dump))


async def test_an_imported_bank_goes_on_as_the_first_one_would():
    first, second = InMemoryStore(), InMemoryStore()
    await second.load(from_lines(to_lines(await filled(first)), "x"))
    for store in (first, second):
        await put(store, "anna", 7, Add("Anna moved to Gdańsk.", "Anna", ("t7",)))
        await store.undo("anna", 4, NOON)
    assert same(await first.dump("anna"), await second.dump("anna"))
    assert await first.search("anna", "Where does Anna live?", EMBEDDER) == await second.search(
        "anna", "Where does Anna live?", EMBEDDER
    )


async def test_an_empty_bank_round_trips():
    store = InMemoryStore()
    await store.open_bank("empty", EMBEDDER, NOON)
    dump = await store.dump("empty")
    assert same(dump, from_lines(to_lines(dump), "x"))


async def test_a_bank_is_imported_under_another_name_and_never_over_another_one():
    store = InMemoryStore()
    dump = await filled(store)
    await store.load(renamed(dump, "anna-2"))
    assert (await store.memories("anna-2")) == (await store.memories("anna"))
    with pytest.raises(ConflictError):
        await store.load(dump)
    with pytest.raises(InputError, match="not allowed"):
        renamed(dump, "../anna")


async def test_lines_end_only_where_json_lines_end(tmp_path: Path):
    path = tmp_path / "anna.jsonl"
    path.write_text("".join(await lines()), encoding="utf-8", newline="\n")
    with path.open(encoding="utf-8", newline="\n") as file:
        assert list(to_lines(from_lines(file, "x"))) == await lines()


async def test_every_missing_line_is_noticed():
    every = await lines()
    for at in range(len(every)):
        with pytest.raises(FileFormatError):
            from_lines(every[:at] + every[at + 1 :], "bank.jsonl")


async def test_every_line_cut_short_is_named():
    every = await lines()
    for at, line in enumerate(every):
        broken = [*every[:at], line[: len(line) // 2], *every[at + 1 :]]
        with pytest.raises(FileFormatError, match=f"^bank.jsonl, line {at + 1}: "):
            from_lines(broken, "bank.jsonl")


def changed(line: str, path: list[str], value: object) -> str:
    row = json.loads(line)
    place = row
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(row)


@pytest.mark.parametrize(
    ("at", "path", "value", "message"),
    [
        (0, ["format"], "memory-r1 bank 9", "this is no export of this version"),
        (0, ["turns"], -1, "turns must be a count"),
        (0, ["turns"], True, "turns must be a count"),
        (0, ["bank", "dim"], "64", "bank dim: .*valid integer"),
        (0, ["bank", "id"], "a/b", "not allowed"),
        (0, ["bank", "live"], 9, "9 live memories"),
        (0, ["bank", "memories"], 2, "counts 2 memories"),
        (1, ["turn", "time"], "yesterday", "line 2: turn time: .*datetime"),
        (1, ["turn", "mood"], "gay", "unknown field 'mood'"),
        (2, ["turn", "id"], "t0", "two turns have one id"),
        (8, ["memory", "id"], "m9", "'m9' is not m1 to m6"),
        (8, ["memory", "turns"], ["t77"], "comes from turn \\['t77'\\]"),
        (8, ["memory", "born"], 40, "lives from revision 40"),
        (8, ["vector"], "AAAA", "vector"),
        (8, ["vector"], "\u00e9", "base64"),
        (8, ["vector"], 3, "base64"),
        (13, ["revision", "number"], 2, "revisions 1 to 9 in order"),
        (13, ["revision", "operations"], [{"kind": "drop"}], "line 14: revision operations.0"),
    ],
)
async def test_damage_is_named(at: int, path: list[str], value: object, message: str):
    every = await lines()
    every[at] = changed(every[at], path, value)
    with pytest.raises(FileFormatError, match=message):
        from_lines(every, "bank.jsonl")


async def test_vectors_that_are_not_finite_are_refused():
    dump = await filled(InMemoryStore())
    dump.vectors[0, 0] = np.nan
    with pytest.raises(FileFormatError, match="finite"):
        from_lines(to_lines(dump), "x")


@pytest.mark.parametrize("text", ["", "\n", "[]\n", "not json\n", "{}\n", "[" * 100_000 + "\n"])
def test_what_is_no_export_is_refused(text: str):
    with pytest.raises(FileFormatError, match=r"^x, line 1: "):
        from_lines(text.splitlines(keepends=True), "x")


async def test_text_after_the_end_is_refused():
    with pytest.raises(FileFormatError, match="after the last revision"):
        from_lines([*await lines(), "{}\n"], "x")
