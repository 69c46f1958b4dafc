"""The rules' answerer: dates, numbers, yes and no, spans, and silence where nothing is known."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_r1.graphs.rules import RulesAnswerer
from memory_r1.graphs.rules.answer import UNKNOWN, answer, retell
from memory_r1.graphs.rules.facts import extract
from memory_r1.graphs.rules.question import Asked
from memory_r1.memory.types import Hit, Memory, Turn

TIME = datetime(2023, 7, 17, 13, 0)


def hits(*said: str, time: datetime = TIME) -> list[Hit]:
    """What "Ana" said, the best hit first."""
    found: list[Hit] = []
    for number, text in enumerate(said, 1):
        turn = Turn(f"D{number}:1", str(number), 1, "Ana", text, time)
        for fact in extract(turn):
            memory = Memory(
                f"m{number}", fact.text, "Ana", (turn.id,), turn.session, 1, time, 1, fact.when, fact.entities
            )
            found.append(Hit(memory, 1.0 / number))
    return found


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("When did Ana move?", "when"),
        ("In which year did Ana move?", "when"),
        ("How long has Ana sailed?", "long"),
        ("How many dogs does Ana have?", "many"),
        ("How often does Ana swim?", "often"),
        ("Does Ana swim?", "yes-no"),
        ("Who is Ana's coach?", "who"),
        ("Which city did Ana visit?", "where"),
        ("What made Ana leave?", "why"),
        ("How did Ana leave?", "how"),
        ("What did Ana buy?", "what"),
    ],
)
def test_a_question_has_a_kind(text: str, kind: str) -> None:
    assert Asked.read(text, {"Ana"}).kind == kind


@pytest.mark.parametrize(
    ("said", "question", "expected"),
    [
        ("I moved to Oslo last Friday.", "When did Ana move to Oslo?", "the Friday before 17 July 2023"),
        ("I moved to Oslo.", "When did Ana move to Oslo?", "17 July 2023"),
        ("I moved to Oslo two years ago.", "In which year did Ana move to Oslo?", "2021"),
        ("I moved to Oslo yesterday.", "In which month did Ana move to Oslo?", "July 2023"),
        ("I have been sailing for seven years.", "How long has Ana been sailing?", "7 years"),
        ("I moved to Oslo two years ago.", "How long ago did Ana move to Oslo?", "2 years ago"),
        ("We adopted three dogs on 5 May.", "How many dogs does Ana have?", "3"),
        ("I swim twice a week.", "How often does Ana swim?", "twice a week"),
        ("I swim in the lake.", "Does Ana swim?", "Yes"),
        ("I never swim in the lake.", "Does Ana swim?", "No"),
    ],
)
def test_rules_answer_what_they_are_for(said: str, question: str, expected: str) -> None:
    found = answer(question, hits(said))
    assert (found.text, found.selected) == (expected, ("m1",))


def test_a_dated_memory_of_the_same_turn_tells_when() -> None:
    found = hits("I went to a festival yesterday. The drummers inspired everyone.")
    assert answer("When did the drummers inspire Ana?", found[::-1]).text == "16 July 2023"


async def test_spans_answer_the_rest_and_cite_their_memories() -> None:
    known = hits('My favorite book is "The Long Road".', "The weather was cold.")
    found = await RulesAnswerer().answer("What is Ana's favorite book?", known, None)
    assert "The Long Road" in found.text
    assert found.selected[0] == "m1"
    assert set(found.selected) <= {hit.memory.id for hit in known}


def test_an_answer_speaks_of_the_speaker_not_of_itself() -> None:
    assert retell("My sister gave me a boat") == "their sister gave them a boat"
    assert retell("my sister", own=True) == "your sister"


@pytest.mark.parametrize("known", [[], ["The weather was cold.", "Tom repaired a fence."]])
def test_nothing_relevant_is_said_to_be_unknown(known: list[str]) -> None:
    found = answer("What does Ana cook for breakfast?", hits(*known))
    assert (found.text, found.selected) == (UNKNOWN, ())


@given(st.text(max_size=200), st.lists(st.text(max_size=200), max_size=4))
def test_any_question_over_any_memory_is_answered(question: str, said: list[str]) -> None:
    memories = [Memory(f"m{n}", text, "Ana", ("D1:1",), "1", 1, TIME, 1) for n, text in enumerate(said)]
    found = answer(question, [Hit(memory, 1.0) for memory in memories])
    assert set(found.selected) <= {memory.id for memory in memories}


def test_of_a_corrected_memory_what_holds_now_is_told() -> None:
    text = (
        "Ana: I no longer live in Porto, we moved to Braga in February 2023. Before: I live in Porto with my wife Rui."
    )
    known = [Hit(Memory("m2", text, "Ana", ("D1:1",), "1", 1, TIME, 1, "2023-02"), 1.0)]
    now = answer("Where does Ana live?", known).text
    assert "Braga" in now
    assert "Porto" not in now
    assert "Rui" in answer("Who is the wife of Ana?", known).text


def test_several_things_are_a_list_and_one_thing_is_one_span() -> None:
    known = hits("I grow tulips.", "I grow roses in the garden.", "I grow potatoes.")
    assert answer("What plants does Ana grow?", known).text.count(",") >= 1
    assert "," not in answer("What does Ana grow?", known).text


def test_a_huge_memory_is_read_in_time() -> None:
    known = [Hit(Memory(f"m{n}", "Ana: sail " * 50_000, "Ana", ("D1:1",), "1", 1, TIME, 1), 1.0) for n in range(8)]
    assert answer("What does Ana sail?", known).selected


def test_the_same_input_gives_the_same_answer() -> None:
    known = hits("I paint boats and birds.", "I painted a sunset in June.", "We paint with the kids.")
    assert len({answer("What does Ana paint?", known).text for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("said", "question"),
    [
        (["I love my greyhound.", "I live in Ghent."], "Where does Ana's brother live?"),
        (["I ran the half marathon in Bruges."], "Who painted the sign?"),
        (["I painted a big sign."], "Where did Ana paint the sign?"),
        (["I have a dog, Buddy."], "Does Ana have a cat?"),
        (["I bought a red kayak."], "What does Ana cook for dinner?"),
        (["My boss praised me."], "Who is Ana's brother?"),
    ],
)
def test_what_no_memory_tells_is_not_invented(said: list[str], question: str) -> None:
    found = answer(question, hits(*said))
    assert (found.text, found.selected) == (UNKNOWN, ())


def test_what_another_did_is_not_told_of_the_one_asked_about() -> None:
    times = {"session": "1", "index": 1, "recorded": TIME, "born": 1}
    known = [
        Hit(Memory("m1", "Ben: I play the cello in a quartet.", "Ben", ("D1:1",), **times), 1.0),
        Hit(Memory("m2", "Ana: I swim in the lake.", "Ana", ("D1:2",), **times), 0.5),
    ]
    assert answer("What does Ana play in the quartet?", known).text == UNKNOWN
    assert "cello" in answer("What does Ben play in the quartet?", known).text


@pytest.mark.parametrize(
    ("said", "question", "expected"),
    [
        ("It is called Loose Spoke. Leena painted the sign.", "Who painted the sign?", "Leena"),
        ("I play the cello.", "Who plays the cello?", "Ana"),
        ("I found out that I am allergic to birch pollen.", "Who is allergic to birch pollen?", "Ana"),
        ("My sister Leena is flying over.", "Who is Leena?", "Ana's sister"),
        ("My sister Leena is flying over.", "Who is Ana's sister?", "Leena"),
        ("My sister painted the sign.", "Who painted the sign?", "Ana's sister"),
        ("I am allergic to birch pollen.", "What is Ana allergic to?", "birch pollen"),
        ("I flew to Rome in May.", "Where did Ana fly to?", "Rome"),
        ("I adopted a greyhound. Her name is Pixel.", "What is the name of Ana's greyhound?", "Pixel"),
        ("I adopted a second dog, Biscuit.", "How many dogs does Ana have?", "2"),
    ],
)
def test_an_answer_is_what_the_question_word_asks_for(said: str, question: str, expected: str) -> None:
    assert answer(question, hits(said)).text == expected


def test_what_is_over_is_not_told_as_what_is() -> None:
    known = hits("I no longer work at the bakery in Ghent.", "I work at a repair shop in Antwerp.")
    assert "Antwerp" in answer("Where does Ana work?", known).text
