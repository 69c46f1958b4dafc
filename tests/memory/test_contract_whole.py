"""What every store keeps about whole banks: parts by number, replacing, and records of what was erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.erased import digest
from memory_r1.memory.errors import ConflictError, UnknownBankError
from memory_r1.memory.store import Store
from memory_r1.memory.types import Add, Turn, Update, Write

EMBEDDER = HashedEmbedder(64)
NOW = datetime(2024, 3, 1, 9, 30)


TEXTS = ("Ann has a dog", "Ann sings", "Ann rows")


async def fill(store: Store, bank: str, texts: Sequence[str] = TEXTS) -> None:
    await store.open_bank(bank, EMBEDDER, NOW)
    for number, text in enumerate(texts, 1):
        turn = Turn(f"t{number}", "s", number, "Ann", text, NOW)
        operation = Add(text, "Ann", (turn.id,))
        await store.write(bank, Write(turn.id, NOW, (turn,), (operation,)), EMBEDDER.vectors([text]))
    update = Update(("m1",), "Ann has two dogs", "Ann", ("t3",))
    await store.write(bank, Write("u", NOW, (), (update,)), EMBEDDER.vectors([update.text]))


async def test_a_bank_is_read_by_parts(store: Store) -> None:
    await fill(store, "ann")
    await fill(store, "bob")
    dump = await store.dump("ann")
    part = await store.part("ann", turns=range(2, 4), memories=range(1, 3), log=range(4, 9))
    assert part.turns == dump.turns[1:] and part.memories == dump.memories[:2] and part.log == dump.log[3:]
    assert np.array_equal(part.vectors, dump.vectors[:2])
    nothing = await store.part("ann")
    assert (nothing.turns, nothing.memories, nothing.log) == ((), (), ()) and nothing.vectors.shape == (0, 64)
    await store.forget("ann", "m2", NOW)
    assert [memory.id for memory in (await store.part("ann", memories=range(1, 9))).memories] == ["m1", "m3", "m4"]
    with pytest.raises(UnknownBankError):
        await store.part("eve")


async def test_a_bank_takes_the_place_of_another(store: Store) -> None:
    await fill(store, "ann")
    await fill(store, "bob")
    old, bob = await store.dump("ann"), await store.dump("bob")
    await store.forget("ann", "m2", NOW)
    assert "Ann sings" not in [hit.memory.text for hit in await store.search("ann", "Who sings?", EMBEDDER)]
    with pytest.raises(ConflictError):
        await store.load(old)
    await store.load(old, replace=True)
    assert await store.dump("ann") == old and await store.dump("bob") == bob
    assert (await store.search("ann", "Who sings?", EMBEDDER))[0].memory.text == "Ann sings"
    await store.load(replace(old, bank=replace(old.bank, id="eve")), replace=True)
    assert [bank.id for bank in await store.banks()] == ["ann", "bob", "eve"]


@pytest.mark.parametrize("more", [(), ("Ann dives",)], ids=["as long", "longer"])
async def test_a_bank_made_again_shows_nothing_of_the_one_before(backend, more: tuple[str, ...]) -> None:
    if not backend.durable:
        pytest.skip("this kind of store is one process's own")
    async with await backend.open() as one, await backend.open() as two:
        await fill(one, "ann")
        before = {hit.memory.text for hit in await two.search("ann", "What does Ann do?", EMBEDDER)}
        await one.erase_bank("ann")
        await fill(one, "ann", ("Ann cooks", "Ann paints", "Ann swims", *more))
        after = {hit.memory.text for hit in await two.search("ann", "What does Ann do?", EMBEDDER)}
        assert before == {"Ann has two dogs", *TEXTS[1:]}
        assert after == {"Ann has two dogs", "Ann paints", "Ann swims", *more}


async def test_an_erasure_is_carried_out_once_for_its_key(store: Store) -> None:
    await fill(store, "ann")
    done = await store.erase("ann", ["m2"], "tidy", NOW)
    before = await store.dump("ann")
    assert await store.erase("ann", ["m3"], "tidy", NOW) == done
    assert await store.erase("ann", ["m3"], "u", NOW) == before.log[3], "the key of a write"
    assert await store.dump("ann") == before and len(await store.erased()) == 1


@pytest.mark.parametrize("more", [(), ("Ann dives",)], ids=["alone", "and another told"])
async def test_what_one_process_forgets_no_other_shows(backend, more: tuple[str, ...]) -> None:
    if not backend.durable:
        pytest.skip("this kind of store is one process's own")
    async with await backend.open() as one, await backend.open() as two:
        await fill(one, "ann")
        assert "Ann sings" in {hit.memory.text for hit in await two.search("ann", "What does Ann do?", EMBEDDER)}
        await one.forget("ann", "m2", NOW)
        for text in more:
            write = Write("more", NOW, (Turn("t9", "s", 9, "Ann", text, NOW),), (Add(text, "Ann", ("t9",)),))
            await one.write("ann", write, EMBEDDER.vectors([text]))
        shown = {hit.memory.text for hit in await two.search("ann", "What does Ann do?", EMBEDDER)}
        assert shown == {hit.memory.text for hit in await one.search("ann", "What does Ann do?", EMBEDDER)}
        assert shown == {"Ann has two dogs", "Ann rows", *more}


async def test_what_was_erased_is_recorded_without_a_word_of_it(store: Store, backend) -> None:
    await fill(store, "ann")
    assert await store.erased() == []
    await store.forget("ann", "m3", NOW)
    await store.erase_bank("ann")
    one, two = await store.erased()
    assert (one.bank, one.memories) == (digest("ann"), ("m3",)) and set(one.turns) == {digest("ann", "t3")}
    assert two.whole and two.bank == digest("ann") != digest("Ann")
    await store.note_erased([two, replace(two, id="0" * 32)])
    assert {record.id for record in await store.erased()} == {one.id, two.id, "0" * 32}
    if backend.durable:
        async with await backend.open() as other:
            assert await other.erased() == await store.erased()
