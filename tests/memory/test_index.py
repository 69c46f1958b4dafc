"""The index of a bank: what it finds, and that a version never changes."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.index import BankIndex, IndexRow, pool
from memory_r1.memory.ranking import Candidates, Query, rank
from memory_r1.memory.types import Memory

EMBEDDER = HashedEmbedder(32)
WORDS = ("dog", "puppy", "rome", "guitar", "paint", "bread", "run", "snow")


def row(number: int, text: str, speaker: str = "Anna", session: str = "1") -> IndexRow:
    recorded = datetime(2023, 5, 8)
    return IndexRow.of(Memory(f"m{number}", text, speaker, (f"t{number}",), session, number, recorded, 1))


def vectors(rows: list[IndexRow]) -> np.ndarray:
    return EMBEDDER.vectors([" ".join(one.terms) for one in rows])


def build(rows: list[IndexRow]) -> BankIndex:
    return BankIndex.build(rows, vectors(rows))


def ask(text: str) -> Query:
    return Query.of(text, EMBEDDER.vectors([text])[0])


def same(left: Candidates, right: Candidates) -> bool:
    one, other = left.layout, right.layout
    return (
        list(left.ids) == list(right.ids)
        and left.live == right.live
        and all(
            np.allclose(getattr(left, name), getattr(right, name), atol=1e-6) for name in ("dense", "counts", "found")
        )
        and np.array_equal(one.columns[[1, 3, 4]], other.columns[[1, 3, 4]])
        and all(np.array_equal(one.lines[at], other.lines[at]) for at in (0, 1, 3, 4, 5, 6))
        and [one.speakers[int(code)] for code in one.speaker] == [other.speakers[int(code)] for code in other.speaker]
        and one.total == other.total
    )


def test_a_row_holds_terms_then_concepts_and_the_place():
    made = row(3, "Do you like my violin?", "Rose", "2")
    assert (made.id, made.speaker, made.session, made.index, made.asks) == ("m3", "Rose", "2", 3, True)
    assert made.terms[:5] == ("rose", "may", "2023", "like", "violin")
    assert "0instrument" in made.terms
    assert "0flower" not in made.terms, "a speaker's name is no word"


def test_a_dated_memory_says_so():
    memory = Memory("m1", "They met.", "Anna", ("t1",), "1", 0, datetime(2023, 5, 8), 1, when="2022-01")
    assert "0dated" in IndexRow.of(memory).terms
    assert "0dated" not in row(1, "They met.").terms


def test_candidates_are_all_live_memories_with_counts_of_the_questions_terms():
    found = build([row(1, "A dog and a dog"), row(2, "Bread")]).candidates(ask("dog"))
    assert list(found.ids) == ["m1", "m2"]
    assert found.counts[0].tolist() == [2, 0]
    assert found.found[0] == 1
    assert found.live == len(found) == 2


def test_length_counts_words_and_no_concepts():
    found = build([row(1, "A puppy")]).candidates(ask("dog"))
    assert found.layout.columns[3].tolist() == [4], "anna, may, 2023, puppi"


def test_an_empty_index_answers():
    empty = BankIndex.build([], np.zeros((0, 32), np.float32))
    assert len(empty) == 0
    assert len(rank(empty.candidates(ask("dog")), ask("dog")).score) == 0
    assert list(empty.changed([row(1, "dog")], vectors([row(1, "dog")])).candidates(ask("dog")).ids) == ["m1"]


def test_a_change_leaves_the_version_before_as_it_was():
    first = build([row(1, "dog"), row(2, "bread")])
    before = first.candidates(ask("dog"))
    more = [row(3, "puppy")]
    second = first.changed(more, vectors(more), ["m1"])
    assert list(second.candidates(ask("dog")).ids) == ["m2", "m3"]
    assert same(first.candidates(ask("dog")), before)
    assert (len(first), len(second)) == (2, 2)


def test_two_forks_of_a_version_do_not_see_each_other():
    first = build([row(1, "dog")])
    left, right = [row(2, "rome")], [row(2, "snow")]
    one, other = first.changed(left, vectors(left)), first.changed(right, vectors(right))
    assert one.candidates(ask("rome")).counts[0].tolist() == [0, 1]
    assert other.candidates(ask("rome")).counts[0].tolist() == [0, 0]


def test_ending_what_is_not_there_is_refused():
    index = build([row(1, "dog")])
    with pytest.raises(KeyError, match="m7"):
        index.changed([], np.zeros((0, 32), np.float32), ["m7"])
    with pytest.raises(KeyError, match="m1"):
        index.changed([], np.zeros((0, 32), np.float32), ["m1"]).changed([], np.zeros((0, 32), np.float32), ["m1"])


def test_rows_and_vectors_must_be_as_many():
    with pytest.raises(ValueError, match="1 rows"):
        BankIndex.build([row(1, "dog")], np.zeros((2, 32), np.float32))


@settings(max_examples=30)
@given(st.data())
def test_changes_one_by_one_equal_an_index_built_at_once(data: st.DataObject):
    index, live, number = BankIndex.build([], np.zeros((0, 32), np.float32)), [], 0
    for _ in range(data.draw(st.integers(1, 12))):
        fresh = []
        for _ in range(data.draw(st.integers(0, 40))):
            number += 1
            text = " ".join(data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)))
            fresh.append(row(number, text, data.draw(st.sampled_from(("Anna", "Ben"))), str(number // 9)))
        ended = data.draw(st.lists(st.sampled_from([one.id for one in live]), unique=True)) if live else []
        index = index.changed(fresh, vectors(fresh), ended)
        live = [one for one in live if one.id not in ended] + fresh
        question = ask("Did Anna paint a dog in Rome?")
        assert same(index.candidates(question), build(live).candidates(question))
        assert len(index) == len(live)


def test_a_pool_that_is_the_whole_bank_ranks_as_the_bank():
    rows = [row(n, f"{WORDS[n % 8]} {WORDS[n % 5]}") for n in range(40)]
    question = ask("Who saw the dog in Rome?")
    whole = rank(build(rows).candidates(question), question)
    part = rank(pool(rows, vectors(rows), question, live=40), question)
    assert np.allclose(whole.score, part.score)


def test_a_pool_counts_the_memories_that_it_leaves_out():
    rows = [row(1, "dog"), row(2, "bread")]
    assert pool(rows, vectors(rows), ask("dog"), live=1000).live == 1000
