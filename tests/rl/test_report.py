"""Reading evaluation folders for a report, and the figures made of them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from report_fixture import SMALL, Made, make_evaluation

from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.rl.evaluation.files import ANSWERS, RUN, Place, read_run, write_run
from memory_r1.rl.evaluation.records import AnswerRow, RowInfo
from memory_r1.rl.judge.verdicts import verdict_path
from memory_r1.rl.report.collect import collect
from memory_r1.rl.report.costs import STEPS, growth, spent
from memory_r1.rl.report.figures import Figures, figures
from memory_r1.rl.report.markdown import bounds, escaped, markdown, percent
from memory_r1.rl.report.published import LOCOMO, published, published_on
from memory_r1.rl.report.reading import read_evaluation
from memory_r1.rl.report.tables import APART, OVERALL, Cell, cells, groups


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_evaluation(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def found(folder: Path) -> Figures:
    return figures([folder])


def rows(folder: Path, system: str, conversation: str) -> list[AnswerRow]:
    text = Place(folder, system).answers(conversation).read_bytes()
    return [ANSWERS.validate_json(line) for line in text.splitlines()]


def rewrite(folder: Path, system: str, conversation: str, new: list[AnswerRow]) -> None:
    path = Place(folder, system).answers(conversation)
    path.write_bytes(b"".join(ANSWERS.dump_json(row) + b"\n" for row in new))


def test_each_mean_is_that_of_its_rows(folder: Path, found: Figures):
    every = [row for at in range(3) for row in rows(folder, "rules", f"conv-{at}")]
    cell = found.cells["rules"][OVERALL, "f1"]
    assert cell.mean == pytest.approx(sum(row.scores["mem0"]["f1"] for row in every) / 36)
    assert cell.count == 36 and cell.low is not None and cell.low <= cell.mean <= (cell.high or 0)
    temporal = next(group for group in found.groups if group.official == "temporal")
    own = [row.scores["locomo"]["em"] for row in every if row.category == "temporal"]
    assert found.cells["rules"][temporal.key, "lem"].mean == pytest.approx(sum(own) / len(own))
    recall = [row.recall["30"] for row in every if row.recall is not None]
    assert found.recalls["rules"][OVERALL]["30"] == pytest.approx(sum(recall) / len(recall))


def test_the_columns_stand_in_the_papers_order_under_both_names(found: Figures):
    titles = [group.title for group in found.groups]
    assert titles == [
        "Single Hop (multi-hop)", "Multi-Hop (open-domain)", "Open Domain (single-hop)", "Temporal", "Overall",
    ]  # fmt: skip
    assert sum(len(group.questions) for group in found.groups[:-1]) == len(found.overall.questions) == 36


def test_a_judges_share_is_of_usable_verdicts_and_needs_one_for_each_question(folder: Path, tmp_path: Path):
    made = make_evaluation(tmp_path / "run")
    path = verdict_path(made, "strict:judge")
    told = [json.loads(line) for line in path.read_text().splitlines()]
    for row in told:
        row["label"] = "CORRECT"
    told[0]["label"], told[1]["label"] = "UNUSABLE", "WRONG"
    path.write_text("".join(json.dumps(row) + "\n" for row in told))
    found = figures([made])
    assert found.cells["rules"][OVERALL, "j0"].mean == pytest.approx(34 / 35)
    assert found.cells["rules"][OVERALL, "j0"].count == 35
    judged = next(one for one in found.judged if one.row == "rules")
    assert (judged.correct, judged.wrong, judged.unusable, judged.unjudged) == (34, 1, 1, 0)
    path.write_text("".join(json.dumps(row) + "\n" for row in told[3:]))
    less = figures([made])
    assert (OVERALL, "j0") not in less.cells["rules"] and (OVERALL, "j0") in less.cells["rag"]
    assert next(one for one in less.judged if one.row == "rules").unjudged == 3


def test_a_verdict_on_an_answer_given_before_does_not_count(tmp_path: Path):
    made = make_evaluation(tmp_path)
    first, *others = rows(made, "rules", "conv-0")
    rewrite(made, "rules", "conv-0", [replace(first, answer="something else"), *others])
    found = figures([made])
    assert next(one for one in found.judged if one.row == "rules").unjudged == 1
    assert (OVERALL, "j0") not in found.cells["rules"]


def test_two_judges_are_compared(tmp_path: Path):
    found = figures([make_evaluation(tmp_path, replace(SMALL, judges=("strict:a", "lenient:a")))])
    (pair,) = found.agreements
    assert {pair.first, pair.second} == {"strict:a", "lenient:a"} and pair.kappa is not None and 0 < pair.kappa < 1
    assert [one.head for one in found.collected.measures[-2:]] == ["J1", "J2"]


def test_differences_are_of_the_same_questions_and_change_sign(found: Figures):
    one, other = found.differences["rules"]["rag"]["f1"], found.differences["rag"]["rules"]["f1"]
    gap = found.cells["rag"][OVERALL, "f1"].mean - found.cells["rules"][OVERALL, "f1"].mean
    assert one.mean == pytest.approx(gap) and other.mean == pytest.approx(-gap)
    assert one.low is not None and other.high == -one.low and other.low == -(one.high or 0)
    assert found.base == "rules" and not found.differences["rules"]["rules"]


def test_the_base_must_have_figures(folder: Path):
    assert figures([folder], "rag").base == "rag"
    with pytest.raises(InputError, match="row 'mem0' has no figures: compare with one of rules, rag, memory-r1"):
        figures([folder], "mem0")
    with pytest.raises(InputError, match="row 'x' isn't there"):
        figures([folder], "x")


def test_what_cannot_be_answered_stands_apart(tmp_path: Path):
    found = figures([make_evaluation(tmp_path, replace(SMALL, adversarial=2))])
    apart = found.groups[-1]
    assert apart.key == APART and len(apart.questions) == 6 and len(found.overall.questions) == 30
    assert [one.key for one in found.measures(apart)] == ["lf1", "j0"]
    assert found.cells["rules"][OVERALL, "f1"].count == 30


def test_a_row_that_was_not_run_has_no_figures_but_a_reason(found: Figures):
    entry = next(entry for entry in found.evaluation.entries if entry.name == "mem0")
    assert entry.missing == "needs a model: give --model" and "mem0" not in found.cells | found.costs


def test_an_unfinished_row_has_no_figures_yet(tmp_path: Path):
    made = make_evaluation(tmp_path)
    Place(made, "rag").answers("conv-1").rename(Place(made, "rag").answers("conv-1").with_suffix(".jsonl.part"))
    found = figures([made])
    assert "rag" not in found.cells and len(found.collected.marks["rag"]) == 24
    missing = next(entry.missing for entry in found.evaluation.entries if entry.name == "rag")
    assert missing.startswith("unfinished: 2 of 3 conversations")
    assert "| rag | unfinished | – |" in markdown(found)


def test_an_evaluation_that_has_only_begun_can_be_reported(tmp_path: Path):
    made = make_evaluation(tmp_path, replace(SMALL, systems={}))
    found = figures([made])
    assert not found.names and found.base == "" and not found.overall.questions
    assert "| mem0 | not run |" in markdown(found)


def test_folders_of_the_same_questions_become_one_table(tmp_path: Path):
    a = make_evaluation(tmp_path / "a", replace(SMALL, systems={"rules": 0.3, "rag": 0.2}))
    b = make_evaluation(tmp_path / "b", replace(SMALL, systems={"rules": 0.5, "mem0": 0.4}, not_run={}))
    evaluation = read_evaluation([a, b, a])
    assert [entry.name for entry in evaluation.entries] == ["rules (a)", "rag", "rules (b)", "mem0"]
    found = collect(evaluation)
    assert all(len(marks) == 36 for marks in found.marks.values())
    assert {row.system for row in found.verdicts["strict:judge"]} == {"rules (a)", "rag", "rules (b)", "mem0"}


@pytest.mark.parametrize(
    ("field", "value"), [("task", "msc"), ("split", "train"), ("data_sha256", "0"), ("questions", 35)]
)
def test_folders_of_other_questions_do_not(folder: Path, tmp_path: Path, field: str, value: object):
    run = read_run(folder)
    assert run is not None
    write_run(tmp_path, replace(run, **{field: value}))
    with pytest.raises(InputError, match=f"can't stand in one table: {field} is "):
        read_evaluation([folder, tmp_path])


def test_a_system_that_was_asked_something_else_is_told(tmp_path: Path):
    made = make_evaluation(tmp_path)
    first, *others = rows(made, "rag", "conv-0")
    rewrite(made, "rag", "conv-0", [replace(first, gold="another"), *others])
    with pytest.raises(InputError, match=r"'rag', conversation 'conv-0', question 'conv-0/0': another system was"):
        figures([made])
    rewrite(made, "rag", "conv-0", others)
    with pytest.raises(InputError, match="'rag' has no answer to question 'conv-0/0'"):
        figures([made])
    rewrite(made, "rag", "conv-0", [first, first, *others])
    with pytest.raises(FileFormatError, match="it stands twice"):
        figures([made])


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path):
    made = make_evaluation(tmp_path)
    path = Place(made, "rag").answers("conv-2")
    path.write_bytes(path.read_bytes() + b'{"conversation": "conv-2"}\n')
    with pytest.raises(FileFormatError, match=r"conv-2\.jsonl', line 13: question_id: Field required"):
        figures([made])


def test_a_folder_without_an_evaluation_says_what_to_give(tmp_path: Path):
    with pytest.raises(InputError, match=r"there is no evaluation in .*: give the folder that `memory-r1 eval` wrote"):
        figures([tmp_path])
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(FileFormatError, match=r"run\.json' is no evaluation.*: task: Field required"):
        figures([tmp_path])


def test_one_conversation_alone_has_no_interval(tmp_path: Path):
    found = figures([make_evaluation(tmp_path, replace(SMALL, conversations=1))])
    cell = found.cells["rules"][OVERALL, "f1"]
    assert cell.low is None and bounds(cell) == "" and percent(cell) == f"{100 * cell.mean:.2f}"
    assert "[" not in markdown(found).split("## Costs")[0].split("| --- |")[1].split("(published)")[0]


def test_growth_follows_the_turns_of_each_conversation():
    curves = growth([[{"add": 1}] * 10, [{"add": 2, "noop": 1}] * 20])
    assert curves["add"][0] == 0 and curves["add"][-1] == pytest.approx((10 + 40) / 2)
    assert curves["add"][STEPS // 2] == pytest.approx((5 + 20) / 2) and curves["noop"][-1] == pytest.approx(10)
    assert set(curves) == {"add", "noop"} and growth([]) == {} and growth([[{}, {}]]) == {}


def test_costs_are_read_once_for_all_that_is_shown(folder: Path):
    entry = next(entry for entry in read_evaluation([folder]).entries if entry.name == "memory-r1")
    one = spent(entry)
    assert one.costs.learn.rows == 120 and one.costs.usage.calls == 240 + 36
    assert one.failed == ["answerer malformed"] and sum(curve[-1] for curve in one.growth.values()) == 40


def test_the_published_rows_belong_to_the_papers_questions_alone():
    assert published("locomo", "test") == LOCOMO and published_on("locomo", "test") == 1307
    assert published("locomo", "train") == () == published("msc", "test")
    assert {(one.name, one.f1) for one in LOCOMO} >= {("Memory-R1-GRPO", 45.02), ("Mem0", 30.61)}
    assert len(published("longmemeval-oracle", "test")) == 6


def test_markdown_has_the_same_columns_in_every_row(found: Figures):
    text = markdown(found)
    for block in [part for part in text.split("\n\n") if part.startswith("|")]:
        assert len({line.count("|") for line in block.splitlines()}) == 1
    cell = found.cells["rules"][OVERALL, "f1"]
    assert f"| {percent(cell)} [{bounds(cell)}] |" in text
    assert "*Memory-R1-GRPO, LLaMA-3.1-8B (published)*" in text and "45.02" in text
    assert "- **mem0**: needs a model: give --model" in text and "| mem0 | not run | – |" in text


def test_markdown_shows_names_as_they_are(tmp_path: Path):
    name = "a|b <img src=x> *c* [d](e) `f`"
    text = markdown(figures([make_evaluation(tmp_path, Made({name: 0.5}, {"x|y": "why\nnot | <b>"}))]))
    assert escaped(name) == r"a\|b &lt;img src=x&gt; \*c\* \[d\](e) \`f\`"
    assert f"| {escaped(name)} |" in text and "<img" not in text and "<b>" not in text
    assert r"- **x\|y**: why not \| &lt;b&gt;" in text


def test_cells_hold_only_what_was_measured(folder: Path):
    collected = collect(read_evaluation([folder]))
    entry = collected.complete[0]
    for (group, measure), cell in cells(collected, entry, groups(collected)).items():
        assert isinstance(cell, Cell) and 0 <= cell.mean <= 1 and group and measure
    assert RUN.validate_json((folder / "run.json").read_bytes()).rows["mem0"] == RowInfo({}, SMALL.not_run["mem0"])
