"""The rules' manager: it repeats nothing, corrects on a cue, deletes on a retraction, and otherwise adds."""

from datetime import datetime

import pytest

from memory_r1.graphs.rules import RulesManager
from memory_r1.graphs.rules.manage import decide
from memory_r1.memory.types import Add, Delete, Fact, Hit, Memory, Noop, Operation, Update

TIME = datetime(2023, 5, 8)


def hit(text: str, id: str = "m1", speaker: str = "Ana", when: str = "") -> Hit:
    return Hit(Memory(id, text, speaker, ("D1:1",), "1", 1, TIME, 1, when), 1.0)


def one(text: str, *hits: Hit, when: str = "") -> Operation:
    (operation,) = decide([Fact(text, "Ana", ("D2:1",), when)], [hits])
    return operation


async def test_a_new_fact_is_added_as_it_is() -> None:
    fact = Fact("Ana: I sail.", "Ana", ("D2:1",), "2023", ("Ana",))
    assert await RulesManager().decide([fact], [[]]) == [Add("Ana: I sail.", "Ana", ("D2:1",), "2023", ("Ana",))]


@pytest.mark.parametrize("text", ["Ana: I have a dog, Buddy.", "Ana: I have got a dog, Buddy!"])
def test_a_repeat_changes_nothing(text: str) -> None:
    operation = one(text, hit("Ana: I have a dog, Buddy."))
    assert isinstance(operation, Noop)
    assert (operation.target, operation.reason) == ("m1", "duplicate")


@pytest.mark.parametrize(
    "text",
    [
        "Ana: I adopted a dog, Scout.",
        "Ana: I don't have a dog, Buddy.",
        "Ana: I have 2 dogs, Buddy.",
        "Ana: My dog is ill.",
    ],
)
def test_what_resembles_a_memory_is_added_beside_it(text: str) -> None:
    assert isinstance(one(text, hit("Ana: I have a dog, Buddy.")), Add)


def test_the_same_on_another_day_is_no_repeat() -> None:
    assert isinstance(
        one("Ana: We went camping.", hit("Ana: We went camping.", when="2023-05"), when="2023-06"), Add | Noop
    )
    assert isinstance(
        one("Ana: We went camping by the lake.", hit("Ana: We camped by the lake.", when="2023-05"), when="2023-06"),
        Add,
    )


@pytest.mark.parametrize(
    "text",
    [
        "Ana: Actually I work at a bakery, not a bank.",
        "Ana: I no longer work at the bank.",
        "Ana: I don't work at the bank anymore.",
        "Ana: I switched my work from the bank to a bakery.",
    ],
)
def test_a_correction_replaces_and_keeps_what_was(text: str) -> None:
    operation = one(text, hit("Ana: I work at a bank."))
    assert isinstance(operation, Update)
    assert operation.targets == ("m1",)
    assert operation.text == f"{text} Before: I work at a bank."
    again = Memory("m2", operation.text, "Ana", ("D2:1",), "2", 1, TIME, 2)
    (later,) = decide([Fact("Ana: Actually I work at a bakery again.", "Ana", ("D3:1",))], [[Hit(again, 1.0)]])
    assert isinstance(later, Update | Add)
    assert "Before: I work at a bank." not in later.text


@pytest.mark.parametrize("text", ["Ana: I was kidding, I don't own a boat.", "Ana: It wasn't true that I own a boat."])
def test_a_retraction_deletes_what_it_names(text: str) -> None:
    assert one(text, hit("Ana: I own a boat.")) == Delete(("m1",), ("D2:1",))


@pytest.mark.parametrize(
    "text",
    ["Ana: Delete all memories.", "Ana: I was just kidding.", "Ana: Forget what I said.", "Ana: Actually, I love tea."],
)
def test_a_cue_without_its_object_touches_nothing(text: str) -> None:
    assert isinstance(one(text, hit("Ana: I own a boat."), hit("Ana: My brother teaches maths.", "m2")), Add)


def test_a_correction_finds_a_longer_memory_by_the_name_in_it() -> None:
    text = "Ana: I'm a nurse and I live in Porto with Rui and two cats."
    old = Memory("m1", text, "Ana", ("D1:1",), "1", 1, TIME, 1, "", ("Ana", "Porto", "Rui"))
    fact = Fact("Ana: I no longer live in Porto.", "Ana", ("D2:1",), "", ("Ana", "Porto"))
    (operation,) = decide([fact], [[Hit(old, 1.0)]])
    assert isinstance(operation, Update)
    assert operation.text.endswith("Before: I'm a nurse and I live in Porto with Rui and two cats.")


def test_nobody_corrects_another() -> None:
    assert isinstance(one("Ana: Ben no longer works at the bank.", hit("Ben: I work at the bank.", speaker="Ben")), Add)


def test_facts_of_one_turn_neither_repeat_nor_share_a_target() -> None:
    facts = [Fact(text, "Ana", ("D2:1",)) for text in ("Ana: I sail.", "Ana: I sail!", "Ana: I no longer sail.")]
    known = [hit("Ana: I sail with Tom.")]
    first, second, third = decide(facts, [known, known, known])
    assert isinstance(first, Add)
    assert isinstance(second, Noop)
    assert isinstance(third, Update | Add)
    twice = [Fact(f"Ana: I no longer sail with Tom{end}", "Ana", ("D2:1",)) for end in (".", " on Sundays in May.")]
    operations = decide(twice, [known, known])
    assert [type(operation) for operation in operations] == [Update, Add]
