"""`memory-r1 data`: prepare, list, show."""

from __future__ import annotations

import json
import signal
from hashlib import sha256
from pathlib import Path

import pytest
from command import process, read, run, start
from data_server import DataServer, Served

from tests.conftest import DATA

LOCOMO = DATA / "locomo" / "locomo10.json"
NLTK = DATA / "nltk_data"
ROW = {
    "personas": [["I own a bicycle."], []],
    "dialog": [{"text": "Hi again."}],
    "metadata": {"initial_data_id": "made_0"},
    "previous_dialogs": [{"dialog": [{"text": "I ride a bicycle."}], "time_back": "2 days ago"}],
    "self_instruct": {"B": "What do I ride?", "A": "a bicycle"},
}
GOOD = json.dumps(ROW).encode() + b"\n"
SUM = sha256(GOOD).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEMORY_R1_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "data"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(GOOD)
    return path


@pytest.mark.skipif(not LOCOMO.exists(), reason=f"put LoCoMo's locomo10.json at {LOCOMO}")
def test_prepare_takes_a_file_and_says_what_it_holds(home: Path) -> None:
    result = run("data", "prepare", "locomo", "--from", LOCOMO)
    assert result.exit_code == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert f"locomo: put in place: {home / 'locomo' / 'locomo10.json'}" in result.stdout
    assert "licence: CC BY-NC 4.0" in result.stdout and ": the published one" in result.stdout
    assert ["test", "8", "234", "5094", "1307", "375", "0"] in lines
    assert ["multi-hop", "Single", "Hop", "32", "11", "239", "282"] in lines
    assert ["open-domain", "Multi-Hop", "13", "0", "83", "96"] in lines
    assert "read by rule: 4 x evidence: several ids in one string" in result.stdout
    assert "gold answers: 1986 score 1.0, an empty one 0.0, by every measure, but:" in result.stdout
    again = run("data", "prepare", "locomo")
    assert again.exit_code == 0 and "locomo: already there" in again.stdout
    shown = read("data", "show", "locomo")
    assert shown["splits"]["train"]["questions"] == 152 and shown["columns"]["single-hop"] == "Open Domain"


def test_another_file_is_taken_and_told(mine: Path) -> None:
    made = read("data", "prepare", "msc", "--from", mine)
    assert made["prepared"]["published"] is False and made["prepared"]["sha256"] == SUM
    assert made["task"]["splits"]["test"]["questions"] == 1
    result = run("data", "prepare", "msc", "--from", mine)
    assert "msc: replaced what was there" in result.stdout and "NOT the published file" in result.stdout


def test_list_tells_state_licence_and_place(home: Path, mine: Path) -> None:
    run("data", "prepare", "msc", "--from", mine)
    rows = {row["name"]: row for row in read("data", "list")}
    assert list(rows) == ["locomo", "longmemeval-oracle", "longmemeval-s", "msc", "msc-personas", "nltk"]
    assert rows["locomo"]["prepared"] is None and rows["locomo"]["licence"] == "CC BY-NC 4.0"
    assert rows["msc"]["prepared"]["path"] == rows["msc"]["path"] == str(home / "msc" / "msc_self_instruct.jsonl")
    shown = run("data", "list").stdout
    assert "another file" in shown and f"locomo: goes to {home / 'locomo' / 'locomo10.json'}" in shown


def test_show_reads_a_file_of_yours(mine: Path) -> None:
    shown = read("data", "show", "msc", "--data", mine)
    assert shown["task"] == "msc" and shown["sha256"] == SUM
    assert shown["splits"]["test"] == {
        "conversations": 1, "sessions": 2, "turns": 2, "questions": 1, "unanswerable": 0, "facts": 1,
        "categories": {"recall": 1},
    }  # fmt: skip


@pytest.mark.skipif(not NLTK.exists(), reason=f"put NLTK's punkt_tab in {NLTK}")
def test_nltks_model_is_found_where_it_was_put(mine: Path) -> None:
    unset = {"NLTK_DATA": str(mine.parent / "none"), "HOME": str(mine.parent)}
    before = process("data", "show", "msc", "--data", mine, env={**unset, "MEMORY_R1_DATA": str(mine.parent / "none")})
    assert before[0] == 0 and "gold answers not checked" in before[1] and "memory-r1 data prepare nltk" in before[1]
    assert run("data", "prepare", "nltk", "--from", NLTK).exit_code == 0
    after = process("data", "show", "msc", "--data", mine, env={**unset, "MEMORY_R1_DATA": str(mine.parent / "data")})
    assert after[0] == 0 and "gold answers: 1 score 1.0, an empty one 0.0, by every measure" in after[1]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["prepare", "nothing"], 2, "there is no data set 'nothing': choose one of locomo"),
        (["prepare", "msc", "--from", "none"], 2, "there is no such file or folder"),
        (["prepare", "msc", "--sha256", "abc"], 2, "--sha256 'abc' is no SHA-256"),
        (["prepare", "msc", "--from", "x", "--url", "http://x"], 2, "exclude each other"),
        (["show", "locomo"], 2, "`memory-r1 data prepare locomo` fetches it"),
        (["show", "nltk"], 2, "there is no task 'nltk'"),
    ],
)
def test_a_wrong_command_says_what_to_do(args: list[str], code: int, message: str) -> None:
    result = run("data", *args)
    assert result.exit_code == code and message in result.stderr


def test_what_can_not_be_fetched_says_what_to_do() -> None:
    with DataServer({}) as server:
        result = run("data", "prepare", "msc", "--url", server.url("/none"), "--json")
    assert result.exit_code == 4 and result.stdout == ""
    error = json.loads(result.stderr)
    assert error["error"] == "DataUnavailableError" and "--from FILE" in error["message"]


@pytest.mark.parametrize(("how", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_stopped_download_leaves_nothing_and_the_next_one_succeeds(home: Path, how: int, status: int) -> None:
    with DataServer({"/file": Served(GOOD, "hang")}) as server:
        words = ("data", "prepare", "msc", "--url", server.url("/file"), "--sha256", SUM)
        child = start(*words, env={"MEMORY_R1_DATA": str(home)})
        fetching = server.under_way.wait(60)
        child.send_signal(how)
        assert fetching, child.communicate(timeout=60)
        child.communicate(timeout=60)
        assert child.returncode == status
        assert not (home / "msc" / "msc_self_instruct.jsonl").exists()
        server.files["/file"] = Served(GOOD)
        assert process(*words, env={"MEMORY_R1_DATA": str(home)})[0] == 0
    assert {path.name for path in (home / "msc").iterdir()} == {".lock", "msc_self_instruct.jsonl", "prepared.json"}
