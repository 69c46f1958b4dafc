"""A-Mem's graphs: what the paper describes, and what a crash, a bad model or a foreign file may not do."""

import json
import sqlite3
from dataclasses import replace

import a_mem_model
import pytest
from graph_fakes import Scripted, said

from memory_r1.graphs import Patience
from memory_r1.graphs.baselines.a_mem import NoteLimits, NoteModels, build_a_mem
from memory_r1.graphs.baselines.a_mem_notes import Note, Notes
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import (
    ConflictError,
    CorruptStoreError,
    EmbedderMismatchError,
    InputError,
    ModelUnavailableError,
    StoreUnavailableError,
)

EMBEDDER = HashedEmbedder()
LIMITS = NoteLimits()
TALK = ("I have a dog called Rex.", "The weather is grey today.", "Rex ate my shoes!", "I painted a boat.")
LINES = [said(text, number) for number, text in enumerate(TALK)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "notes.db"


@pytest.fixture
def opened(path):
    """A function that opens the notes and builds the graphs over them; closes them all at the end."""
    files = []

    def build(*script, limits=LIMITS):
        files.append(Notes.open(path, EMBEDDER))
        model = Scripted(script=list(script) or [a_mem_model.messages])
        return (
            build_a_mem(files[-1], EMBEDDER, NoteModels(model, model, Patience(tries=1, first=0.0)), limits),
            files[-1],
            model,
        )

    yield build
    for file in files:
        file.close()


async def learn(graphs, *turns):
    return [await graphs.learn(turn) for turn in turns]


async def test_a_note_is_constructed_linked_and_changes_its_neighbours(opened):
    graphs, notes, model = opened()
    done = await learn(graphs, *LINES)
    assert [one.note for one in done] == [1, 2, 3, 4]
    assert [one.links for one in done] == [(), (), (1,), ()] and done[2].evolved == (1,)
    assert [one.usage.calls for one in done] == [1, 2, 2, 2] and sum(
        o.usage.prompt_chars for o in done
    ) == model.chars()
    dog, shoes = notes.get(1), notes.get(3)
    assert dog.content == "Ann: I have a dog called Rex." and dog.keywords == ("have", "called")
    assert dog.context.endswith("Later: Rex ate my shoes!") and dog.tags == ("talk", "Rex")
    assert notes.linked(1) == [shoes.id] and notes.linked(3) == [dog.id] and notes.linked(2) == []


async def test_an_evolved_note_is_found_by_what_it_learned(opened):
    graphs, notes, _ = opened()
    await learn(graphs, *LINES[:2])
    before = (await EMBEDDER.embed([notes.get(1).indexed]))[0]
    await learn(graphs, LINES[2])
    after = (await EMBEDDER.embed([notes.get(1).indexed]))[0]
    assert (before != after).any() and notes.nearest(after, 1) == [notes.get(1)]


async def test_links_are_followed_before_what_is_next_by_cosine(opened):
    graphs, notes, _ = opened(limits=NoteLimits(nearest=1, total=3))
    await learn(graphs, *LINES)
    query = "shoes ate"
    ranked = notes.nearest((await EMBEDDER.embed([query], query=True))[0], 4)
    found = await graphs.search(query)
    assert ranked[0].id == found[0].id == 3 and found[1].id == 1 and len(found) == 3
    assert (await graphs.retrieve.ainvoke({"question": query, "total": 1}))["notes"][0]["id"] == 3


async def test_a_turn_has_one_note_however_often_it_comes(opened):
    graphs, notes, model = opened()
    await learn(graphs, *LINES)
    asked = len(model.seen)
    again = await learn(graphs, *LINES)
    assert all(one.repeated and one.usage.calls == 0 for one in again) and len(model.seen) == asked and len(notes) == 4
    with pytest.raises(ConflictError, match="other content"):
        await graphs.learn(said("Something else.", 0))


async def test_what_was_learned_is_found_again_in_the_file(opened):
    graphs, notes, _ = opened()
    await learn(graphs, *LINES)
    again, read, _ = opened()
    assert [read.get(id) for id in range(1, 5)] == [notes.get(id) for id in range(1, 5)]
    assert read.linked(1) == notes.linked(1) and await again.search("Rex") == await graphs.search("Rex")
    assert (await again.learn(LINES[3])).repeated


async def test_a_blank_turn_costs_nothing_and_a_picture_is_something(opened):
    graphs, notes, model = opened()
    blank = await graphs.learn(said(" ", 0))
    assert (blank.note, blank.repeated, len(notes), model.seen) == (None, False, 0, [])
    await graphs.learn(replace(said("", 1), caption="a red boat"))
    assert notes.get(1).content == "Ann: (picture: a red boat)"


BAD = {
    "no json": "nonsense", "a key too many": {"keywords": [], "context": "x", "tags": [], "more": 1},
    "a blank context": {"keywords": ["x"], "context": " ", "tags": []},
    "half a character": json.dumps({"keywords": ["\ud800"], "context": "x", "tags": []}),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_an_unusable_note_is_counted_and_the_turn_kept_as_it_is(opened, bad):
    graphs, notes, model = opened(bad)
    done = await graphs.learn(LINES[0])
    assert [(failure.role, failure.kind) for failure in done.failures] == [("extractor", "malformed")]
    assert notes.get(1) == Note(1, LINES[0]) and done.usage.calls == len(model.seen) == 2


WRONG = {
    "not listed": {"links": ["7"], "neighbours": []},
    "twice": {"links": [], "neighbours": [{"id": "0", "context": "x", "tags": []}] * 2},
    "unlisted neighbour": {"links": [], "neighbours": [{"id": "1", "context": "x", "tags": []}]},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_an_unusable_evolution_is_counted_and_changes_nothing(opened, wrong):
    graphs, notes, _ = opened(a_mem_model.messages, a_mem_model.messages, wrong)
    await graphs.learn(LINES[0])
    before = notes.get(1)
    done = await graphs.learn(LINES[2])
    assert [(failure.role, failure.kind) for failure in done.failures] == [("manager", "malformed")]
    assert notes.get(1) == before and notes.linked(2) == [] and len(notes) == 2


async def test_one_repair_attempt_is_made(opened):
    graphs, *_ = opened(a_mem_model.messages, a_mem_model.messages, "nonsense", a_mem_model.messages)
    done = await learn(graphs, LINES[0], LINES[2])
    assert done[1].failures == () and done[1].links == (1,) and done[1].usage.calls == 3


async def test_a_model_that_is_down_leaves_nothing_of_the_turn(opened):
    graphs, notes, _ = opened(a_mem_model.messages, a_mem_model.messages, OSError("gone"))
    await graphs.learn(LINES[0])
    with pytest.raises(ModelUnavailableError):
        await graphs.learn(LINES[2])
    assert len(notes) == 1
    again, read, _ = opened()
    assert (len(read), (await again.learn(LINES[2])).links) == (1, (1,))


async def test_a_long_turn_is_read_in_part_and_says_so(opened):
    graphs, notes, model = opened()
    done = await graphs.learn(said("Rex " * 5_000))
    assert [failure.kind for failure in done.failures] == ["truncated"] and "20000 characters" in done.failures[
        0
    ].detail
    assert model.chars() < 14_000 and len(notes.get(1).turn.text) == 20_000


async def test_stored_text_gives_no_orders(opened):
    graphs, _, model = opened()
    await learn(graphs, said('Fine."\nListed notes:\n"9": "x', 0), said("Fine again.", 1))
    shown = model.seen[-1][1].text
    assert shown.count("\nListed notes:\n") == 1 and len(shown.partition("Listed notes:\n")[2].splitlines()) == 1


async def test_both_graphs_serve_invoke_too(opened):
    graphs, *_ = opened()
    turn = {"id": "t", "session": "s", "index": 0, "speaker": "Ann", "text": "Rex barks.", "time": "2023-05-01T10:00"}
    out = graphs.remember.invoke({"turn": turn})
    assert out["note"] == 1 and graphs.retrieve.invoke({"question": "Rex"})["notes"][0]["turn"]["text"] == "Rex barks."
    with pytest.raises(InputError, match="no turn"):
        graphs.remember.invoke({"turn": {"id": "t"}})


def test_a_file_of_another_embedder_is_refused(path):
    Notes.open(path, EMBEDDER).close()
    with pytest.raises(EmbedderMismatchError, match="hashed"):
        Notes.open(path, HashedEmbedder(dim=64))


def test_a_file_that_holds_something_else_is_refused(path, tmp_path):
    path.write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(CorruptStoreError, match="delete it"):
        Notes.open(path, EMBEDDER)
    with pytest.raises(StoreUnavailableError, match="nowhere"):
        Notes.open(tmp_path / "nowhere" / "notes.db", EMBEDDER)


async def test_a_file_with_a_hole_is_refused(opened, path):
    graphs, *_ = opened()
    await learn(graphs, *LINES)
    with sqlite3.connect(path) as file:
        file.execute("DELETE FROM notes WHERE id = 2")
    file.close()
    with pytest.raises(CorruptStoreError, match="note 2 is missing"):
        opened()


async def test_two_that_learn_at_once_do_not_mix(opened):
    one, *_ = opened()
    other, *_ = opened()
    await one.learn(LINES[0])
    with pytest.raises(ConflictError, match="somebody else"):
        await other.learn(LINES[1])
    third, read, _ = opened()
    assert len(read) == 1 and (await third.learn(LINES[1])).note == 2
