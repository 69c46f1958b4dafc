"""Commands that look and measure: graph, doctor, bench, demo."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from command import read, run
from tiny_models import make_model

from memory_r1.flows.stories import QUESTIONS, WORLD, of_world
from memory_r1.graphs.local.folder import FolderLimits
from memory_r1.rl.world.make import make_world
from memory_r1.rl.world.memories import decisions


@pytest.mark.parametrize(
    ("name", "steps"), [("remember", "extract retrieve manage apply"), ("answer", "retrieve distil answer")]
)
def test_graph_draws_the_steps(name: str, steps: str):
    drawn = read("graph", name)["mermaid"]
    assert all(f"{step}({step})" in drawn for step in steps.split())
    assert run("graph", name).stdout.strip() == drawn.strip()


def test_doctor_says_what_is_in_use_and_what_is_missing(filled: str):
    checks = {(check["topic"], check["name"]): check for check in read("doctor", "--store", filled)}
    assert checks["store", filled]["found"].endswith("1 bank(s), 3 memories")
    assert checks["embedder", "hashed"]["found"].startswith("hashed-")
    assert checks["model", "rules"]["state"] == "ok"
    assert checks["python", "python"]["found"] == sys.version.split()[0]
    assert all(check["advice"] for check in checks.values() if check["state"] == "missing")
    assert {("extra", "local"), ("extra", "train"), ("model", "the tiny policy")} <= checks.keys()


def test_doctor_fails_when_something_asked_for_is_down():
    model = "openai:tiny@http://127.0.0.1:9/v1"
    result = run("doctor", "--store", "neo4j://neo4j:hushhush@127.0.0.1:9", "--manager-model", model, "--json")
    assert result.exit_code == 4
    failed = {check["topic"] for check in json.loads(result.stdout) if check["state"] == "failed"}
    assert failed == {"store", "manager model"}
    assert "hushhush" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "words", ["turn --turns 40", "search --sizes 5,30", "write --count 3 --size 5", "fork --count 3 --size 5"]
)
def test_benches_print_machine_command_and_figures(words: str):
    name = words.split()[0]
    found = read("bench", *words.split())
    assert found["bench"] == name
    assert {"processor", "cores", "python", "command"} <= set(found["machine"])
    assert all(isinstance(value, str | int | float) for row in found["rows"] for value in row.values())
    assert run("bench", *words.split()).stdout.startswith(f"{name}: ")


def test_bench_measures_on_the_store_that_is_named_and_cleans_up(filled: str):
    for words in ("turn --turns 40", "search --sizes 5", "write --count 3 --size 5"):
        assert run("bench", *words.split(), "--store", filled).exit_code == 0
    assert [bank["id"] for bank in read("banks", "--store", filled)] == ["anna"]
    assert run("bench", "search", "--sizes", "5,x").exit_code == 2


def test_demo_shows_every_kind_of_operation_and_rests_answers_on_memories():
    found = read("demo")
    kinds = {operation["kind"] for turn in found["turns"] for operation in turn["operations"]}
    assert kinds == {"add", "update", "delete", "noop"}
    answers = found["answers"]
    assert [one for one in answers if one["expected"].lower() not in one["answer"].lower()] == []
    assert [one["question"] for one in answers if not one["memories"]] == ["Where does Nora's brother live?"]
    assert len(answers) >= 8
    shown = run("demo").stdout
    assert all(kind.upper() in shown for kind in kinds)


def test_demo_of_the_world_has_each_kind_of_operation_twice_and_the_oracle_s_answers():
    story = of_world()
    assert 12 <= len(story.turns) <= 20 and len(story.questions) == QUESTIONS
    world = make_world(0, WORLD[0], WORLD[1], WORLD[2])
    assert min(Counter(decision.operation.kind for decision in decisions(world)).values()) >= 2
    found = read("demo", "--world")
    assert [one["expected"] for one in found["answers"]] == [one.answer for one in story.questions]
    shown = run("demo", "--world").stdout
    assert "extractor the world's own facts, manager rules, answerer rules" in shown and " answers are right" in shown


def test_demo_and_doctor_with_a_policy_in_this_process(tmp_path: Path):
    pytest.importorskip("transformers", reason="needs pip install 'memory-r1[local]'")
    folder = make_model(tmp_path / "model", hidden=16, layers=1, positions=4_096)
    FolderLimits(roles=("manager", "answerer"), max_tokens=4, repair=False).save(folder)
    words = ["--manager-model", f"local:{folder}", "--answerer-model", f"local:{folder}"]
    found = read("demo", "--world", *words)
    assert {one["answer"] for one in found["answers"]} == {"not mentioned"} and len(found["turns"]) == 18
    done = run("demo", "--world", *words)
    assert "manager: malformed: the manager's reply ended early after 4 tokens: raise max_tokens" in done.stdout
    assert done.stderr == ""
    checks = read("doctor", *words)
    assert [one["state"] for one in checks if one["topic"] == "manager and answerer model"] == ["ok"]
    failed = run("doctor", "--model", f"local:{folder}", "--json")
    assert failed.exit_code == 4 and "plays no extractor, but manager and answerer" in failed.stdout


@pytest.mark.parametrize(
    ("model", "extras"),
    [("", "flows"), ("rules", "flows"), ("tiny", "flows,local"), ("openai:m@http://h/v1", "flows,openai")],
)
def test_make_installs_what_the_demo_s_model_needs(model: str, extras: str):
    root = Path(__file__).resolve().parents[2]
    told = subprocess.run(
        ["make", "--no-print-directory", "-n", "demo", f"MODEL={model}"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"'.[{extras}]'" in told.stdout and told.stdout.strip().endswith(
        f"demo --model '{model}'" if model else "demo"
    )
