"""The paper's tuples from conversations: which bank a turn meets, and which questions are its own."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import InputError, ModelUnavailableError
from memory_r1.memory.settings import ROLES
from memory_r1.memory.types import Turn
from memory_r1.rl.tasks.load import load_task
from memory_r1.rl.tasks.locomo import load_locomo
from memory_r1.rl.tasks.types import Conversation, Question, Task
from memory_r1.rl.training.banks import Builder, building, pasts
from memory_r1.rl.training.build import Wanted, build_task, build_world
from memory_r1.rl.training.leaks import LeakError
from memory_r1.rl.training.rows import read_made, read_rows
from memory_r1.rl.training.sft import Taught
from memory_r1.rl.training.sft_file import read_roles, world_examples, world_options, write_examples
from memory_r1.rl.training.tuples import Linking, answerer_rows, linked, manager_rows, summarise
from tests.conftest import DATA

LOCOMO = DATA / "locomo" / "locomo10.json"
START = datetime(2024, 5, 1, 10)
SAID = (
    ("Anna", "I moved to Oslo with my cat Pablo."),
    ("Ben", "I bought a red kayak yesterday."),
    ("Anna", "Hi!"),
    ("Anna", "I am learning to play the oboe."),
    ("Ben", "I work as a baker in Bergen."),
)
TURNS = tuple(
    Turn(f"D1:{n}", "1", n - 1, speaker, text, START + timedelta(minutes=n))
    for n, (speaker, text) in enumerate(SAID, 1)
)


def question(id, *evidence, **more):
    return Question(id, f"What about {id}?", "an answer", "single-hop", evidence, **more)


ASKED = (
    question("q1", "D1:1"),
    question("q2", "D1:4", "D1:2"),
    question("q3", "D1:3"),
    question("q4"),
    question("q5", "D1:5", apart=True),
    question("q6", "D1:5"),
)
TALK = Conversation("talk", ("Anna", "Ben"), TURNS, ASKED)
OTHER = Conversation("other", ("Anna", "Ben"), tuple(replace(t, text=f"{t.text} Really.") for t in TURNS), ())
TASK = Task("made", (TALK, OTHER), {"single-hop": "Open Domain"}, {"train": ("talk",), "validation": ("other",)})


@pytest.fixture
def builder(tmp_path):
    return Builder(tmp_path / "banks", dict.fromkeys(ROLES, "rules"), HashedEmbedder())


@pytest.fixture
def past(builder):
    with building(builder, TASK, keep=True):
        (found,) = asyncio.run(pasts(builder, [TALK]))
    return found


def ids(questions):
    return [one.id for one in questions]


def test_a_question_belongs_to_the_turn_after_which_it_can_be_answered():
    assert {id: ids(found) for id, found in linked(TALK).items()} == {
        "D1:1": ["q1"], "D1:3": ["q3"], "D1:4": ["q2"], "D1:5": ["q6"],
    }  # fmt: skip
    assert {id: ids(found) for id, found in linked(TALK, "any").items()} == {
        "D1:1": ["q1"], "D1:2": ["q2"], "D1:3": ["q3"], "D1:4": ["q2"], "D1:5": ["q6"],
    }  # fmt: skip


@pytest.mark.skipif(not LOCOMO.exists(), reason=f"put LoCoMo's locomo10.json at {LOCOMO}")
def test_the_papers_training_conversation_has_its_known_numbers():
    """Any evidence turn counts in these; by the last one, 113 turns have 150 pairs, as two questions have none."""
    talk = next(one for one in load_locomo(LOCOMO) if one.id == "conv-26")
    every, last = linked(talk, "any"), linked(talk)
    assert len(talk.turns) == 419
    assert (len(every), sum(map(len, every.values()))) == (133, 203)
    assert (len(last), sum(map(len, last.values()))) == (113, 150)


def test_a_row_holds_the_bank_before_its_turn(past):
    rows = manager_rows(TASK, "train", past)
    assert [row.id for row in rows] == ["talk:D1:1", "talk:D1:4", "talk:D1:5"], "the turn without facts gives none"
    assert [len(row.bank.memories) for row in rows] == [0, len(rows[1].bank.memories), len(rows[2].bank.memories)]
    before = {id for memory in rows[1].bank.memories for id in memory.turns}
    assert before == {"D1:1", "D1:2"} and "Oslo" in " ".join(m.text for m in rows[1].bank.memories)
    assert [ids(row.steps[0].questions) for row in rows] == [["q1"], ["q2"], ["q6"]]
    assert all(row.steps[0].right is None for row in rows), "nobody knows the right operation here"


def test_a_window_forgets_what_was_said_long_ago(past):
    near = manager_rows(TASK, "train", past, Linking(window=2))
    assert {id for memory in near[1].bank.memories for id in memory.turns} == {"D1:2"}
    assert {id for memory in near[2].bank.memories for id in memory.turns} == {"D1:4"}


def test_guards_ask_what_the_bank_still_tells(past):
    rows = manager_rows(TASK, "train", past, Linking(guards=2))
    assert [ids(row.steps[0].questions) for row in rows] == [["q1"], ["q2", "q1"], ["q6", "q1", "q2"]]
    assert [ids(row.steps[0].questions) for row in manager_rows(TASK, "train", past, Linking(window=1, guards=2))][
        2
    ] == ["q6"]


def test_an_answerers_row_holds_the_bank_of_the_whole_conversation(past):
    rows = answerer_rows(TASK, "train", past)
    assert ids(row.question for row in rows) == ["q1", "q2", "q3", "q4", "q6"]
    assert {id for memory in rows[0].bank.memories for id in memory.turns} == {"D1:1", "D1:2", "D1:4", "D1:5"}
    found = summarise(rows, [past])
    assert (found.rows, found.questions, found.categories) == (5, 5, {"single-hop": 5})


def test_a_build_goes_on_where_it_was_stopped(builder, tmp_path):
    """Stopped after any turn, the rows are the same, and no turn is read twice."""
    wanted = Wanted("manager", "train", tmp_path / "rows.parquet")
    asyncio.run(build_task(wanted, TASK, builder))
    whole = read_rows(wanted.out)
    assert not builder.folder.exists(), "the banks are gone when the file is written"
    read: list[int] = []

    def stop(conversation, done, total):
        read.append(done)
        if len(read) == 3:
            raise ModelUnavailableError("the endpoint is down")

    with pytest.raises(ModelUnavailableError):
        asyncio.run(build_task(wanted, TASK, builder, on_turn=stop))
    assert builder.folder.exists() and read_rows(wanted.out) == whole
    wanted.out.unlink()
    summary = asyncio.run(build_task(wanted, TASK, builder, keep=True))
    assert read_rows(wanted.out) == whole and builder.folder.exists()
    assert (summary.rows, summary.linked, summary.failed) == (3, 4, {})
    made = read_made(wanted.out)
    assert (made["role"], made["split"], made["task"], made["window"], made["link"]) == (
        "manager", "train", "made", 50, "last",
    )  # fmt: skip


def test_banks_that_were_built_otherwise_are_not_gone_on_with(builder):
    with building(builder, TASK, keep=True):
        pass
    other = replace(builder, models={**builder.models, "manager": "openai:grpo@http://localhost:1/v1"})
    with pytest.raises(InputError, match=r"built otherwise \(manager 'rules' → "), building(other, TASK, keep=True):
        pass


def test_a_world_built_by_an_agent_has_gold_facts_and_right_operations(tmp_path):
    task = load_task("world:sessions=1,turns=12,conversations=2,names=60")
    builder = Builder(tmp_path / "banks", dict.fromkeys(ROLES, "rules"), HashedEmbedder(), gold=True)
    summary = asyncio.run(build_task(Wanted("manager", "train", tmp_path / "rows.parquet"), task, builder))
    rows = read_rows(tmp_path / "rows.parquet")
    assert summary.rows == len(rows) > 0
    assert all(step.right is not None for row in rows for step in row.steps)
    told = {fact for one in task.split("train") for fact in one.facts}
    assert all(fact in told for row in rows for step in row.steps for fact in step.facts)


def test_a_leak_leaves_no_file(builder, tmp_path, monkeypatch):
    early = replace(TALK, questions=(question("q1", "D1:1", "D1:5"),))
    task = replace(TASK, conversations=(early, OTHER))
    monkeypatch.setattr("memory_r1.rl.training.tuples.linked", lambda *_: {"D1:1": [early.questions[0]]})
    with pytest.raises(LeakError, match="'q1' has evidence 'D1:5', which was not said by then"):
        asyncio.run(build_task(Wanted("manager", "train", tmp_path / "rows.parquet"), task, builder))
    assert not (tmp_path / "rows.parquet").exists()


def test_what_can_not_be_is_refused(tmp_path):
    with pytest.raises(InputError, match="link='first'"):
        Linking(link="first")
    with pytest.raises(InputError, match="window=-1"):
        Linking(window=-1)
    with pytest.raises(InputError, match="no role 'judge'"):
        read_roles("manager,judge")
    with pytest.raises(InputError, match="only world has an oracle"):
        world_options("locomo")
    with pytest.raises(InputError, match="no examples"):
        write_examples(tmp_path / "sft.parquet", [])


def test_world_files_say_how_they_were_made(tmp_path):
    out = tmp_path / "rows.parquet"
    summary = build_world(Wanted("manager", "train", out), "world:sessions=2,turns=8,names=60", 10)
    assert summary.rows == len(read_rows(out)) == 10 and sum(summary.right.values()) >= 10
    assert read_made(out)["banks"] == "oracle" and read_made(out)["guards"] == 2


def test_examples_end_in_the_right_reply(tmp_path):
    import pyarrow.parquet

    options = world_options("world:sessions=1,turns=10,conversations=2,names=60")
    made = asyncio.run(world_examples(options, "train", Taught(), ("manager",)))
    assert {one.role for one in made} == {"manager"}
    write_examples(tmp_path / "sft.parquet", made, {"task": "world"})
    rows = pyarrow.parquet.read_table(tmp_path / "sft.parquet").to_pylist()
    assert [row["messages"][-1] for row in rows] == [{"role": "assistant", "content": one.reply} for one in made]
    assert [row["messages"][:-1] for row in rows] == [list(one.messages) for one in made]
