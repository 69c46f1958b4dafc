"""How well memories hold the facts that people wrote down, and how many of them say the same."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_r1.memory.analysis import analyze
from memory_r1.memory.types import Fact, Memory
from memory_r1.rl.metrics.held import SAME, Repeats, held, repeats
from memory_r1.rl.systems.types import Item

NOON = datetime(2024, 5, 1, 12)


def memory(number: int, text: str, speaker: str = "Ann") -> Memory:
    return Memory(f"m{number}", text, speaker, ("t1",), "1", 0, NOON, 1)


def test_a_memory_holds_a_fact_of_its_speaker_in_other_words() -> None:
    facts = [
        Fact("I own a red bicycle.", "Speaker 1", ()),
        Fact("I work nights.", "Speaker 1", ()),
        Fact("I have a sister in Oslo.", "Speaker 2", ()),
    ]
    memories = [
        memory(1, "Speaker 1 owns a red bicycle.", "Speaker 1"),
        memory(2, "Speaker 1 likes pasta.", "Speaker 1"),
        memory(3, "Works nights.", "Speaker 2"),
        memory(4, "Speaker 2's sister lives in Oslo.", "Speaker 2"),
    ]
    found = held(memories, facts)
    assert found.facts == 3 and found.memories == 4
    assert found.recall == pytest.approx(2 / 3) and found.precision == 0.5
    assert found.overlap == pytest.approx((0.8 + 0.0 + 0.8) / 3)


def test_facts_hold_themselves_and_no_memory_holds_none() -> None:
    facts = [Fact("I own a red bicycle.", "Ann", ()), Fact("I work nights.", "Ann", ())]
    same = [memory(number, fact.text) for number, fact in enumerate(facts)]
    assert (held(same, facts).recall, held(same, facts).precision, held(same, facts).overlap) == (1.0, 1.0, 1.0)
    assert (held([], facts).recall, held([], facts).precision) == (0.0, None)
    assert (held(same, []).recall, held(same, []).precision) == (None, 0.0)


def test_a_memory_that_names_no_speaker_is_compared_with_the_facts_of_all():
    facts = [Fact("I own a red bicycle.", "Ann", ()), Fact("I work nights.", "Ben", ())]
    memories = [Item("1", "Ann owns a red bicycle"), Item("2", "Ben works nights"), Item("3", "Clara works nights")]
    found = held(memories, facts)
    assert (found.recall, found.overlap) == (1.0, 0.9)
    assert found.precision == 1.0, "of Clara's memory most words are in Ben's fact"
    assert held([Item("1", "Ann owns a red bicycle", "Ben")], facts).recall == 0.0


def test_repetitions_are_counted_word_for_word_and_nearly():
    words = "Ann bought a large red wooden kayak with yellow paddles in Oslo last Friday"
    texts = ["Thanks!", "Thanks!", words, f"{words} morning", "Ann has a dog.", "Wow!", "Oh?"]
    memories = [Item(str(at), text, "Ann") for at, text in enumerate(texts)]
    assert repeats(memories) == repeats(memories[::-1]) == Repeats(1, 2)
    assert repeats([Item("1", "Thanks!", "Ann"), Item("2", "Thanks!", "Ben")]) == Repeats(0, 0)
    assert repeats([]) == Repeats(0, 0)


@given(st.lists(st.lists(st.sampled_from("kayak dog oslo tea red run map oboe bee tin lamp".split()), max_size=14)))
def test_repetitions_found_by_rare_words_are_all_there_are(bags: list[list[str]]):
    texts = list(dict.fromkeys(" ".join(bag) for bag in bags))
    sets = [frozenset(analyze(text)) for text in texts]
    group = list(range(len(sets)))
    for at, one in enumerate(sets):
        for other in range(at):
            both = len(one & sets[other])
            if both and 2 * both / (len(one) + len(sets[other])) >= SAME:
                old, new = group[at], group[other]
                group = [new if place == old else place for place in group]
    found = repeats([Item(str(at), text) for at, text in enumerate(texts)])
    assert found == Repeats(0, len(texts) - len(set(group)))
