"""The recall benchmark validates itself: what must be found is found, what can't be isn't."""

from dataclasses import replace
from datetime import datetime

import pytest

from memory_r1.memory.types import Turn
from memory_r1.rl.bench.recall import recall
from memory_r1.rl.tasks import Conversation, Question, load_locomo
from tests.rl.test_locomo import LOCOMO

FILLER = ("Snow fell.", "The bread is done.", "Good for you!", "A lamp broke.", "We ran home.", "Quite so.")


def made(questions: tuple[Question, ...]) -> Conversation:
    texts = ["My violin is in the attic.", "I moved to Oslo.", *(FILLER[at % 6] + " " * at for at in range(90))]
    turns = tuple(
        Turn(f"D1:{at + 1}", "1", at, ("Ann", "Bob")[at % 2], text, datetime(2023, 5, 8))
        for at, text in enumerate(texts)
    )
    return Conversation("made-1", ("Ann", "Bob"), turns, questions)


async def test_evidence_that_says_the_words_is_found():
    table = await recall([made((Question("1", "Where is the violin?", "attic", "single-hop", ("D1:1",)),))])
    first = dict(zip(table.columns, table.rows[0], strict=True))
    assert (first["part"], first["category"], first["questions"], first["evidence"]) == ("test", "all", 1, 1)
    assert first["at_10"] == first["at_60"] == first["at_30+30"] == first["micro_10"] == 100


async def test_recall_by_question_and_by_turn_differ_as_they_should():
    buried = ("D1:90", "D1:91", "D1:92")
    questions = (
        Question("1", "Where is the violin?", "attic", "single-hop", ("D1:1",)),
        Question("2", "violin attic", "x", "multi-hop", buried),
    )
    table = await recall([made(questions)])
    rows = {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert set(rows) == {"all", "multi-hop", "single-hop"}
    assert rows["multi-hop"]["at_10"] == 0
    assert (rows["all"]["at_10"], rows["all"]["micro_10"]) == (50, 25)


async def test_adversarial_questions_and_those_without_evidence_are_left_out():
    questions = (
        Question("1", "violin?", "attic", "adversarial", ("D1:1",), unanswerable=True),
        Question("2", "violin?", "attic", "single-hop"),
    )
    assert (await recall([made(questions)])).rows == []


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.skipif(not LOCOMO.exists(), reason=f"put LoCoMo's locomo10.json at {LOCOMO}")
async def test_every_embedded_store_keeps_the_recall_on_the_tuning_conversation(store: str):
    conversation = load_locomo(LOCOMO)[1]
    conversation = replace(conversation, questions=conversation.questions[:40])
    table = await recall([conversation], store=store)
    first = dict(zip(table.columns, table.rows[0], strict=True))
    assert first["part"] == "tuned on"
    assert first["at_10"] >= 80
    assert first["at_60"] >= 93
