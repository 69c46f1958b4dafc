"""Ranking and the budget per speaker."""

import pickle
from dataclasses import FrozenInstanceError
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.index import BankIndex, IndexRow
from memory_r1.memory.layout import Layout
from memory_r1.memory.ranking import DEFAULT, Best, Candidates, Query, Ranking, rank, select
from memory_r1.memory.types import Hit, Memory

EMBEDDER = HashedEmbedder(64)


def bank(*said: str) -> tuple[list[str], BankIndex]:
    """A bank of "speaker session: text" lines, each the next turn of its session."""
    rows: list[IndexRow] = []
    for at, line in enumerate(said):
        head, _, text = line.partition(": ")
        speaker, session = head.split()
        index = sum(one.session == session for one in rows)
        rows.append(IndexRow.of(Memory(f"m{at}", text, speaker, ("t",), session, index, datetime(2023, 5, 8), 1)))
    return list(said), BankIndex.build(rows, EMBEDDER.vectors([line.partition(": ")[2] for line in said]))


def ranked(question: str, *said: str) -> tuple[list[int], Ranking]:
    _, index = bank(*said)
    query = Query.of(question, EMBEDDER.vectors([question])[0])
    found = rank(index.candidates(query), query)
    return np.argsort(-found.score, kind="stable").tolist(), found


def test_words_of_the_question_come_first():
    order, found = ranked("Where is the violin?", "A 1: Bread.", "A 2: My violin is in the attic.", "A 3: Snow.")
    assert order[0] == 1
    assert found.lexical[1] > found.lexical[0] == 0


def test_a_concept_answers_for_a_word():
    order, _ = ranked("Which pets are there?", "A 1: Bread again.", "A 2: Snow fell.", "A 3: A puppy!")
    assert order[0] == 2


def test_a_kind_asks_for_its_instances_more_than_an_instance_for_another():
    said = ("A 1: Bread again.", "A 2: Snow fell.", "A 3: A puppy!")
    _, kind = ranked("Which pets?", *said)
    _, other = ranked("Which hamster?", *said)
    assert kind.lexical[2] > other.lexical[2] > 0


def test_a_word_and_its_concept_count_for_more_than_the_word():
    order, _ = ranked("A violin?", "A 1: Violin, lamp.", "A 2: Violin, cello.", "A 3: Snow fell.", "A 4: Bread again.")
    assert order[0] == 1


def test_the_speaker_named_comes_before_the_one_who_says_the_name():
    order, _ = ranked("What did Ann buy?", "Bob 1: Ann, I bought a lamp.", "Ann 2: I bought a vase.")
    assert order[0] == 1


def test_the_reply_inherits_the_words_of_the_question_before_it():
    said = ("A 1: Snow.", "A 1: Which city did you visit?", "B 1: Oslo.", "A 2: Bread.", "B 2: Lamps.")
    order, found = ranked("Which city was visited?", *said)
    assert set(order[:2]) == {1, 2}
    assert found.lexical[2] > found.lexical[0] > found.lexical[3] == 0


def test_neighbours_give_context_within_their_session_only():
    _, found = ranked("guitar", "A 1: Guitar!", "B 1: Fine.", "A 1: Good.", "B 1: Oh.", "A 2: Well.")
    assert found.context[1] > 0 < found.context[2]
    assert found.context[4] == 0


def test_a_question_about_time_prefers_a_dated_memory():
    said = ("A 1: Ran a race.", "A 2: Ran a race yesterday.")
    assert ranked("When was the race?", *said)[0][0] == 1


def test_the_order_of_insertion_does_not_change_a_score():
    said = ["A 1: The violin plays.", "B 1: Who plays?", "A 1: Ann does.", "B 2: Snow.", "A 2: The race."]
    rows = [
        IndexRow.of(Memory(f"m{n}", one[5:], one[0], ("t",), one[2], n, datetime(2023, 5, 8), 1))
        for n, one in enumerate(said)
    ]
    vectors = EMBEDDER.vectors(said)
    query = Query.of("Who plays violin?", EMBEDDER.vectors(["Who plays violin?"])[0])
    straight = rank(BankIndex.build(rows, vectors).candidates(query), query).score
    turned = [3, 0, 4, 2, 1]
    mixed = rank(BankIndex.build([rows[at] for at in turned], vectors[turned]).candidates(query), query).score
    assert np.allclose(mixed, straight[turned])


def test_a_question_of_names_alone_still_finds_them():
    order, _ = ranked("Ann and Bob?", "Cid 1: Snow.", "Cid 2: I met Ann and Bob.", "Ann 3: x", "Bob 3: y")
    assert order.index(1) < order.index(0)


def test_a_question_without_content_ranks_and_fails_nowhere():
    order, found = ranked("?!", "A 1: Snow.", "B 1: Bread.")
    assert sorted(order) == [0, 1]
    assert np.isfinite(found.score).all()


@given(st.lists(st.text(max_size=30), min_size=1, max_size=8), st.text(max_size=30))
def test_scores_are_finite_for_any_text(texts: list[str], question: str):
    _, index = bank(*(f"A {at % 2}: {text}" for at, text in enumerate(texts)))
    query = Query.of(question, EMBEDDER.vectors([question])[0])
    found = rank(index.candidates(query), query, DEFAULT)
    assert len(found.score) == len(texts)
    assert np.isfinite(found.score).all()
    assert found.score.dtype == found.lexical.dtype == found.context.dtype == np.float32


def candidates(speakers: list[int]) -> Candidates:
    n = len(speakers)
    columns = np.zeros((5, n), np.int32)
    columns[2] = speakers
    layout = Layout.of(tuple(f"m{at}" for at in range(n)), columns, ("A", "B", "C"))
    return Candidates(layout, np.zeros(n, np.float32), np.zeros((0, n), np.float32), np.zeros(0, np.int32), n)


def chosen(speakers: list[int], scores: list[float], total: int, each: int | None) -> list[int]:
    return select(candidates(speakers), np.array(scores, np.float32), total, each).tolist()


def test_each_speaker_has_his_share():
    assert chosen([0, 0, 0, 1, 1], [5, 4, 3, 2, 1], 4, 2) == [0, 1, 3, 4]


def test_what_one_speaker_leaves_goes_to_the_best_of_the_rest():
    assert chosen([0, 0, 0, 0, 1], [5, 4, 3, 2, 1], 4, 2) == [0, 1, 2, 4]


def test_without_a_share_the_best_are_taken():
    assert chosen([0, 0, 0, 1], [1, 2, 3, 0], 2, None) == [2, 1]


def test_more_speakers_than_fit_keep_the_best():
    assert chosen([0, 1, 2], [1, 3, 2], 2, 1) == [1, 2]


def test_equal_scores_keep_their_order():
    assert chosen([0, 0, 0], [1, 1, 1], 2, None) == [0, 1]


def test_a_large_bank_is_selected_from_as_a_small_one():
    chance = np.random.default_rng(0)
    speakers = chance.choice(3, 3000, p=(0.6, 0.39, 0.01)).tolist()
    scores = chance.integers(0, 200, 3000).astype(float).tolist()
    ranked = sorted(range(3000), key=lambda at: (-scores[at], at))
    own = {at for code in range(3) for at in [one for one in ranked if speakers[one] == code][:20]}
    rest = [at for at in ranked if at not in own][: 70 - len(own)]
    assert chosen(speakers, scores, 70, 20) == sorted({*own, *rest}, key=lambda at: (-scores[at], at))[:70]


def test_a_hit_made_by_a_search_is_a_hit():
    memory = Memory("m1", "Snow fell.", "Ann", ("t",), "1", 0, datetime(2023, 5, 8), 1)
    (made,) = Best(["m1"], ([0.5], [0.25], [0.125], [0.0])).hits([memory])
    plain = Hit(memory, 0.5, 0.25, 0.125, 0.0)
    assert type(made) is Hit
    assert (made, hash(made), repr(made)) == (plain, hash(plain), repr(plain))
    assert pickle.loads(pickle.dumps(made)) == plain
    with pytest.raises(FrozenInstanceError):
        made.score = 1.0  # pyright: ignore[reportAttributeAccessIssue]


def test_a_layout_extended_is_the_layout_of_all():
    chance = np.random.default_rng(1)
    for _ in range(50):
        session, index = np.sort(chance.integers(0, 4, 12)), np.arange(12) * 2 - chance.integers(0, 2, 12)
        speaker, length, asks = chance.integers(0, 2, 12), chance.integers(1, 9, 12), chance.integers(0, 2, 12)
        columns = np.array([session, index, speaker, length, asks], np.int32)
        ids = tuple(f"m{at}" for at in range(12))
        whole, first = Layout.of(ids, columns, ("A", "B")), Layout.of(ids[:9], columns[:, :9], ("A", "B"))
        grown = first.extended(ids[9:], columns[:, 9:], ("A", "B"))
        assert grown is not None
        assert (grown.ids, grown.total, grown.tail) == (whole.ids, whole.total, whole.tail)
        assert np.array_equal(grown.lines, whole.lines)
        assert np.array_equal(grown.columns, whole.columns)


def test_a_layout_is_not_extended_by_what_comes_before_its_end():
    columns = np.array([[0, 0, 1], [0, 1, 0], [0, 0, 0], [3, 3, 3], [0, 0, 0]], np.int32)
    layout = Layout.of(("m1", "m2", "m3"), columns, ("A",))
    assert layout.extended(("m4",), columns[:, :1], ("A",)) is None
    assert layout.extended(("m4",) * 9, np.repeat(columns[:, 2:], 9, axis=1), ("A",)) is None, "too many for one by one"


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=40), st.integers(1, 12),
    st.one_of(st.none(), st.integers(1, 8)),
)  # fmt: skip
def test_a_selection_is_full_and_sorted(made: list[tuple[int, int]], total: int, each: int | None):
    speakers, scores = [one for one, _ in made], [float(score) for _, score in made]
    order = chosen(speakers, scores, total, each)
    assert len(order) == len(set(order)) == min(total, len(made))
    assert order == sorted(order, key=lambda at: (-scores[at], at))
    if each is not None and each * 3 <= total:
        for code in range(3):
            best = sorted((at for at, one in enumerate(speakers) if one == code), key=lambda at: (-scores[at], at))
            assert set(best[:each]) <= set(order)
