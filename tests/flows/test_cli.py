"""The command line: every command, what it prints, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import CLEAN, process, read, run

TALK = [
    {"speaker": "Anna", "text": "I moved to Oslo with my cat Pablo.", "time": "2024-05-01T10:00"},
    {"speaker": "Ben", "text": "I bought a red kayak yesterday.", "time": "2024-05-01T10:01"},
    {"speaker": "Anna", "text": "I am learning to play the oboe.", "time": "2024-05-02T10:00"},
]
COMMANDS = (
    "demo", "ingest", "chat", "ask", "search", "memories", "history", "undo", "forget", "reembed", "banks", "export",
    "import", "graph", "doctor", "bench",
)  # fmt: skip


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in TALK), encoding="utf-8")
    return path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty store; no setting comes from outside."""
    for name in ("STORE", "MODEL", "EMBEDDER", "BANK"):
        monkeypatch.delenv(f"MEMORY_R1_{name}", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return f"sqlite:///{tmp_path / 'memory.db'}"


@pytest.fixture
def filled(store: str, talk: Path) -> str:
    """A store whose bank `anna` holds the talk."""
    assert run("--store", store, "ingest", talk, "--bank", "anna").exit_code == 0
    return store


def ids(store: str, bank: str = "anna") -> list[str]:
    return [memory["id"] for memory in read("memories", "--store", store, "--bank", bank)]


# --- help and settings ------------------------------------------------------------------------------------


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
        "import sys\nfrom memory_r1.flows.cli import app\napp(['--help'], standalone_mode=False)\n"
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


# --- ingest, ask, search, chat ----------------------------------------------------------------------------


def test_ingest_counts_what_it_did_and_does_nothing_twice(store: str, talk: Path):
    first = read("ingest", talk, "--store", store, "--bank", "anna", "--limit", 2)
    assert (first["total"], first["turns"], first["known"], first["calls"]) == (2, 2, 0, 0)
    assert first["operations"] == {"add": 2}
    before = ids(store)
    second = read("ingest", talk, "--store", store, "--bank", "anna")
    assert (second["total"], second["turns"], second["known"]) == (3, 1, 2)
    assert ids(store)[:2] == before
    third = run("ingest", talk, "--store", store, "--bank", "anna")
    assert third.stdout == "Bank anna: 0 turns read, 3 were known.\n"
    assert third.stderr == ""


def test_two_banks_know_nothing_of_each_other(filled: str, tmp_path: Path):
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({**TALK[0], "text": "I sold the piano."}))
    assert run("ingest", other, "--store", filled, "--bank", "ben").exit_code == 0
    assert [m["text"] for m in read("memories", "--store", filled, "--bank", "ben")] == ["Anna: I sold the piano."]
    assert len(ids(filled)) == 3


def test_another_turn_of_a_known_id_is_refused_before_anything_is_written(filled: str, tmp_path: Path):
    other = tmp_path / "other.jsonl"
    new = {**TALK[0], "time": "2023-01-01T10:00"}
    other.write_text(json.dumps(new) + "\n" + json.dumps({**TALK[0], "text": "I sold the piano."}))
    result = run("ingest", other, "--store", filled, "--bank", "anna")
    assert result.exit_code == 2
    assert "holds another turn '2024-05-01/1' (Anna: 'I moved to Oslo with my cat Pablo.')" in result.stderr
    assert len(ids(filled)) == 3


@pytest.mark.parametrize("damage", ["{", '{"speaker": "Anna"}', '{"speaker":"A","text":"\\u0000","time":"2024-05-01"}'])
def test_a_damaged_file_is_refused_whole(store: str, talk: Path, damage: str, tmp_path: Path):
    talk.write_text(talk.read_text() + damage)
    result = run("ingest", talk, "--store", store, "--bank", "anna")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {talk}, line 4: ")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "memory.db").exists()


def test_ask_answers_with_memories_and_their_turns(filled: str):
    found = read("ask", "What did Ben buy?", "--store", filled, "--bank", "anna")
    assert set(found) == {"bank", "question", "answer", "memories", "failures", "usage"}
    assert "kayak" in found["answer"]
    first = found["memories"][0]
    assert "kayak" in first["memory"]["text"]
    assert first["turns"][0]["text"] == TALK[1]["text"]
    shown = run("ask", "What did Ben buy?", "--store", filled, "--bank", "anna", "--at", "2024-06-01").stdout
    assert "kayak" in shown.splitlines()[0]
    assert "2024-05-01/2 Ben: I bought a red kayak yesterday." in shown


def test_search_gives_hits_with_scores_and_turns(filled: str):
    found = read("search", "Who has a cat?", "--store", filled, "--bank", "anna", "--top", 2)
    assert len(found["hits"]) == 2
    best = found["hits"][0]
    assert {"memory", "score", "dense", "lexical", "context", "turns"} <= set(best)
    assert best["turns"][0]["text"] == TALK[0]["text"]
    assert best["score"] >= found["hits"][1]["score"]
    shown = run("search", "Who has a cat?", "--store", filled, "--bank", "anna")
    assert "2024-05-01/1 Anna: I moved to Oslo with my cat Pablo." in shown.stdout


@pytest.mark.parametrize("command", ["ask", "search"])
def test_an_empty_question_is_refused(filled: str, command: str):
    result = run(command, "  ", "--store", filled, "--bank", "anna")
    assert result.exit_code == 2
    assert "is empty" in result.stderr


def test_a_time_that_is_none_is_refused(filled: str):
    result = run("ask", "Why?", "--store", filled, "--bank", "anna", "--at", "noon")
    assert result.exit_code == 2
    assert "--at 'noon' is no time" in result.stderr


def test_chat_remembers_and_answers(store: str):
    said = "My bicycle is called Thunder.\nWhat is my bicycle called?\n"
    result = run("chat", "--store", store, "--bank", "eva", "--speaker", "Eva", input=said)
    assert result.exit_code == 0
    assert "Thunder" in result.stdout.splitlines()[0]
    assert "Thunder" in result.stdout.splitlines()[1]
    assert any("Thunder" in memory["text"] for memory in read("memories", "--store", store, "--bank", "eva"))


# --- memories, history, undo, forget, reembed -------------------------------------------------------------


def test_memories_as_of_a_revision(filled: str):
    assert len(read("memories", "--store", filled, "--bank", "anna", "--as-of", 1)) == 1
    assert len(read("memories", "--store", filled, "--bank", "anna")) == 3
    result = run("memories", "--store", filled, "--bank", "anna", "--as-of", 9)
    assert result.exit_code == 2
    assert "has revisions 0 to 3, not 9" in result.stderr
    assert run("memories", "--store", filled, "--bank", "anna", "--as-of", 0).stdout.startswith(
        "Bank anna holds no memory"
    )


def test_history_and_undo(filled: str):
    log = read("history", "--store", filled, "--bank", "anna")
    assert [entry["number"] for entry in log] == [1, 2, 3]
    assert "is undone by revision 4" in run("undo", 2, "--store", filled, "--bank", "anna").stdout
    assert "undone before, by revision 4" in run("undo", 2, "--store", filled, "--bank", "anna").stdout
    assert "m2" not in ids(filled)
    versions = read("history", "m2", "--store", filled, "--bank", "anna")
    assert [(m["id"], m["born"], m["died"]) for m in versions] == [("m2", 2, 4)]
    assert "4: deleted" in run("history", "m2", "--store", filled, "--bank", "anna").stdout
    assert "DELETE m2" in run("history", "--store", filled, "--bank", "anna").stdout
    assert run("undo", 99, "--store", filled, "--bank", "anna").exit_code == 2
    assert run("history", "m99", "--store", filled, "--bank", "anna").exit_code == 3


def test_forget_asks_first(filled: str, tmp_path: Path):
    words = ("forget", "m2", "--store", filled, "--bank", "anna")
    assert run(*words, input="n\n").exit_code == 1
    assert run(*words, input="").exit_code == 1
    assert run(*words, "--json").exit_code == 2
    assert "m2" in ids(filled)
    asked = run(*words, input="y\n")
    assert asked.exit_code == 0
    assert "kayak" in asked.stdout
    assert "m2" not in ids(filled)
    assert not any(b"kayak" in path.read_bytes() for path in tmp_path.glob("memory.db*"))


def test_forgetting_a_bank_leaves_the_others(filled: str, talk: Path):
    assert run("ingest", talk, "--store", filled, "--bank", "ben").exit_code == 0
    assert read("forget", "--store", filled, "--bank", "anna", "--yes") == {
        "bank": "anna",
        "memory": None,
        "erased": True,
    }
    assert [bank["id"] for bank in read("banks", "--store", filled)] == ["ben"]
    assert len(ids(filled, "ben")) == 3


def test_a_forgotten_turn_is_not_read_again(filled: str, talk: Path):
    assert run("forget", "m2", "--store", filled, "--bank", "anna", "--yes").exit_code == 0
    again = read("ingest", talk, "--store", filled, "--bank", "anna")
    assert (again["turns"], again["known"]) == (0, 3)
    assert len(ids(filled)) == 2


def test_a_bank_keeps_its_embedder_until_it_is_reembedded(filled: str):
    find = ("search", "cat", "--store", filled, "--bank", "anna")
    refused = run(*find, "--embedder", "hashed/64")
    assert refused.exit_code == 1
    assert "reembed" in refused.stderr
    assert read("reembed", "--store", filled, "--bank", "anna", "--embedder", "hashed/64")["dim"] == 64
    assert "Pablo" in read(*find)["hits"][0]["memory"]["text"]


# --- export, import ---------------------------------------------------------------------------------------


def test_export_and_import_move_a_bank(filled: str, tmp_path: Path):
    out, other = tmp_path / "anna.jsonl", f"sqlite:///{tmp_path / 'other.db'}"
    assert read("export", out, "--store", filled, "--bank", "anna")["memories"] == 3
    assert read("import", out, "--store", other)["id"] == "anna"
    assert run("export", "--store", other, "--bank", "anna").stdout == out.read_text(encoding="utf-8")
    assert read("import", out, "--store", other, "--bank", "anna-2")["id"] == "anna-2"
    again = run("import", out, "--store", other)
    assert again.exit_code == 1
    assert "there is a bank 'anna' already" in again.stderr


def test_export_replaces_a_file_only_when_told(filled: str, tmp_path: Path):
    out = tmp_path / "anna.jsonl"
    out.write_text("mine")
    refused = run("export", out, "--store", filled, "--bank", "anna")
    assert (refused.exit_code, out.read_text()) == (2, "mine")
    assert run("export", out, "--store", filled, "--bank", "anna", "--force").exit_code == 0
    assert out.read_text() != "mine"
    assert run("export", tmp_path / "none" / "x", "--store", filled, "--bank", "anna").exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_damaged_export_changes_nothing(filled: str, tmp_path: Path):
    out = tmp_path / "anna.jsonl"
    assert run("export", out, "--store", filled, "--bank", "anna").exit_code == 0
    out.write_text(out.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    result = run("import", out, "--store", filled, "--bank", "copy")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {out}, line 10: ")
    assert [bank["id"] for bank in read("banks", "--store", filled)] == ["anna"]
    assert run("import", tmp_path / "none", "--store", filled).exit_code == 2


# --- graph, doctor, bench, demo ---------------------------------------------------------------------------


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
    assert all(answer["memories"] for answer in found["answers"] if answer["expected"])
    right = [answer for answer in found["answers"] if answer["expected"].lower() in answer["answer"].lower()]
    assert len(right) == len(found["answers"]), [a for a in found["answers"] if a not in right]
    shown = run("demo").stdout
    assert all(kind.upper() in shown for kind in kinds)


# --- errors -----------------------------------------------------------------------------------------------


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
