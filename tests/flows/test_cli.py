"""The command line as a whole: help, settings, errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import CLEAN, TALK, process, read, run

COMMANDS = (
    "demo", "ingest", "retry", "chat",
    "ask", "search", "memories", "history", "undo", "forget", "reembed", "banks", "export",
    "import", "graph", "doctor", "bench",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: memory-r1 {command}" in result.stdout.replace("Usage: root", "Usage: memory-r1")


def test_help_names_commands_settings_and_exit_statuses():
    text = run("--help").stdout
    assert all(f"  {command} " in text for command in COMMANDS)
    assert all(word in text for word in ("MEMORY_R1_STORE", "Exit status", "Examples", "130 stopped by Ctrl-C"))


def test_help_loads_neither_the_agent_nor_the_stores():
    code = (
        "import sys\nfrom memory_r1.flows.cli.app import app\napp(['--help'], standalone_mode=False)\n"
        "heavy = {'langgraph', 'langchain_core', 'numpy', 'pydantic', 'rich', 'neo4j'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=CLEAN, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_no_command_is_wrong_usage():
    result = run()
    assert result.exit_code == 2


def test_options_may_stand_before_and_after_the_command(filled: str):
    for words in (["--store", filled, "banks", "--json"], ["--json", "banks", f"--store={filled}"]):
        assert [bank["id"] for bank in json.loads(run(*words).stdout)] == ["anna"]


def test_settings_come_from_the_environment_and_options_go_first(filled: str, tmp_path: Path):
    env = {"MEMORY_R1_STORE": filled, "MEMORY_R1_BANK": "anna"}
    assert json.loads(run("memories", "--json", env=env).stdout)
    assert run("memories", "--bank", "ben", env=env).exit_code == 3
    assert run("memories", "--store", f"sqlite:///{tmp_path / 'no.db'}", env=env).exit_code == 3
    assert run("ask", "Why?", env={**env, "MEMORY_R1_MODEL": "nonsense"}).exit_code == 2


def test_without_a_store_the_users_own_file_is_used(store: str, talk: Path, tmp_path: Path):
    assert run("banks").exit_code == 0
    assert not (tmp_path / "data").exists()
    assert run("ingest", talk, "--bank", "anna").exit_code == 0
    assert (tmp_path / "data" / "memory-r1" / "memory.db").stat().st_size > 0
    assert [bank["id"] for bank in read("banks")] == ["anna"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("memories --bank nobody", 3, "there is no bank 'nobody'"),
        ("history m77 --bank anna", 3, "no memory 'm77'"),
        ("ask hi --bank anna --model parrot", 2, "model 'parrot' is unknown"),
        ("ask hi --bank anna --embedder parrot", 2, "'parrot' names no embedder"),
        ("banks --store parrot://", 2, "is no store"),
        ("banks --store neo4j://neo4j:hushhush@127.0.0.1:9", 4, "Neo4j"),
        ("memories --bank ../anna", 3, "there is no bank '../anna'"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(filled: str, words: str, status: int, message: str):
    where = [] if "--store" in words else ["--store", filled]
    result = run(*words.split(), *where)
    assert result.exit_code == status
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert "hushhush" not in result.stderr


def test_with_json_an_error_is_json_too(filled: str):
    result = run("memories", "--store", filled, "--bank", "nobody", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stderr)["error"] == "UnknownBankError"


@pytest.mark.parametrize(
    "words", ["drop", "ask", "ask hi", "undo zero --bank anna", "graph fish", "search x --bank a -k 0"]
)
def test_wrong_usage_has_status_2(store: str, words: str):
    result = run("--store", store, *words.split())
    assert result.exit_code == 2
    assert result.stderr


def test_a_bank_name_that_is_none_is_refused(store: str, talk: Path):
    result = run("ingest", talk, "--store", store, "--bank", "a b")
    assert result.exit_code == 2
    assert "bank id 'a b' is not allowed" in result.stderr


def test_stored_text_cannot_command_the_terminal(store: str, tmp_path: Path):
    path = tmp_path / "talk.jsonl"
    path.write_text(json.dumps({**TALK[0], "text": "I bought\x1b[2J\x1b]0;x\x07 a [red]kayak[/red] in Rome."}))
    assert run("ingest", path, "--store", store, "--bank", "anna").exit_code == 0
    for words in (["memories"], ["history"], ["search", "kayak"], ["ask", "What did Anna buy?"], ["history", "m1"]):
        text = run(*words, "--store", store, "--bank", "anna").stdout
        assert "\x1b" not in text and "\x07" not in text
        assert "kayak" in text
    assert "[red]kayak[/red]" in run("memories", "--store", store, "--bank", "anna").stdout


def test_the_script_is_installed():
    script = Path(sys.executable).with_name("memory-r1")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("memory-r1 ")


def test_output_to_a_program_has_no_colours(filled: str):
    status, out, err = process("memories", "--bank", "anna", "--store", filled)
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    assert "I am learning to play the oboe." in out
