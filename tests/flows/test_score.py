"""`memory-r1 score`: every row back with its scores, then the means; a malformed line is named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command import process, run

from tests.rl.test_metrics import DATA, EXAMPLES, needs_punkt

pytestmark = needs_punkt

ROWS = [
    {
        "question": f"q{number}",
        "category": category,
        "gold": gold,
        "prediction": prediction,
        "extra": {"kept": [number]},
    }
    for number, (category, prediction, gold, *_) in enumerate(EXAMPLES)
]


@pytest.fixture(autouse=True)
def _tokenizer_data(monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(DATA)])


def lines(*rows: Any) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def scored(text: str, *options: str) -> list[Any]:
    done = run("score", "-", *options, input=text)
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_worked_example_comes_back_with_its_scores_and_the_means_follow() -> None:
    *rows, last = scored(lines(*ROWS))
    for row, given, (_, _, _, own, mem0s, bleu) in zip(rows, ROWS, EXAMPLES, strict=True):
        assert {key: row[key] for key in given} == given
        assert set(row["locomo"]) == {"f1", "em"} and set(row["mem0"]) == {"f1", "bleu1", "em"}
        assert row["locomo"]["f1"] == pytest.approx(own, abs=5e-5)
        assert row["mem0"]["f1"] == pytest.approx(mem0s, abs=5e-5)
        assert row["mem0"]["bleu1"] == pytest.approx(bleu, abs=5e-5)
    assert list(last) == ["overall", "by_category"]
    for name, measure in (("locomo", "f1"), ("locomo", "em"), ("mem0", "f1"), ("mem0", "bleu1"), ("mem0", "em")):
        assert last["overall"][name][measure] == pytest.approx(sum(row[name][measure] for row in rows) / len(rows))
    assert last["overall"]["questions"] == len(rows)
    assert [(name, found["category"]) for name, found in last["by_category"].items()] == [
        ("multi-hop", 1), ("temporal", 2), ("open-domain", 3), ("single-hop", 4),
    ]  # fmt: skip
    assert last["by_category"]["single-hop"]["questions"] == 5


def test_a_file_is_read_as_stdin_is_with_its_mark_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("\ufeff" + lines(ROWS[0], "", ROWS[1]), encoding="utf-8")
    assert run("score", path).stdout == run("score", "-", input=lines(ROWS[0], ROWS[1])).stdout


def test_scored_rows_can_be_scored_again() -> None:
    once = run("score", "-", input=lines(*ROWS)).stdout
    assert run("score", "-", input="".join(once.splitlines(keepends=True)[:-1])).stdout == once


def test_what_the_row_holds_comes_back_in_unicode() -> None:
    text = '{"question": "q", "gold": "é", "prediction": "\\ud800É", "x": "日本"}\n'
    out = run("score", "-", input=text).stdout
    assert '"x": "日本"' in out and json.loads(out.splitlines()[0])["prediction"] == "\ud800É"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ('{"question": "q", "gold": "g"', "is not JSON"),
        ('["q"]', "expected dict"),
        ({"question": "q", "gold": "g"}, "'prediction' is missing"),
        ({"question": "q", "gold": "g", "prediction": "p", "category": 9}, "category 9"),
        ('{"question": "q", "gold": "g", "prediction": "p", "x": NaN}', "NaN or Infinity is no JSON"),
    ],
)
def test_a_malformed_line_is_named_and_no_means_are_shown(bad: Any, says: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(lines(ROWS[0], bad, ROWS[1]), encoding="utf-8")
    done = run("score", path)
    assert done.exit_code == 2 and "answers.jsonl, line 2" in done.stderr and says in done.stderr
    assert len(done.stdout.splitlines()) == 1 and "overall" not in done.stdout


@pytest.mark.parametrize(("text", "says"), [("", "'stdin' is empty"), ("\n \n", "only blank lines")])
def test_nothing_to_score_is_an_error(text: str, says: str) -> None:
    done = run("score", "-", input=text)
    assert done.exit_code == 2 and says in done.stderr and done.stdout == ""


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    done = run("score", tmp_path / "none.jsonl")
    assert done.exit_code == 2 and "can't read" in done.stderr and "No such file" in done.stderr


def test_intervals_need_every_lines_conversation() -> None:
    done = run("score", "-", "--interval", input=lines({**ROWS[0], "conversation": "a"}, ROWS[1]))
    assert done.exit_code == 2 and "stdin, line 2: 'conversation' is missing" in done.stderr
    last = scored(lines(*({**row, "conversation": f"c{at % 3}"} for at, row in enumerate(ROWS))), "--interval")[-1]
    low, high = last["overall"]["interval"]["mem0"]["bleu1"]
    assert low < last["overall"]["mem0"]["bleu1"] < high


def test_the_sentence_model_is_found_where_data_prepare_puts_it(tmp_path: Path) -> None:
    (tmp_path / "nltk").symlink_to(DATA)
    path = tmp_path / "answers.jsonl"
    path.write_text(lines(*ROWS), encoding="utf-8")
    bare = {"NLTK_DATA": str(tmp_path / "none"), "HOME": str(tmp_path)}
    status, out, err = process("score", path, env={**bare, "MEMORY_R1_DATA": str(tmp_path)})
    assert status == 0 and len(out.splitlines()) == len(ROWS) + 1, err
    status, out, err = process("score", path, env={**bare, "MEMORY_R1_DATA": str(tmp_path / "none")})
    assert status == 2 and out == "" and "memory-r1 data prepare nltk" in err


def test_the_readmes_example_prints_what_stands_below_it() -> None:
    readme = (Path(__file__).resolve().parents[2] / "rl" / "README.md").read_text(encoding="utf-8")
    given, printed = re.findall(r"memory-r1 score - <<'END'\n(.*?)END\n```\n```json\n(.*?)```", readme, re.DOTALL)[0]
    assert run("score", "-", input=given).stdout == printed
