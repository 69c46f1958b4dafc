"""`memory-r1 report`: writes the page and the table, prints the figures, names what is wrong."""

import json
from pathlib import Path

from command import run
from report_fixture import make_evaluation
from training_fixture import Made, make_run


def test_it_writes_beside_the_evaluation_and_prints_the_figures(tmp_path: Path):
    made = make_evaluation(tmp_path / "run")
    done = run("report", made)
    assert done.exit_code == 0, done.stderr
    assert (made / "report.html").stat().st_size > 50_000 and (made / "report.md").exists()
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["overall,", "%", "F1", "B1", "J"]
    assert any(line.split()[:2] == ["rules", "33.92"] for line in lines)
    assert "mem0: not run: needs a model: give --model" in lines
    assert lines[-2:] == [f"page      {made / 'report.html'}", f"markdown  {made / 'report.md'}"]


def test_it_tells_programs_the_same(tmp_path: Path):
    made = make_evaluation(tmp_path / "run")
    page, table = tmp_path / "page.html", tmp_path / "table.md"
    done = run("report", made, "--out", page, "--markdown", table, "--base", "rag", "--json")
    told = json.loads(done.stdout)
    assert told["page"] == str(page) and told["markdown"] == str(table) and page.exists() and table.exists()
    assert round(100 * told["rows"]["rules"]["f1"]["mean"], 2) == 33.92
    assert told["rows"]["rules"]["j0"]["questions"] == 36 and told["missing"] == {"mem0": "needs a model: give --model"}
    assert not (made / "report.html").exists()
    assert '<option value="1" selected>rag</option>' in page.read_text(encoding="utf-8")


def test_what_is_wrong_is_named(tmp_path: Path):
    done = run("report", tmp_path)
    assert done.exit_code == 2 and "there is no evaluation in" in done.stderr
    made = make_evaluation(tmp_path / "run")
    done = run("report", made, "--base", "x")
    assert done.exit_code == 2 and "row 'x' isn't there" in done.stderr
    assert not (made / "report.html").exists()


def test_training_runs_get_their_curves(tmp_path: Path):
    made = [make_run(tmp_path / f"grpo-s{seed}", Made(steps=5, seed=seed)) for seed in (1, 2)]
    done = run("report", *made)
    assert done.exit_code == 0, done.stderr
    assert (made[0] / "report.html").exists() and (made[0] / "report.md").exists()
    assert any(line.split()[:2] == ["grpo-s2", "5"] for line in done.stdout.splitlines())
    told = json.loads(run("report", *made, "--out", tmp_path / "a.html", "--json").stdout)
    assert [row["run"] for row in told["runs"]] == ["grpo-s1", "grpo-s2"] and told["page"] == str(tmp_path / "a.html")
    assert run("report", *made, "--base", "grpo-s1").exit_code == 2
    done = run("report", made[0], make_evaluation(tmp_path / "run"))
    assert done.exit_code == 2 and "there is no training run in" in done.stderr
