"""`memory-r1 data build`: manager, answerer, sft."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from command import read, run, start

from memory_r1.rl.training.rows import read_made, read_rows
from tests.conftest import DATA

pytest.importorskip("pyarrow")
LOCOMO = DATA / "locomo" / "locomo10.json"
WORLD = "world:sessions=1,turns=10,conversations=2,names=60"
TALK = ("Anna moved to Oslo.", "Anna has a cat named Pablo.", "Ben bought a red kayak.", "Ben works as a baker.")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A small file in LoCoMo's form, of made-up people."""
    turns = [{"speaker": text.split()[0], "dia_id": f"D1:{n}", "text": text} for n, text in enumerate(TALK, 1)]
    asked = [
        {"question": "Where does Anna live?", "answer": "Oslo", "category": 4, "evidence": ["D1:1"]},
        {"question": "Who has what?", "answer": "a cat, a kayak", "category": 1, "evidence": ["D1:2", "D1:3"]},
    ]
    talk = {
        "speaker_a": "Anna", "speaker_b": "Ben", "session_1_date_time": "1:56 pm on 8 May, 2023", "session_1": turns,
    }  # fmt: skip
    path = tmp_path / "locomo10.json"
    path.write_text(json.dumps([{"sample_id": "conv-26", "conversation": talk, "qa": asked}]), encoding="utf-8")
    return path


def test_manager_rows_of_a_task(mine: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    result = run("data", "build", "manager", "--task", "locomo", "--data", mine, "--out", out)
    assert result.exit_code == 0, result.stderr
    rows = read_rows(out)
    assert [row.id for row in rows] == ["conv-26:D1:1", "conv-26:D1:3"]
    assert f"{out}: 2 rows" in result.stdout and "2 questions, 2 askings: 1 single-hop, 1 multi-hop" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["locomo10.json", "rows.parquet"]
    every = read("data", "build", "manager", "--data", mine, "--out", out, "--link", "any", "--window", 1)
    assert (every["rows"], every["linked"], every["pairs"]) == (3, 3, 3)
    assert read_made(out)["window"] == 1
    assert not read_rows(out)[0].bank.memories


def test_answerer_rows_of_a_task_over_banks_that_are_kept(mine: Path, tmp_path: Path) -> None:
    out, banks = tmp_path / "rows.parquet", tmp_path / "banks"
    said = read("data", "build", "answerer", "--data", mine, "--out", out, "--banks", banks)
    assert (said["rows"], said["questions"]) == (2, 2) and banks.exists()
    again = read("data", "build", "manager", "--data", mine, "--out", tmp_path / "more.parquet", "--banks", banks)
    assert again["rows"] == 2
    other = run(
        "data", "build", "answerer", "--data", mine, "--out", out, "--banks", banks, "--embedder", "hashed:128",
    )  # fmt: skip
    assert other.exit_code != 0


def test_rows_and_examples_of_the_world(tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    said = read("data", "build", "manager", "--task", WORLD, "--count", 9, "--turns", 2, "--guards", 1, "--out", out)
    assert (said["rows"], said["steps"]) == (9, 18) and read_made(out)["guards"] == 1
    said = read("data", "build", "answerer", "--task", WORLD, "--count", 7, "--split", "test", "--out", out)
    assert said["rows"] == 7 and {row.split for row in read_rows(out)} == {"test"}
    said = read("data", "build", "sft", "--task", WORLD, "--roles", "manager", "--out", out)
    assert said["examples"] > 0
    assert all(name.startswith("manager ") for name in said["kinds"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("manager", "--task", "locom"), "there is no task 'locom'"),
        (("manager", "--task", WORLD, "--link", "first", "--manager-model", "openai:x@http://localhost:1/v1"), "first"),
        (("manager", "--task", WORLD, "--split", "dev"), "there is no split 'dev'"),
        (("sft", "--task", "locomo"), "only world has an oracle"),
        (("sft", "--roles", "judge"), "there is no role 'judge'"),
    ],
)
def test_what_can_not_be_built_is_said(args: tuple[str, ...], said: str, tmp_path: Path) -> None:
    result = run("data", "build", *args, "--out", tmp_path / "rows.parquet")
    assert result.exit_code == 2 and said in result.stderr
    assert not (tmp_path / "rows.parquet").exists()


@pytest.mark.skipif(not LOCOMO.exists(), reason=f"put LoCoMo's locomo10.json at {LOCOMO}")
@pytest.mark.slow
def test_a_build_that_was_killed_goes_on(tmp_path: Path) -> None:
    """Killed in the middle, it leaves no file; the same command finishes, and no turn is read twice."""
    out = tmp_path / "rows.parquet"
    words = ("data", "build", "manager", "--task", "locomo", "--data", LOCOMO, "--out", out, "--json")
    child = start(*words)
    facts = tmp_path / "rows.parquet.banks" / "conv-26" / "facts.jsonl.part"
    while child.poll() is None and not (facts.exists() and facts.read_bytes().count(b"\n") > 20):
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert facts.read_bytes().count(b"\n") > 20 and not out.exists()
    said = read(*words[:-1])
    assert (said["rows"], said["linked"], said["failed"]) == (111, 113, {})
    assert not facts.exists()
