"""What is run: which rows and questions, only equal things in one folder, and one evaluation at a time."""

import asyncio
import sys
from dataclasses import replace

import pytest
from eval_fakes import Fake, answers, plan_of, run
from eval_fixture import files, story

from memory_r1.memory.errors import (
    FileFormatError,
    InputError,
    SettingsError,
    StoreError,
)
from memory_r1.rl.bench.made import machine
from memory_r1.rl.evaluation.evaluate import clear, held
from memory_r1.rl.evaluation.files import read_run
from memory_r1.rl.evaluation.plan import Chosen, Plan
from memory_r1.rl.evaluation.table import summarize
from tests.rl.test_metrics import needs_punkt

pytestmark = needs_punkt


@pytest.mark.parametrize(("content", "message"), [("{", "Invalid JSON"), ('{"task": 1}', "task: ")])
def test_a_run_file_that_cant_be_read_is_named(tmp_path, content, message):
    plan = plan_of(tmp_path)
    plan.out.mkdir()
    (plan.out / "run.json").write_text(content)
    with pytest.raises(FileFormatError, match=f"run.json' is no evaluation: .*{message}.*use another --out"):
        run(plan, Fake())


def test_a_row_that_cant_run_is_recorded_and_added_later(tmp_path):
    plan = plan_of(tmp_path, "fake", "other")
    assert run(plan, Fake()) == {}
    assert read_run(plan.out).rows["other"].not_run == "other needs a language model: give --model"
    shown = summarize(plan.out)
    assert shown.data()["rows"][1] == {
        "system": "other",
        "describe": {},
        "not_run": read_run(plan.out).rows["other"].not_run,
    }
    assert shown.overall()[1][1:] == ["–"] * (len(shown.columns) - 1)
    assert "other: not run: other needs a language model: give --model" in shown.notes()
    before = files(plan.out)
    first = Fake()
    run(plan, first, Fake("other"))
    assert first.seen == {"close": 1}
    assert before.items() <= files(plan.out).items() and len(files(plan.out)) == 6
    assert run(plan, Fake()) == {}, "what it had it keeps"
    assert read_run(plan.out).rows["other"].not_run == ""


def test_a_row_that_cant_go_on_says_why(tmp_path):
    plan = plan_of(tmp_path, "fake", "other")
    run(plan, Fake(), Fake("other", lambda question: StoreError("broken")))
    failures = run(plan, Fake())
    assert str(failures["other"]) == "other needs a language model: give --model"


def test_nothing_that_can_run_is_an_error_with_every_reason(tmp_path):
    plan = plan_of(tmp_path, "one", "two")
    with pytest.raises(InputError, match=r"nothing of it can run here: one needs .*; two needs"):
        run(plan)


def test_other_settings_are_refused_by_name_and_nothing_is_touched(tmp_path):
    plan = plan_of(tmp_path)
    run(plan, Fake())
    before = {path: path.read_bytes() for path in plan.out.rglob("*") if path.is_file()}
    other = replace(plan.task, sha256="0" * 64)
    cases = {
        r"fake's version is '1', now '2'": (plan, Fake(about="2")),
        r"questions asked: all, now the first 2": (plan_of(tmp_path, chosen=Chosen(questions=2)), Fake()),
        r"adversarial asked: left out, now asked": (plan_of(tmp_path, chosen=Chosen(adversarial=True)), Fake()),
        r"split is 'test', now 'all'": (Plan(plan.task, "all", Chosen(), plan.rows, plan.out), Fake()),
        r"data_sha256 is '.*', now '000": (Plan(other, "test", Chosen(), plan.rows, plan.out), Fake()),
    }
    for message, (changed, fake) in cases.items():
        with pytest.raises(InputError, match=f"holds results of something else: {message}"):
            run(changed, fake)
    assert {path: path.read_bytes() for path in plan.out.rglob("*") if path.is_file()} == before


def test_questions_without_an_answer_are_asked_when_wished_and_stand_apart(tmp_path):
    plan = plan_of(tmp_path, chosen=Chosen(adversarial=True))
    run(plan, Fake(says=lambda question: "not mentioned" if question.unanswerable else question.answer))
    row = summarize(plan.out).data()["rows"][0]
    assert (row["overall"]["questions"], row["adversarial"]["questions"]) == (12, 3)
    assert row["adversarial"]["locomo.f1"]["mean"] == 1
    assert answers(plan)[-1].unanswerable and set(answers(plan)[-1].scores) == {"locomo"}


def test_the_first_conversations_and_questions_are_chosen():
    chosen = Chosen(conversations=2, questions=1)
    talks = [story(), replace(story(), id="b"), replace(story(), id="c")]
    assert [(talk.id, len(talk.questions)) for talk in chosen.of(talks)] == [("made-1", 1), ("b", 1)]
    trap = replace(story(), questions=story().questions[2:])
    assert Chosen().of([trap]) == () and len(Chosen(adversarial=True).of([trap])[0].questions) == 1


def test_two_at_once_in_one_folder_are_refused(tmp_path):
    second = pytest.raises(InputError, match=r"another evaluation is writing into .*wait")
    with held(tmp_path / "out"), second, held(tmp_path / "out"):
        pass


def test_a_fresh_start_throws_away_results_and_nothing_else(tmp_path):
    plan = plan_of(tmp_path)
    run(plan, Fake())
    (plan.out / "notes.txt").write_text("mine")
    asyncio.run(clear(plan))
    assert {path.name for path in plan.out.iterdir() if path.is_file()} <= {"notes.txt", "run.lock"}
    assert not [path for path in plan.out.iterdir() if path.is_dir()]
    run(plan, fake := Fake(about="2"))
    assert fake.seen["open"] == 3


def test_a_fresh_start_deletes_zeps_graphs_or_nothing(tmp_path):
    plan = plan_of(tmp_path, "zep")
    run(plan, Fake("zep"))
    group = plan.out / "zep" / "banks" / "made-0" / "group.json"
    group.write_text('{"group": "mr1_made_0_1", "begun": true}')
    with pytest.raises(SettingsError, match=r"zep's old graphs can't be deleted.*needs a Neo4j server.*delete .*zep'"):
        asyncio.run(clear(plan))
    assert group.exists() and read_run(plan.out).finished
    group.unlink()
    asyncio.run(clear(plan))
    assert not (plan.out / "zep").exists()


def test_time_is_counted_to_the_row_that_took_it(tmp_path):
    plan = plan_of(tmp_path, "one", "two")
    run(plan, Fake("one"), Fake("two"))
    info = read_run(plan.out)
    assert info.rows["one"].wall > 0 and info.rows["two"].wall > 0
    assert info.wall >= info.rows["one"].wall + info.rows["two"].wall


def test_the_recorded_command_names_models_and_no_password(monkeypatch):
    words = ("eval", "--model", "openai:qwen@http://host/v1", "--store", "neo4j://ann:geheim@host")
    monkeypatch.setattr(sys, "argv", ["anything", *words])
    shown = "memory-r1 eval --model openai:qwen@http://host/v1 --store neo4j://ann:***@host"
    assert machine()["command"] == shown
