"""A model folder in the table of the benchmarks: a random one, whose row is bad but ends properly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import read, run
from eval_fixture import write_locomo
from tiny_models import make_model

from memory_r1.graphs.local.folder import FolderLimits
from tests.rl.test_metrics import needs_punkt

pytest.importorskip("transformers", reason="needs pip install 'memory-r1[local]'")
pytestmark = needs_punkt

TASK = "world:conversations=1,sessions=1,turns=8,names=60"
ROW = "memory-r1-grpo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random policy for manager and answerer."""
    made = make_model(tmp_path_factory.mktemp("local") / "model", hidden=16, layers=1, positions=2_048)
    FolderLimits(roles=("manager", "answerer"), hits=4, candidates=2, max_tokens=3, repair=False).save(made)
    return made


def test_malformed_replies_are_counted_and_the_row_is_finished(folder: Path, tmp_path: Path):
    words = ("--task", TASK, "--system", ROW, "--row-model", f"{ROW}=local:{folder}")
    table = read("eval", *words, "--row-model", f"{ROW}.extractor=gold", "--out", tmp_path)
    row = table["rows"][0]
    assert table["finished"] and row["overall"]["questions"] == table["questions"] > 5
    told = json.loads((tmp_path / "run.json").read_text())["rows"][ROW]["describe"]
    assert (told["extractor"], told["hits"], told["candidates"]) == ("gold", "4", "2")
    [path] = tmp_path.glob(f"{ROW}/memory/*")
    assert json.loads(path.read_text())["fates"]["noops"] == {"failed": 4}


def test_a_role_that_the_folder_lacks_is_the_reason_why_the_row_is_not_run(folder: Path, tmp_path: Path):
    words = ("--task", TASK, "--system", f"rules,{ROW}", "--row-model", f"{ROW}=local:{folder}")
    rows = {row["system"]: row for row in read("eval", *words, "--out", tmp_path)["rows"]}
    assert "plays no extractor, but manager and answerer" in rows[ROW]["not_run"] and "overall" in rows["rules"]


def test_gold_facts_are_refused_where_the_task_has_none(folder: Path, tmp_path: Path):
    words = ("--task", "locomo", "--data", write_locomo(tmp_path / "locomo.json"), "--system", ROW)
    words += ("--row-model", f"{ROW}=local:{folder}", "--row-model", f"{ROW}.extractor=gold")
    done = run("eval", *words, "--out", tmp_path / "out")
    assert done.exit_code == 2 and "has no gold facts" in done.stdout + done.stderr
