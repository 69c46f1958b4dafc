"""Each leak that is planted is found, and named."""

from dataclasses import replace
from datetime import timedelta

import pytest

from memory_r1.memory.types import Memory
from memory_r1.rl.rollouts.types import AnswererRow, BankState, ManagerRow, Step
from memory_r1.rl.tasks.types import Conversation
from memory_r1.rl.training.leaks import LeakError, check_apart, check_files, check_rows
from memory_r1.rl.training.rows import write_rows
from memory_r1.rl.training.world_rows import Choice, world_answerer_rows, world_manager_rows
from memory_r1.rl.world import Size
from tests.rl.test_training_tuples import TALK, TURNS, question

KAYAK = Memory("m1", "Ben has a red kayak", "Ben", ("D1:2",), "1", 1, TURNS[1].time, 1)
FACT_TURN = TURNS[3]


def fact(*turns):
    from memory_r1.memory.types import Fact

    return Fact("Anna learns the oboe", "Anna", turns)


def row(**changes):
    """A sound row of the manager, or one with `changes`."""
    step = Step(FACT_TURN, (fact("D1:4"),), (question("q2", "D1:4", "D1:2"),))
    made = ManagerRow("talk:D1:4", "made", "train", "talk", BankState((KAYAK,), (TURNS[1],)), (step,))
    return replace(made, **changes)


def asked(*evidence):
    return replace(row().steps[0], questions=(question("q9", *evidence),))


ANSWERED = AnswererRow("q1", "made", "train", "talk", BankState((KAYAK,), (TURNS[1],)), question("q1", "D1:1"))


def test_sound_rows_pass():
    check_rows([row(), ANSWERED])
    check_rows([row(), ANSWERED], [TALK])
    check_rows([row(steps=(asked("D1:4", "D1:5"),))], [TALK], link="any")


PLANTED = {
    "a future turn in the bank": (
        row(bank=BankState((KAYAK,), (TURNS[1], TURNS[4]))),
        "'D1:5' of its bank doesn't come",
    ),
    "the turn itself in the bank": (row(bank=BankState((KAYAK,), (TURNS[1], TURNS[3]))), "'D1:4' of its bank doesn't"),
    "a memory without its turn": (row(bank=BankState((KAYAK,), ())), "'m1' rests on turn 'D1:2', which its bank"),
    "a memory of a future turn": (
        row(bank=BankState((replace(KAYAK, turns=("D1:5",)),), (TURNS[1],))),
        "'m1' rests on turn 'D1:5'",
    ),
    "no step": (row(steps=()), "no step"),
    "steps in the wrong order": (
        row(steps=(asked("D1:4"), replace(asked("D1:2"), turn=TURNS[2]))),
        "doesn't come after",
    ),
    "a question of a later step": (
        row(steps=(asked("D1:5"), replace(asked("D1:5"), turn=TURNS[4]))),
        "'q9' at turn 'D1:4' has evidence in a later turn",
    ),
    "a fact of a later step": (
        row(steps=(replace(asked("D1:4"), facts=(fact("D1:5"),)), replace(asked("D1:5"), turn=TURNS[4]))),
        "a fact of turn 'D1:4' rests on a later turn",
    ),
    "an answer from a bank of the future": (
        replace(ANSWERED, question=replace(ANSWERED.question, asked=TURNS[0].time)),
        "'D1:2' of its bank was said after the question",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_row_is_checked_by_itself(name):
    planted, said = PLANTED[name]
    with pytest.raises(LeakError, match=said) as caught:
        check_rows([planted])
    assert caught.value.details == {"row": planted.id} and repr(planted.id) in caught.value.message


AGAINST = {
    "evidence that lies ahead": (row(steps=(asked("D1:4", "D1:5"),)), "'D1:5', which was not said by then"),
    "evidence that is no turn": (row(steps=(asked("D9:9"),)), "'D9:9', which is no turn of its conversation"),
    "a gold turn that is missing": (replace(ANSWERED, question=question("q1", "D2:1")), "'D2:1', which is no turn"),
    "another split's conversation": (row(conversation="other"), "'other' is none of split 'train'"),
    "a turn with other words": (
        row(bank=BankState((KAYAK,), (replace(TURNS[1], text="I sold it."),))),
        "'D1:2' is none of conversation 'talk'",
    ),
    "a fact of a later turn": (row(steps=(replace(asked("D1:4"), facts=(fact("D1:5"),)),)), "rests on a later turn"),
    "a bank out of order": (
        row(
            bank=BankState((), (replace(TURNS[4], time=TURNS[0].time),)),
        ),
        "'D1:5' is none of conversation",
    ),
}


@pytest.mark.parametrize("name", AGAINST)
def test_a_row_is_checked_against_its_conversation(name):
    planted, said = AGAINST[name]
    with pytest.raises(LeakError, match=said):
        check_rows([planted], [TALK])


def test_a_bank_is_in_the_conversations_order_also_where_times_are_equal():
    """LoCoMo gives the turns of a session one time."""
    turns = tuple(replace(turn, time=TURNS[0].time) for turn in TURNS)
    talk = Conversation("talk", TALK.speakers, turns, ())
    step = replace(asked(), turn=turns[2], facts=())
    check_rows([row(bank=BankState((), turns[:2]), steps=(step,))], [talk])
    with pytest.raises(LeakError, match="'D1:4' of its bank doesn't come before turn 'D1:3'"):
        check_rows([row(bank=BankState((), turns[3:4]), steps=(step,))], [talk])
    apart = (replace(turns[3], session="2"),)
    talk = Conversation("talk", TALK.speakers, (*turns[:3], *apart), ())
    with pytest.raises(LeakError, match="'D1:4' of its bank doesn't come before turn 'D1:3'"):
        check_rows([row(bank=BankState((), apart), steps=(step,))], [talk])


def test_files_to_train_on_and_to_validate_with_share_nothing(tmp_path):
    held = row(id="h", split="validation", conversation="other", steps=(replace(asked(), turn=TURNS[2]),))
    long = replace(TURNS[1], text="We paddled all the way  to the island and back")
    spoken = replace(held, bank=BankState((), (replace(long, text=long.text.lower()),)))
    check_apart([row()], [held])
    with pytest.raises(LeakError, match="conversation 'talk' is also in row 'h' of split 'validation'"):
        check_apart([row()], [replace(held, conversation="talk")])
    with pytest.raises(LeakError, match="what is said in it stands in row 'h', too: 'we paddled all the way to"):
        check_apart([row(bank=BankState((), (long,)))], [spoken])
    for name, rows in (("train", [row()]), ("held", [held])):
        write_rows(tmp_path / name, rows)
    check_files(tmp_path / "train", [tmp_path / "held"])
    with pytest.raises(LeakError, match="'h': it is of split 'validation', and "):
        check_files(tmp_path / "held")
    with pytest.raises(LeakError, match="conversation 'talk' is also in row"):
        check_files(tmp_path / "train", [tmp_path / "train"])


@pytest.mark.parametrize("make", [world_manager_rows, world_answerer_rows])
def test_made_names_belong_to_their_split(make):
    rows = make(1, "test", 5, Choice(Size(2, 8)))
    check_rows(rows)
    with pytest.raises(LeakError, match="belongs to split 'test', not to 'train'"):
        check_rows([replace(rows[0], split="train")])
    closed = make(1, "test", 5, Choice(Size(2, 8, 60)))
    check_rows([replace(one, split="train") for one in closed])


def test_a_day_is_no_turn():
    """An answer may come long after the last turn."""
    late = replace(ANSWERED.question, asked=TURNS[-1].time + timedelta(days=9))
    check_rows([replace(ANSWERED, question=late)], [TALK])
