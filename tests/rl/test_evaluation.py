"""The evaluation: each row durable, nothing done twice, the same bytes whoever ran it, only equal things together."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from eval_fixture import files, story, write_locomo

from memory_r1.graphs.roles import Usage
from memory_r1.memory.errors import (
    FileFormatError,
    InputError,
    MalformedOutputError,
    ModelUnavailableError,
    SettingsError,
    StoreError,
    StoreUnavailableError,
)
from memory_r1.rl.evaluation.evaluate import clear, evaluate, held, run_here
from memory_r1.rl.evaluation.files import ANSWERS, COSTS, Place, read_rows, read_run
from memory_r1.rl.evaluation.plan import Chosen, Plan
from memory_r1.rl.evaluation.table import summarize
from memory_r1.rl.systems.registry import Row
from memory_r1.rl.systems.types import Asked, Item, Learned
from memory_r1.rl.tasks import load_task
from tests.rl.test_metrics import needs_punkt

pytestmark = needs_punkt
ALL = Chosen()
MODEL = {"extractor": "openai:x", "manager": "openai:x", "answerer": "openai:x"}


class Fake:
    """A system that says what `says` makes of a question: a text, or an error. It notes all that it is asked."""

    def __init__(self, name="fake", says=lambda question: question.answer, about="1"):
        self.name = name
        self.says = says
        self.about = about
        self.seen = Counter()
        self.now = self.most = 0

    def describe(self):
        return {"version": self.about}

    async def open(self, conversation, folder):
        self.seen["open"] += 1
        return FakeLearner(self, len(conversation.questions))

    async def close(self):
        self.seen["close"] += 1


class FakeLearner:
    def __init__(self, system, late):
        self.system = system
        self.late = late

    async def learn(self, turn):
        self.system.seen[f"learn {turn.id}"] += 1
        return Learned({"add": 1}, {"learn": 0.001})

    async def ask(self, question):
        """Later questions are answered first."""
        self.system.now += 1
        self.system.most = max(self.system.most, self.system.now)
        self.late -= 1
        for _ in range(5 * self.late):
            await asyncio.sleep(0)
        self.system.now -= 1
        self.system.seen[f"ask {question.id}"] += 1
        said = self.system.says(question)
        if isinstance(said, Exception):
            raise said
        items = (Item("m1", "It was said.", "Ann", turns=question.evidence), Item("m2", "Else."))
        return Asked(said, items, ("m1",), {"search": 0.1, "answer": 0.2}, Usage(1, 10, 3, 4))

    async def size(self):
        return 7

    async def close(self):
        self.system.seen["closed"] += 1


def plan_of(folder, *names, chosen=ALL, **more):
    """A plan over three made conversations."""
    folder.mkdir(exist_ok=True)
    task = load_task("locomo", write_locomo(folder / "locomo.json"))
    rows = tuple(Row(name, MODEL) for name in names or ("fake",))
    return Plan(task, "test", chosen, rows, folder / "out", **more)


def run(plan, *fakes, steps=None):
    """What stopped rows of the plan, played by `fakes`; a row without one lacks a model."""
    known = {fake.name: fake for fake in fakes}

    async def make(row, embedder=None):
        if row.name not in known:
            raise SettingsError(f"{row.name} needs a language model: give --model")
        return known[row.name]

    async def work():
        with held(plan.out):
            return await evaluate(plan, (steps if steps is not None else []).append, run_here, make=make)

    return asyncio.run(work())


def answers(plan, system="fake", conversation="made-0"):
    return list(read_rows(Place(plan.out, system).answers(conversation), ANSWERS))


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
    assert [row.question_id for row in answers(one)] == [f"made-0/{at}" for at in range(4)]


def test_a_row_without_a_model_does_one_thing_at_a_time(tmp_path):
    plan = plan_of(tmp_path)
    plan = replace_rows(plan, Row("fake", dict.fromkeys(MODEL, "rules")))
    fake = Fake()
    run(plan, fake)
    assert fake.most == 1


def replace_rows(plan, *rows):
    return Plan(plan.task, plan.split, plan.chosen, rows, plan.out, plan.at_once)


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
    assert files(plan.out) == files(whole.out)
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


@pytest.mark.parametrize(("content", "message"), [("{", "Invalid JSON"), ('{"task": 1}', "task: ")])
def test_a_run_file_that_cant_be_read_is_named(tmp_path, content, message):
    plan = plan_of(tmp_path)
    plan.out.mkdir()
    (plan.out / "run.json").write_text(content)
    with pytest.raises(FileFormatError, match=f"run.json' is no evaluation: .*{message}.*use another --out"):
        run(plan, Fake())


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
        r"unanswerable asked: left out, now asked": (plan_of(tmp_path, chosen=Chosen(unanswerable=True)), Fake()),
        r"split is 'test', now 'all'": (Plan(plan.task, "all", Chosen(), plan.rows, plan.out), Fake()),
        r"data_sha256 is '.*', now '000": (Plan(other, "test", Chosen(), plan.rows, plan.out), Fake()),
    }
    for message, (changed, fake) in cases.items():
        with pytest.raises(InputError, match=f"holds results of something else: {message}"):
            run(changed, fake)
    assert {path: path.read_bytes() for path in plan.out.rglob("*") if path.is_file()} == before


def test_questions_without_an_answer_are_asked_when_wished_and_stand_apart(tmp_path):
    plan = plan_of(tmp_path, chosen=Chosen(unanswerable=True))
    run(plan, Fake(says=lambda question: "not mentioned" if question.unanswerable else question.answer))
    row = summarize(plan.out).data()["rows"][0]
    assert (row["overall"]["questions"], row["unanswerable"]["questions"]) == (12, 3)
    assert row["unanswerable"]["locomo.f1"]["mean"] == 1
    assert answers(plan)[-1].unanswerable and set(answers(plan)[-1].scores) == {"locomo"}


def test_the_first_conversations_and_questions_are_chosen():
    chosen = Chosen(conversations=2, questions=1)
    talks = [story(), replace(story(), id="b"), replace(story(), id="c")]
    assert [(talk.id, len(talk.questions)) for talk in chosen.of(talks)] == [("made-1", 1), ("b", 1)]
    trap = replace(story(), questions=story().questions[2:])
    assert Chosen().of([trap]) == () and len(Chosen(unanswerable=True).of([trap])[0].questions) == 1


def test_two_at_once_in_one_folder_are_refused(tmp_path):
    second = pytest.raises(InputError, match=r"another evaluation is writing into .*wait")
    with held(tmp_path / "out"), second, held(tmp_path / "out"):
        pass


def test_a_fresh_start_throws_away_results_and_nothing_else(tmp_path):
    plan = plan_of(tmp_path)
    run(plan, Fake())
    (plan.out / "notes.txt").write_text("mine")
    clear(plan.out)
    assert {path.name for path in plan.out.iterdir() if path.is_file()} <= {"notes.txt", "run.lock"}
    assert not [path for path in plan.out.iterdir() if path.is_dir()]
    run(plan, fake := Fake(about="2"))
    assert fake.seen["open"] == 3


def test_time_is_counted_to_the_row_that_took_it(tmp_path):
    plan = plan_of(tmp_path, "one", "two")
    run(plan, Fake("one"), Fake("two"))
    info = read_run(plan.out)
    assert info.rows["one"].wall > 0 and info.rows["two"].wall > 0
    assert info.wall >= info.rows["one"].wall + info.rows["two"].wall
