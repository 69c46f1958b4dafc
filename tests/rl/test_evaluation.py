"""The evaluation: each row durable, nothing done twice, the same bytes whoever ran it."""

import pytest
from eval_fakes import MODEL, Fake, answers, plan_of, replace_rows, run
from eval_fixture import files

from memory_r1.memory.errors import (
    FileFormatError,
    MalformedOutputError,
    ModelUnavailableError,
    StoreError,
    StoreUnavailableError,
)
from memory_r1.rl.evaluation.files import COSTS, Place, read_rows, read_run
from memory_r1.rl.evaluation.table import summarize
from memory_r1.rl.systems.registry import Row
from tests.rl.test_metrics import needs_punkt

pytestmark = needs_punkt


def test_gold_answers_score_one_empty_ones_nothing(tmp_path):
    plan = plan_of(tmp_path, "gold", "none")
    assert run(plan, Fake("gold"), Fake("none", lambda question: "")) == {}
    gold, none = summarize(plan.out).data()["rows"]
    for measure in ("mem0.f1", "mem0.bleu1", "mem0.em", "locomo.f1"):
        assert (gold["overall"][measure]["mean"], none["overall"][measure]["mean"]) == (1, 0)
    assert gold["overall"]["recall"] == {"10": 1, "30": 1, "60": 1}
    assert gold["costs"]["ask"]["usage"]["calls"] == plan.questions


def test_the_bytes_are_the_same_however_many_are_asked_at_once(tmp_path):
    one, many = plan_of(tmp_path / "1", at_once=1), plan_of(tmp_path / "8", at_once=5)
    slow, fast = Fake(), Fake()
    run(one, slow)
    run(many, fast)
    assert (slow.most, fast.most) == (1, 5)
    assert files(one.out) == files(many.out) and len(files(one.out)) == 3
    assert files(one.out, "memory") == files(many.out, "memory") and len(files(one.out, "memory")) == 3
    assert [row.question_id for row in answers(one)] == [f"made-0/{at}" for at in range(4)]


def test_a_row_without_a_model_does_one_thing_at_a_time(tmp_path):
    plan = plan_of(tmp_path)
    plan = replace_rows(plan, Row("fake", dict.fromkeys(MODEL, "rules")))
    fake = Fake()
    run(plan, fake)
    assert fake.most == 1


def test_a_finished_run_opens_nothing_and_writes_nothing(tmp_path):
    plan, steps = plan_of(tmp_path), []
    run(plan, Fake())
    before = {path: path.stat().st_mtime_ns for path in plan.out.rglob("*") if path.is_file()}
    again = Fake()
    run(plan, again, steps=steps)
    assert again.seen == {"close": 1}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert sum(step.questions for step in steps) == plan.questions and all(step.known for step in steps)
    assert read_run(plan.out).finished


@pytest.mark.parametrize("stop", [1, 5, 6, 12])
def test_a_stopped_run_goes_on_where_it_was(tmp_path, stop):
    whole, plan = plan_of(tmp_path / "whole"), plan_of(tmp_path / "part", at_once=2)
    run(whole, Fake())
    left = iter(range(stop))
    gone = ModelUnavailableError("away")
    failures = run(plan, Fake(says=lambda question: question.answer if next(left, None) is not None else gone))
    assert failures == ({"fake": gone} if stop < 12 else {})
    assert read_run(plan.out).finished == (stop >= 12)
    known = {path: path.read_bytes() for path in plan.out.glob("*/*/*.part")}
    again = Fake()
    assert run(plan, again) == {}
    assert files(plan.out) == files(whole.out) and files(plan.out, "memory") == files(whole.out, "memory")
    assert not list(plan.out.rglob("*.part")) and (known or stop == 12)
    asked = sum(count for what, count in again.seen.items() if what.startswith("ask"))
    assert asked <= plan.questions - stop + 2
    for conversation in plan.conversations:
        rows = list(read_rows(Place(plan.out, "fake").costs(conversation.id), COSTS))
        wanted = [("learn", turn.id) for turn in conversation.turns]
        assert [(row.kind, row.id) for row in rows] == [*wanted, *(("ask", q.id) for q in conversation.questions)]
        assert [row.size for row in rows if row.size is not None] == [7]


@pytest.mark.parametrize("kind", ["answers", "costs"])
def test_a_line_cut_off_by_a_crash_is_dropped(tmp_path, kind):
    whole, plan = plan_of(tmp_path / "whole"), plan_of(tmp_path / "cut")
    run(whole, Fake())
    run(plan, Fake())
    place = Place(plan.out, "fake")
    for path in (place.answers("made-1"), place.costs("made-1")):
        cut = path.read_bytes()[:-9] if path.parent.name == kind else path.read_bytes()
        path.with_name(path.name + ".part").write_bytes(cut)
        path.unlink()
    again = Fake()
    run(plan, again)
    assert files(plan.out) == files(whole.out)
    assert (again.seen["open"], again.seen["ask made-1/3"], again.seen["ask made-1/2"]) == (1, 1, 0)


def test_a_damaged_line_is_named(tmp_path):
    plan = plan_of(tmp_path)
    run(plan, Fake())
    path = Place(plan.out, "fake").answers("made-1")
    lines = path.read_bytes().splitlines()
    path.unlink()
    path.with_name(path.name + ".part").write_bytes(b"\n".join([lines[0], b'{"conversation": 1}', *lines[1:]]) + b"\n")
    failures = run(plan, Fake())
    assert isinstance(failures["fake"], FileFormatError)
    assert "made-1.jsonl.part', line 2: conversation: " in str(failures["fake"])


def test_a_disk_that_refuses_is_told_with_the_file(tmp_path):
    plan = plan_of(tmp_path)
    (plan.out / "fake").mkdir(parents=True)
    (plan.out / "fake" / "costs").write_text("in the way")
    failures = run(plan, Fake())
    assert isinstance(failures["fake"], StoreUnavailableError)
    assert "can't write" in str(failures["fake"]) and "made-0.jsonl.part" in str(failures["fake"])


def test_a_run_that_died_between_its_two_files_goes_on(tmp_path):
    whole, plan = plan_of(tmp_path / "whole"), plan_of(tmp_path / "half")
    run(whole, Fake())
    run(plan, Fake())
    path = Place(plan.out, "fake").answers("made-2")
    path.rename(path.with_name(path.name + ".part"))
    again = Fake()
    run(plan, again)
    assert (again.seen["open"], files(plan.out)) == (0, files(whole.out))
    assert len(files(plan.out, "costs")) == 3


def test_a_malformed_reply_is_an_empty_answer_and_a_failure(tmp_path):
    plan = plan_of(tmp_path)
    wrong = MalformedOutputError("no JSON")
    assert run(plan, Fake(says=lambda question: wrong if question.id == "made-0/2" else "a \ud800 b")) == {}
    rows = answers(plan)
    assert (rows[2].answer, rows[2].failures[0].detail, rows[2].recall) == ("", "no JSON", None)
    assert rows[1].answer == "a ? b"
    failures = summarize(plan.out).data()["rows"][0]["costs"]["ask"]["failures"]
    assert failures == {"answerer malformed": 1}


def test_one_row_that_breaks_leaves_the_others_alone(tmp_path):
    plan = plan_of(tmp_path, "one", "two", "three")
    broken = StoreError("broken")
    failures = run(plan, Fake("one"), Fake("two", lambda question: broken), Fake("three"))
    assert failures == {"two": broken}
    assert {path.split("/")[0] for path in files(plan.out)} == {"one", "three"}
    assert [bool(row.get("unfinished")) for row in summarize(plan.out).data()["rows"]] == [False, True, False]


def test_a_model_that_is_away_stops_the_run(tmp_path):
    plan = plan_of(tmp_path, "one", "two")
    second = Fake("two")
    assert set(run(plan, Fake("one", lambda question: ModelUnavailableError("away")), second)) == {"one"}
    assert second.seen == {"close": 1}
