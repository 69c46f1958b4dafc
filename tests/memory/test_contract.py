"""The store contract: what every backend keeps. `backend` opens stores of one kind (see conftest)."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import (
    ConflictError,
    EmbedderMismatchError,
    InputError,
    UnknownBankError,
    UnknownMemoryError,
)
from memory_r1.memory.types import Add, Delete, Noop, Turn, Update, Write

EMBEDDER = HashedEmbedder()
NOW = datetime(2024, 3, 1, 9, 30)


def turn(number, text="hello", speaker="Ann", session="S1", **more):
    more.setdefault("time", NOW + timedelta(minutes=number))
    return Turn(f"D1:{number}", session, number, speaker, text, **more)


def add(text, number, speaker="Ann", **more):
    return Add(text, speaker, (f"D1:{number}",), **more)


async def put(store, bank, number, *operations, **more):
    """Write one turn with its operations, embedded by the test's embedder."""
    turns = more.pop("turns", (turn(number),))
    made = [op.text for op in operations if op.kind in ("add", "update")]
    vectors = await EMBEDDER.embed(made) if made else np.zeros((0, EMBEDDER.dim), np.float32)
    write = Write(more.pop("key", f"turn:{number}"), NOW, turns, operations, **more)
    return await store.write(bank, write, vectors)


async def a_bank(store, bank="ann"):
    await store.open_bank(bank, EMBEDDER, NOW)
    return bank


def contents(memories):
    return sorted((m.text, m.speaker, m.turns, m.when, m.entities, m.session, m.index) for m in memories)


async def story(store, bank):
    """Five turns: two adds, a merge, a noop, a delete."""
    await a_bank(store, bank)
    await put(store, bank, 1, add("Ann has a dog, Buddy", 1, when="2024-02", entities=("Ann", "Buddy")))
    await put(store, bank, 2, add("Ann lives in Oslo", 2), add("Bob plays chess", 2, "Bob", entities=("Bob",)))
    await put(store, bank, 3, Update(("m1",), "Ann has two dogs, Buddy and Scout", "Ann", ("D1:3",), "2024-03"))
    await put(store, bank, 4, Noop(("D1:4",), "Ann lives in Oslo", "m2", "duplicate"))
    await put(store, bank, 5, Delete(("m2",), ("D1:5",)))


async def test_a_bank_is_made_once_and_listed(store):
    assert await store.banks() == []
    made = await store.open_bank("ann", EMBEDDER, NOW)
    again = await store.open_bank("ann", EMBEDDER, NOW + timedelta(days=1))
    assert made == again == await store.bank("ann")
    assert (made.revision, made.memories, made.live, made.turns) == (0, 0, 0, 0)
    assert [bank.id for bank in await store.banks()] == ["ann"]


@pytest.mark.parametrize("call", ["bank", "memories", "all_memories", "turns", "log", "erase_bank", "dump"])
async def test_an_unknown_bank_is_an_error_that_names_it(store, call):
    with pytest.raises(UnknownBankError, match="'nobody'"):
        await getattr(store, call)("nobody")
    with pytest.raises(UnknownBankError, match="'nobody'"):
        await put(store, "nobody", 1, add("x", 1))


@pytest.mark.parametrize("name", ["", " a", "a b", "ä", "x" * 129, "../up", 'a"b', "a\n"])
async def test_a_bad_bank_id_is_refused(store, name):
    with pytest.raises(InputError, match="not allowed"):
        await store.open_bank(name, EMBEDDER, NOW)


async def test_a_write_gives_ids_revisions_and_sources(store):
    bank = await a_bank(store)
    first = await put(store, bank, 1, add("Ann has a dog", 1, when="2024-02-29", entities=("Ann",)))
    assert first.revision.number == 1 and not first.repeated
    memory = first.created[0]
    assert (memory.id, memory.born, memory.turns, memory.session, memory.index) == ("m1", 1, ("D1:1",), "S1", 1)
    assert memory.recorded == NOW + timedelta(minutes=1) and memory.when == "2024-02-29" and memory.live
    second = await put(store, bank, 2, add("Ann sings", 2), add("Ann runs", 2))
    assert [m.id for m in second.created] == ["m2", "m3"]
    assert await store.memories(bank) == [*first.created, *second.created]
    assert await store.turns(bank) == [turn(1), turn(2)]
    state = await store.bank(bank)
    assert (state.revision, state.memories, state.live, state.turns) == (2, 3, 3, 2)


async def test_a_turn_without_facts_is_recorded(store):
    bank = await a_bank(store)
    receipt = await put(store, bank, 1)
    assert receipt.revision.number == 1 and receipt.created == ()
    assert await store.turns(bank, ["D1:1", "D9:9"]) == [turn(1)]


async def test_update_supersedes_and_keeps_the_old_version(store):
    await story(store, "ann")
    old, new = (await store.memories("ann", ["m1"]))[0], (await store.memories("ann", ["m4"]))[0]
    assert not old.live and (old.died, old.successor) == (3, "m4")
    assert new.supersedes == ("m1",) and new.turns == ("D1:1", "D1:3") and new.index == 3
    assert await store.history("ann", "m1") == await store.history("ann", "m4") == [old, new]


async def test_update_merges_several(store):
    bank = await a_bank(store)
    await put(store, bank, 1, add("Ann has a dog", 1), add("Ann has a cat", 1))
    receipt = await put(store, bank, 2, Update(("m1", "m2"), "Ann has a dog and a cat", "Ann", ("D1:2",)))
    assert receipt.created[0].supersedes == ("m1", "m2") and receipt.revision.ended == ("m1", "m2")
    assert [m.id for m in await store.memories(bank)] == ["m3"]
    assert [m.id for m in await store.history(bank, "m3")] == ["m1", "m2", "m3"]


async def test_delete_leaves_a_tombstone(store):
    await story(store, "ann")
    gone = (await store.memories("ann", ["m2"]))[0]
    assert (gone.died, gone.successor) == (5, "")
    assert "m2" not in [m.id for m in await store.memories("ann")]


async def test_as_of_shows_every_past(store):
    await story(store, "ann")
    past = [[m.id for m in await store.as_of("ann", r)] for r in range(6)]
    assert past == [[], ["m1"], ["m1", "m2", "m3"], ["m2", "m3", "m4"], ["m2", "m3", "m4"], ["m3", "m4"]]
    with pytest.raises(InputError, match="revisions 0 to 5, not 6"):
        await store.as_of("ann", 6)


async def test_the_log_says_what_was_done(store):
    await story(store, "ann")
    log = await store.log("ann")
    assert [entry.number for entry in log] == [1, 2, 3, 4, 5]
    assert [[op.kind for op in entry.operations] for entry in log] == [
        ["add"], ["add", "add"], ["update"], ["noop"], ["delete"]]  # fmt: skip
    assert log[1].created == ("m2", "m3") and log[2].ended == ("m1",) and log[4].turns == ("D1:5",)
    assert log[3].operations[0] == Noop(("D1:4",), "Ann lives in Oslo", "m2", "duplicate")
    assert await store.log("ann", 3) == log[3:]


async def test_a_key_applies_once(store):
    bank = await a_bank(store)
    first = await put(store, bank, 1, add("Ann has a dog", 1))
    again = await put(store, bank, 1, add("Ann has a dog", 1), expected=0)
    assert again.repeated and again.revision == first.revision and again.created == first.created
    assert (await store.bank(bank)).revision == 1


@pytest.mark.parametrize("key", ["", "forget:m1"])
async def test_a_reserved_key_is_refused(store, key):
    bank = await a_bank(store)
    with pytest.raises(InputError, match="can't name a write"):
        await put(store, bank, 1, key=key)


async def test_a_stale_revision_is_refused_and_nothing_written(store):
    bank = await a_bank(store)
    await put(store, bank, 1, add("Ann has a dog", 1), expected=0)
    with pytest.raises(ConflictError, match="revision 1, not at 0"):
        await put(store, bank, 2, add("Ann has a cat", 2), expected=0)
    assert (await store.bank(bank)).revision == 1 and len(await store.turns(bank)) == 1


async def test_a_write_is_whole_or_not_at_all(store):
    bank = await a_bank(store)
    await put(store, bank, 1, add("Ann has a dog", 1))
    before = await store.dump(bank)
    bad = [
        (UnknownMemoryError, (add("x", 2), Delete(("m9",), ("D1:2",)))),
        (UnknownMemoryError, (add("x", 2), Delete(("memory",), ("D1:2",)))),
        (ConflictError, (Delete(("m1",), ("D1:2",)), Delete(("m1",), ("D1:2",)))),
        (InputError, (add("x", 2), Add(" ", "Ann", ("D1:2",)))),
        (InputError, (add("x", 2), Add("y", "Ann", ("D7:7",)))),
        (InputError, (add("x", 2), Add("y", "Ann", ()))),
        (InputError, (add("x", 2), Add("y", "Ann", ("D1:2",), when="yesterday"))),
        (InputError, (add("x", 2), Add("\ud800", "Ann", ("D1:2",)))),
        (InputError, (add("x", 2), Add("a\0b", "Ann", ("D1:2",)))),
    ]
    for error, operations in bad:
        rows = np.zeros((sum(op.kind == "add" for op in operations), EMBEDDER.dim), np.float32)
        with pytest.raises(error):
            await store.write(bank, Write("k", NOW, (turn(2),), operations), rows)
    assert await store.dump(bank) == before


async def test_an_ended_memory_cannot_be_a_target(store):
    await story(store, "ann")
    with pytest.raises(UnknownMemoryError, match="ended at revision 3"):
        await put(store, "ann", 6, Delete(("m1",), ("D1:6",)))


async def test_vectors_must_fit_the_operations(store):
    bank = await a_bank(store)
    write = Write("k", NOW, (turn(1),), (add("x", 1),))
    for rows in (np.zeros((0, EMBEDDER.dim)), np.zeros((1, 3)), np.full((1, EMBEDDER.dim), np.nan)):
        with pytest.raises(InputError, match="vector"):
            await store.write(bank, write, rows.astype(np.float32))


async def test_a_turn_id_keeps_its_content(store):
    bank = await a_bank(store)
    await put(store, bank, 1)
    with pytest.raises(ConflictError, match="other content"):
        await put(store, bank, 2, turns=(turn(1, "something else"),))
    await put(store, bank, 4, turns=(turn(4, "", caption="a dog"),))
    with pytest.raises(ConflictError, match="other content"):
        await put(store, bank, 5, turns=(turn(4, "", caption="a cat"),))
    await put(store, bank, 3, turns=(turn(1), turn(3)))
    assert [t.id for t in await store.turns(bank)] == ["D1:1", "D1:4", "D1:3"]


@pytest.mark.parametrize(
    "text", ["naïve 北京 🙂 \u202ex", "'; DROP TABLE memory; --", '"quoted" \\ back', "a\nb\tc", "x" * 8000]
)
async def test_text_comes_back_as_it_went_in(store, text):
    bank = await a_bank(store)
    said = turn(1, text, speaker=text[:50], caption=text)
    await put(store, bank, 1, Add(text, text[:50], ("D1:1",), entities=(text[:20],)), turns=(said,))
    assert await store.turns(bank) == [said]
    assert [(m.text, m.speaker, m.entities) for m in await store.memories(bank)] == [(text, text[:50], (text[:20],))]


@pytest.mark.parametrize(
    "time",
    [
        datetime(2023, 5, 8, 13, 56),
        datetime(2023, 5, 8, 13, 56, 1, 123456, UTC),
        datetime(1, 1, 1),
        datetime(2023, 5, 8, 13, 56, tzinfo=timezone(timedelta(hours=-5, minutes=-30))),
    ],
)
async def test_times_come_back_exactly(store, time):
    bank = await a_bank(store)
    await put(store, bank, 1, add("x", 1), turns=(turn(1, time=time),))
    assert (await store.turns(bank))[0].time.isoformat() == time.isoformat()
    assert (await store.memories(bank))[0].recorded.isoformat() == time.isoformat()


async def test_search_finds_by_words_and_by_vector(store):
    bank = await a_bank(store)
    texts = ["Ann adopted a dog named Buddy", "Bob plays chess on Sundays", "Ann works as a nurse in Oslo"]
    for number, text in enumerate(texts, 1):
        await put(store, bank, number, add(text, number, text.split()[0]))
    for query, best in [("Which dog did Ann adopt?", 0), ("Who plays chess?", 1), ("Where is the nurse?", 2)]:
        hits = await store.search(bank, query, EMBEDDER)
        assert hits[0].memory.text == texts[best] and hits == sorted(hits, key=lambda hit: -hit.score)
        assert hits[0].lexical > 0 and -1 <= hits[0].dense <= 1.0001


async def test_the_cosine_is_exact(store):
    bank = await a_bank(store)
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(50, EMBEDDER.dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    operations = tuple(add(f"fact number {n}", 1) for n in range(50))
    await store.write(bank, Write("k", NOW, (turn(1),), operations), rows)
    from memory_r1.memory.ranking import Query

    hits = await store.search_vector(bank, Query.of("zzz", rows[17]), total=60, per_speaker=None)
    got = {hit.memory.id: hit.dense for hit in hits}
    assert len(got) == 50 and max(got, key=got.__getitem__) == "m18"
    assert np.allclose([got[f"m{n + 1}"] for n in range(50)], rows @ rows[17], atol=1e-4)
    assert np.array_equal(await store.vectors(bank, ["m18", "m1"]), rows[[17, 0]])
    with pytest.raises(UnknownMemoryError, match="m51"):
        await store.vectors(bank, ["m1", "m51"])


async def test_search_sees_each_write_at_once_and_no_ended_memory(store):
    bank = await a_bank(store)
    await put(store, bank, 1, add("Ann has a dog", 1))
    assert [h.memory.id for h in await store.search(bank, "dog", EMBEDDER)] == ["m1"]
    await put(store, bank, 2, Update(("m1",), "Ann has two dogs", "Ann", ("D1:2",)))
    assert [h.memory.id for h in await store.search(bank, "dog", EMBEDDER)] == ["m2"]
    await put(store, bank, 3, Delete(("m2",), ("D1:3",)))
    assert await store.search(bank, "dog", EMBEDDER) == []
    await store.undo(bank, 3, NOW)
    assert [h.memory.text for h in await store.search(bank, "dog", EMBEDDER)] == ["Ann has two dogs"]


@pytest.mark.parametrize(
    "query", ["", "   ", "the of and", '?!*(){}[]^"~:\\/', "AND OR NOT", "bank_id:x", "北京", "a" * 5000]
)
async def test_any_question_may_be_asked(store, query):
    bank = await a_bank(store)
    assert await store.search(bank, query, EMBEDDER) == []
    await put(store, bank, 1, add("Ann has a dog", 1))
    assert len(await store.search(bank, query, EMBEDDER)) <= 1


async def test_a_very_long_question_is_answered(store):
    bank = await a_bank(store)
    await put(store, bank, 1, add("Ann has a dog called word77", 1))
    hits = await store.search(bank, " ".join(f"word{n}" for n in range(3000)), EMBEDDER)
    assert [h.memory.id for h in hits] == ["m1"]


async def test_the_budget_holds_per_speaker(store):
    bank = await a_bank(store)
    operations = tuple(add(f"Ann saw bird number {n}", 1) for n in range(20))
    await put(store, bank, 1, *operations)
    await put(store, bank, 2, *(add(f"Bob saw bird number {n}", 2, "Bob") for n in range(3)))
    hits = await store.search(bank, "Ann bird", EMBEDDER, total=10, per_speaker=5)
    assert len(hits) == 10 and sum(h.memory.speaker == "Bob" for h in hits) == 3
    assert len(await store.search(bank, "bird", EMBEDDER, total=7, per_speaker=None)) == 7


async def test_banks_do_not_see_each_other(store):
    names = ["u1", "U1", "u-1", "u-1-2", "u.1", "u", "u1x"]
    for name in names:
        await store.open_bank(name, EMBEDDER, NOW)
        await put(store, name, 1, add(f"secret of {name}", 1, entities=("Shared",)))
    for name in names:
        hits = await store.search(name, "secret shared", EMBEDDER)
        assert [h.memory.text for h in hits] == [f"secret of {name}"]
        assert [m.text for m in await store.memories(name)] == [f"secret of {name}"]


async def test_undo_takes_one_revision_back(store):
    await story(store, "ann")
    receipt = await store.undo("ann", 5, NOW)
    assert [m.text for m in receipt.created] == ["Ann lives in Oslo"] and receipt.revision.undoes == 5
    assert contents(await store.memories("ann")) == contents(await store.as_of("ann", 4))
    again = await store.undo("ann", 5, NOW)
    assert again.repeated and (await store.bank("ann")).revision == 6
    await store.undo("ann", 3, NOW)
    assert contents(await store.memories("ann")) == contents(await store.as_of("ann", 2))
    assert [m.id for m in await store.history("ann", "m1")] == ["m1", "m4", "m6"]


async def test_undo_refuses_what_later_revisions_built_on(store):
    await story(store, "ann")
    with pytest.raises(ConflictError, match="undo that one first"):
        await store.undo("ann", 1, NOW)
    with pytest.raises(InputError, match="nothing to undo"):
        await store.undo("ann", 4, NOW)
    with pytest.raises(InputError, match="revisions 1 to 5, not 9"):
        await store.undo("ann", 9, NOW)


async def test_ids_are_never_reused(store):
    await story(store, "ann")
    await store.forget("ann", "m4", NOW)
    receipt = await put(store, "ann", 9, add("Ann sails", 9))
    assert receipt.created[0].id == "m5"


async def test_forgetting_a_memory_erases_its_whole_story(store):
    await story(store, "ann")
    await story(store, "bob")
    other = await store.dump("bob")
    entry = await store.forget("ann", "m4", NOW)
    assert entry.ended == ("m4",)
    assert [m.id for m in await store.all_memories("ann")] == ["m2", "m3"]
    assert "Buddy" not in repr((await store.log("ann"), await store.turns("ann"), await store.all_memories("ann")))
    assert [t.text for t in await store.turns("ann")] == ["", "hello", "", "hello", "hello"]
    assert all(h.memory.id == "m3" for h in await store.search("ann", "Buddy dogs", EMBEDDER))
    assert await store.dump("bob") == other
    with pytest.raises(UnknownMemoryError):
        await store.history("ann", "m4")
    with pytest.raises(ConflictError, match="forgotten"):
        await store.undo("ann", 3, NOW)
    assert (await put(store, "ann", 1, add("Ann has a dog, Buddy", 1))).repeated


async def test_forgetting_twice_keeps_the_log_straight(store):
    bank = await a_bank(store)
    await put(store, bank, 1, add("one alpha", 1), add("two beta", 1), add("three gamma", 1))
    await store.forget(bank, "m1", NOW)
    await store.forget(bank, "m2", NOW)
    entry = (await store.log(bank))[0]
    assert [op.text for op in entry.operations] == ["", "", "three gamma"] and entry.created == ("m1", "m2", "m3")


async def test_a_repeat_of_a_forgotten_memory_is_erased_too(store):
    await story(store, "ann")
    await store.forget("ann", "m2", NOW)
    assert "Oslo" not in repr((await store.log("ann"), await store.all_memories("ann")))
    assert (await store.turns("ann", ["D1:4"]))[0].text == ""


async def test_forgetting_a_bank_leaves_the_others(store):
    await story(store, "ann")
    await story(store, "bob")
    other = await store.dump("bob")
    await store.erase_bank("ann")
    assert [b.id for b in await store.banks()] == ["bob"]
    assert await store.dump("bob") == other
    await a_bank(store, "ann")
    assert await store.turns("ann") == [] and await store.search("ann", "dog", EMBEDDER) == []


async def test_another_embedder_is_refused_until_the_bank_is_reembedded(store):
    await story(store, "ann")
    other = HashedEmbedder(dim=64)
    with pytest.raises(EmbedderMismatchError, match="memory-r1 reembed"):
        await store.search("ann", "dog", other)
    with pytest.raises(EmbedderMismatchError):
        await store.open_bank("ann", other, NOW)
    before = await store.dump("ann")
    await store.reembed("ann", other)
    after = await store.dump("ann")
    assert after.memories == before.memories and after.log == before.log and after.vectors.shape[1] == 64
    assert (await store.search("ann", "Which dogs?", other))[0].memory.id == "m4"
    with pytest.raises(EmbedderMismatchError):
        await store.search("ann", "dog", EMBEDDER)


async def test_an_empty_bank_can_be_reembedded(store):
    await a_bank(store)
    assert (await store.reembed("ann", HashedEmbedder(dim=64))).dim == 64


async def test_a_bank_that_moved_on_is_not_reembedded(store):
    await story(store, "ann")
    rows = {m.id: np.zeros(8, np.float32) for m in await store.all_memories("ann")}
    with pytest.raises(ConflictError, match="run it again"):
        await store.replace_vectors("ann", "x", 8, rows, 4)
    with pytest.raises(ConflictError, match="run it again"):
        await store.replace_vectors("ann", "x", 8, {"m1": rows["m1"]}, 5)
    assert (await store.bank("ann")).embedder == EMBEDDER.name


async def test_a_dump_loads_exactly(store, backend):
    await story(store, "ann")
    await store.undo("ann", 5, NOW)
    await store.forget("ann", "m3", NOW)
    dump = await store.dump("ann")
    with pytest.raises(ConflictError, match="already"):
        await store.load(dump)
    await store.load(replace(dump, bank=replace(dump.bank, id="copy")))
    copy = await store.dump("copy")
    assert replace(copy, bank=dump.bank) == dump
    assert (await store.search("copy", "dogs", EMBEDDER))[0].memory.text == "Ann has two dogs, Buddy and Scout"
    receipt = await put(store, "copy", 9, add("Ann sails", 9))
    assert receipt.created[0].id == f"m{dump.bank.memories + 1}"


async def test_writers_on_one_bank_lose_nothing(store):
    bank = await a_bank(store)

    async def writer(name):
        for n in range(5):
            number = name * 10 + n
            while True:
                expected = (await store.bank(bank)).revision
                try:
                    await put(store, bank, number, add(f"fact {number}", number), expected=expected)
                    break
                except ConflictError:
                    await asyncio.sleep(0)

    await asyncio.gather(*(writer(name) for name in range(8)))
    state = await store.bank(bank)
    assert (state.revision, state.live, state.turns) == (40, 40, 40)
    assert len({m.id for m in await store.memories(bank)}) == 40
    assert [entry.number for entry in await store.log(bank)] == list(range(1, 41))


async def test_many_banks_at_once_do_not_mix(store):
    async def one(name):
        await store.open_bank(name, EMBEDDER, NOW)
        for n in range(1, 4):
            await put(store, name, n, add(f"fact {n} of {name}", n))

    names = [f"bank{n}" for n in range(25)]
    await asyncio.gather(*map(one, names))
    for name in names:
        assert [m.text for m in await store.memories(name)] == [f"fact {n} of {name}" for n in (1, 2, 3)]


async def test_what_was_written_is_there_after_reopening(backend):
    if not backend.durable:
        pytest.skip("nothing of this kind of store survives its process")
    async with await backend.open() as store:
        await story(store, "ann")
        before = await store.dump("ann")
    async with await backend.open() as store:
        assert await store.dump("ann") == before
        assert (await store.search("ann", "dogs", EMBEDDER))[0].memory.id == "m4"


async def test_two_stores_over_one_place_see_each_other(backend):
    if not backend.durable:
        pytest.skip("this kind of store is one process's own")
    async with await backend.open() as one, await backend.open() as two:
        await story(one, "ann")
        assert (await two.search("ann", "dogs", EMBEDDER))[0].memory.id == "m4"
        await put(two, "ann", 6, add("Ann bought a sailing boat", 6))
        await put(one, "ann", 7, Delete(("m3",), ("D1:7",)))
        for store in (one, two):
            assert (await store.search("ann", "sailing boat", EMBEDDER))[0].memory.id == "m5"
            assert {h.memory.id for h in await store.search("ann", "chess", EMBEDDER)} == {"m4", "m5"}
