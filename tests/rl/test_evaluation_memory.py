"""How good a memory is: recorded once when a conversation is learned, shown in the table and in the report."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime

import pytest
from eval_fakes import ALL, Fake, plan_of, run
from eval_fixture import files

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.types import Fact, Turn
from memory_r1.rl.evaluation.evaluate import evaluate, held, run_here
from memory_r1.rl.evaluation.files import MEMORY, Place, read_rows
from memory_r1.rl.evaluation.plan import Plan
from memory_r1.rl.evaluation.run import memory_row
from memory_r1.rl.evaluation.table import summarize
from memory_r1.rl.metrics.held import Held, Repeats
from memory_r1.rl.metrics.operations import Fates
from memory_r1.rl.report import write_report
from memory_r1.rl.report.memories import UNRECORDED
from memory_r1.rl.systems.registry import Row
from memory_r1.rl.systems.types import Item, Kept
from memory_r1.rl.tasks.types import Conversation, Task

MAY = datetime(2023, 5, 8, 13, 56)
TEXTS = (
    "I have a dog called Rex.",
    "I work as a nurse.",
    "I have a dog called Rex.",
    "Wow!",
    "I moved to Oslo in May.",
)
TURNS = tuple(Turn(f"1/{at}", "1", at, ("Ann", "Ben")[at % 2], text, MAY) for at, text in enumerate(TEXTS, 0))
FACTS = (
    Fact("I have a dog called Rex.", "Ann", ("1/0",)), Fact("I am a nurse.", "Ben", ("1/1",)),
    Fact("I live in Oslo.", "Ann", ("1/4",)), Fact("I play the oboe.", "Ben", ()),
)  # fmt: skip
TALK = Conversation("made", ("Ann", "Ben"), TURNS, (), FACTS)
RULES = dict.fromkeys(("extractor", "manager", "answerer"), "rules")


def facts_plan(folder, *names, talks=(TALK,)):
    task = Task("facts", talks, {}, {"test": tuple(talk.id for talk in talks)}, {}, "0" * 64)
    return Plan(task, "test", ALL, tuple(Row(name, RULES) for name in names or ("rules", "rag")), folder / "out")


def work(plan):
    async def done():
        with held(plan.out):
            return await evaluate(plan, lambda step: None, run_here, HashedEmbedder())

    return asyncio.run(done())


def recorded(plan, system, conversation="made"):
    return next(read_rows(Place(plan.out, system).memory(conversation), MEMORY))


def test_what_is_held_of_a_conversation_is_told_exactly(tmp_path):
    plan = facts_plan(tmp_path)
    assert work(plan) == {}
    rules, rag = recorded(plan, "rules"), recorded(plan, "rag")
    assert (rules.turns, rules.memories, rules.kept) == (5, 3, 3)
    assert rules.fates == Fates(3, 3, 0, 0, {"duplicate": 1}) and rules.repeats == Repeats(0, 0)
    best = {"rules": (1, 2 / 3, 2 / 6, 0), "rag": (1, 2 / 3, 2 / 5, 0)}  # of the dog, the nurse, Oslo, the oboe
    assert rules.held == Held(4, 3, 2 / 4, 2 / 3, pytest.approx(sum(best["rules"]) / 4))
    assert (rag.memories, rag.kept, rag.repeats) == (5, 5, Repeats(1, 1))
    assert rag.characters == sum(map(len, TEXTS)) and rag.fates == Fates(5, 5, 0, 0, {})
    assert rag.held == Held(4, 5, 2 / 4, 3 / 5, pytest.approx(sum(best["rag"]) / 4))


def test_a_system_without_a_memory_or_without_turns_says_so():
    assert memory_row(TALK, None).memories is None
    unnamed = memory_row(TALK, Kept((Item("1", "Rex is Ann's dog"),)))
    assert (unnamed.memories, unnamed.kept, unnamed.fates) == (1, None, None)
    assert memory_row(TALK, Kept(())).kept == 0 and memory_row(replace(TALK, facts=()), Kept(())).held is None


def test_without_questions_table_and_report_show_the_memory_alone(tmp_path):
    plan = facts_plan(tmp_path)
    work(plan)
    table = summarize(plan.out)
    assert table.columns == ["system", "calls", "tokens", "turn ms", "wall s"] and table.by_category() == []
    assert table.held() == [["rules", "3", "50.0", "66.7", "60.0"], ["rag", "5", "50.0", "60.0", "100.0"]]
    assert table.data()["rows"][1]["memory"]["recall"] == {"mean": 0.5, "low": None, "high": None, "count": 4}
    done = write_report([plan.out])
    page, told = done.page.read_text(), done.markdown.read_text()
    assert "| rules | 3 | 50.00 | 66.67 |" in told and "1 conversation, without questions" in told
    assert 'id="memory"' in page and "facts held, %" in page and 'id="results"' not in page
    assert page.count("<script") == 0


def test_a_finished_run_is_not_looked_at_again(tmp_path):
    plan = facts_plan(tmp_path)
    work(plan)
    before = {path: path.stat().st_mtime_ns for path in plan.out.rglob("*") if path.is_file()}
    work(plan)
    assert {path: path.stat().st_mtime_ns for path in plan.out.rglob("*") if path.is_file()} == before


def test_an_interval_stands_over_conversations(tmp_path):
    other = replace(TALK, id="other", turns=TURNS[3:4])
    plan = facts_plan(tmp_path, "rules", talks=(TALK, other))
    work(plan)
    recall = summarize(plan.out).rows[0].memories.recall
    assert (recall.mean, recall.low, recall.high, recall.count) == (0.25, 0.0, 0.5, 8)


def test_a_folder_of_an_older_run_says_that_nothing_is_recorded(tmp_path):
    plan = plan_of(tmp_path)
    run(plan, Fake())
    for path in files(plan.out, "memory"):
        (plan.out / path).unlink()
    again = Fake()
    assert run(plan, again) == {} and again.seen == {"close": 1}
    assert summarize(plan.out).data()["rows"][0]["memory"]["missing"] == UNRECORDED
    done = write_report([plan.out])
    assert UNRECORDED in done.page.read_text() and f"| fake | {UNRECORDED} |" in done.markdown.read_text()


def test_memories_are_looked_at_once_also_when_a_run_was_stopped(tmp_path):
    plan = plan_of(tmp_path)
    left = iter(range(2))
    gone = KeyError("gone")
    with pytest.raises(KeyError):
        run(plan, first := Fake(says=lambda question: question.answer if next(left, None) is not None else gone))
    run(plan, second := Fake())
    looked = {"first": first.seen["memories"], "second": second.seen["memories"]}
    assert sum(looked.values()) == 3 and looked["first"] >= 1
    for row in files(plan.out, "memory").values():
        assert json.loads(row)["memories"] == 7 and json.loads(row)["held"] is None
