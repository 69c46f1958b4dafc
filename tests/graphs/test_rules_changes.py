"""Forty small dialogues: what was remembered, what is said next, what that does to the memory."""

from datetime import datetime

import pytest

from memory_r1.graphs.rules.facts import extract
from memory_r1.graphs.rules.manage import decide
from memory_r1.memory.types import Hit, Memory, Operation, Turn

TIME, LATER = datetime(2024, 3, 6), datetime(2024, 5, 2)

DIALOGUES = [
    # what holds no longer
    ("I live in Oslo.", "I moved from Oslo to Bergen.", "update"),
    ("I live in Oslo with my sister.", "We moved to Bergen.", "update"),
    ("My address is 4 Mill Lane.", "My new address is 12 Hill Road.", "update"),
    ("My phone number is 555 0100.", "My new phone number is 555 0199.", "update"),
    ("I work at a bank in Oslo.", "I quit my job at the bank.", "update"),
    ("I work at Nordlys.", "I left my job at Nordlys.", "update"),
    ("I work as a teacher.", "I lost my job yesterday.", "update"),
    ("I am dating Tom.", "I broke up with Tom.", "update"),
    ("Tom is my boyfriend.", "Tom and I split up.", "update"),
    ("I have an old red car.", "We sold the car.", "update"),
    ("I bought a kayak.", "I gave away my kayak.", "update"),
    ("We have a dog named Rex.", "We renamed the dog Max.", "update"),
    ("We have a cat, Luna.", "Our cat Luna passed away.", "update"),
    ("I have tickets for the concert in Berlin.", "The concert in Berlin got cancelled.", "update"),
    ("The wedding is on 8 June 2024.", "The wedding was postponed to September.", "update"),
    ("I will run the marathon in April.", "They cancelled the marathon.", "update"),
    ("I have a dentist appointment on 4 April.", "I rescheduled my dentist appointment to 9 April.", "update"),
    ("I play tennis every week.", "I stopped playing tennis.", "update"),
    ("I smoke ten cigarettes a day.", "I gave up smoking.", "update"),
    ("I want to paint the kitchen blue.", "I changed my mind, I want to paint the kitchen green.", "update"),
    ("I eat meat.", "I no longer eat meat.", "update"),
    # what is taken back
    ("I own a boat.", "Forget what I said about the boat.", "delete"),
    ("I own a boat.", "I was kidding, I don't own a boat.", "delete"),
    ("We booked a cabin in La Roche.", "Scratch that, the cabin in La Roche was booked twice.", "delete"),
    ("I bought a motorbike.", "Never mind what I said about the motorbike.", "delete"),
    # what is new, however like
    ("I have a dog, Buddy.", "I adopted a dog, Scout.", "add"),
    ("I have a dog, Buddy.", "I adopted another dog and named him Scout.", "add"),
    ("I live in Oslo.", "My brother moved to Bergen.", "add"),
    ("I live in Oslo.", "I moved to a bigger desk.", "add"),
    ("I live in Oslo.", "I moved to Bergen in 2010 and back in 2012.", "add"),
    ("I work at a bank.", "I quit smoking.", "add"),
    ("I work at a bank.", "I left my keys at the bank.", "add"),
    ("I work at a bank.", "I quit my job at the bakery.", "add"),
    ("I am dating Tom.", "I broke up with Ben.", "add"),
    ("I have a red car.", "We sold the house.", "add"),
    ("I have a red car.", "My neighbour sold his car.", "add"),
    ("We have a cat, Luna.", "Our cat Felix passed away.", "add"),
    ("I have tickets for the concert in Berlin.", "The concert in Rome got cancelled.", "add"),
    ("I play tennis every week.", "I play chess every week.", "add"),
    ("I own a boat.", "Forget what I said about the bike.", "add"),
    ("I own a boat.", "Delete everything about me.", "add"),
    ("I own a boat.", "Never mind.", "none"),
    ("I bought some milk.", "I won't forget the milk.", "add"),
    ("I love the cold weather.", "Never mind the weather, we go out.", "add"),
    ("My dog Buddy is old.", "My new dog is called Scout.", "add"),
    ("My brother lives in Oslo.", "We moved to Bergen.", "add"),
    ("I have a sister, Mia.", "My sister Mia passed the exam.", "add"),
    ("My brother works at a bank.", "I quit my job.", "add"),
    ("I own a boat.", "I own a boat.", "noop"),
]


def heard(text: str, *known: str) -> Operation | None:
    """What is done when Ana says `text` two months after `known`."""
    hits: list[Hit] = []
    for number, said in enumerate(known, 1):
        (fact,) = extract(Turn(f"D1:{number}", "1", number, "Ana", said, TIME))
        hits.append(
            Hit(Memory(f"m{number}", fact.text, "Ana", fact.turns, "1", number, TIME, 1, fact.when, fact.entities), 1)
        )
    facts = extract(Turn("D2:1", "2", 1, "Ana", text, LATER))
    return decide(facts, [hits] * len(facts))[0] if facts else None


@pytest.mark.parametrize(("known", "said", "kind"), DIALOGUES)
def test_what_is_said_changes_what_is_remembered(known: str, said: str, kind: str) -> None:
    done = heard(said, known)
    assert (done.kind if done else "none") == kind


@pytest.mark.parametrize("said", ["We sold the car.", "Forget what I said about the car."])
def test_of_two_memories_that_may_be_meant_none_is_touched(said: str) -> None:
    done = heard(said, "I have a red car.", "I have a blue car.")
    assert done
    assert done.kind == "add"


def test_what_is_unlike_beside_the_one_that_is_meant_is_left_alone() -> None:
    done = heard("We sold the car.", "I have a red kayak.", "I have a blue car.")
    assert done
    assert done.kind == "update"
    assert done.targets == ("m2",)
    assert done.text == "Ana: We sold the car. Before: I have a blue car."
