"""The command line as a process: killed, stopped, short of room or rights, and its file damaged."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import UNPRIVILEGED, long_talk, process, read, run, start
from model_server import ModelServer

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and rights are taken by Linux calls")


class Place:
    """A store's file, and a long conversation to put into its bank `b`."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.path = folder / "place" / "memory.db"
        self.path.parent.mkdir()
        self.talk = long_talk(folder / "talk.jsonl", rounds)
        self.total = 25 * rounds
        self.words = ("ingest", self.talk, "--bank", "b", "--store", f"sqlite:///{self.path}")

    def turns(self) -> int:
        """How many turns the bank holds, as another process sees it."""
        if not self.path.exists():
            return 0
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            return (db.execute("SELECT turns FROM bank").fetchone() or (0,))[0]
        except sqlite3.OperationalError:
            return 0
        finally:
            db.close()

    def wait(self, child: subprocess.Popen[str], turns: int) -> None:
        """Wait until the bank holds so many turns, or the child has ended."""
        while child.poll() is None and self.turns() < turns:
            time.sleep(0.002)

    def content(self) -> str:
        """All that the bank holds."""
        result = run("export", "--bank", "b", "--store", f"sqlite:///{self.path}")
        assert result.exit_code == 0, result.stderr
        return result.stdout


def whole(folder: Path, rounds: int, limit: int | None = None) -> str:
    """What the bank holds when nothing goes wrong."""
    (folder / "whole").mkdir()
    place = Place(folder / "whole", rounds)
    assert run(*place.words, *(() if limit is None else ("--limit", limit))).exit_code == 0
    return place.content()


@pytest.mark.slow
def test_killed_20_times_the_bank_is_as_if_never_interrupted(tmp_path: Path):
    place, chance, killed = Place(tmp_path, 16), random.Random(20), 0
    for _ in range(20):
        before = place.turns()
        child = start(*place.words)
        place.wait(child, min(before + chance.randint(1, 18), place.total - 1))
        time.sleep(chance.uniform(0, 0.01))
        child.kill()
        killed += child.wait(60) == -signal.SIGKILL
        child.communicate()
        assert place.turns() >= before
    assert killed == 20
    assert 0 < place.turns() < place.total
    status, out, err = process(*place.words)
    assert (status, err) == (0, "")
    assert "were known" in out
    assert place.content() == whole(tmp_path, 16)


def test_ctrl_c_stops_after_a_turn_and_says_how_to_go_on(tmp_path: Path):
    place = Place(tmp_path, 12)
    child = start(*place.words)
    place.wait(child, 5)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "of 300 turns are stored; the same command goes on there." in err
    assert "Traceback" not in err
    assert 5 <= place.turns() < place.total
    assert run(*place.words).exit_code == 0
    assert place.content() == whole(tmp_path, 12)


@linux
def test_a_full_disk_is_reported_and_the_bank_is_whole(tmp_path: Path):
    place = Place(tmp_path, 6)
    status, out, err = process(*place.words, shell="ulimit -f 1200")
    assert (status, out) == (4, "")
    assert err.splitlines()[-1].startswith(f"error: the store '{place.path}'")
    assert "Traceback" not in err
    stored = place.turns()
    assert 0 < stored < place.total
    assert place.content() == whole(tmp_path, 6, stored)
    assert run(*place.words).exit_code == 0
    assert place.turns() == place.total


@linux
@pytest.mark.parametrize("locked", ["file", "folder"])
def test_a_read_only_store_is_reported_and_stays_as_it_was(tmp_path: Path, locked: str):
    place = Place(tmp_path, 2)
    assert run(*place.words, "--limit", 30).exit_code == 0
    before = place.content()
    changed = {path: path.stat().st_mode for path in (place.path.parent, *place.path.parent.iterdir())}
    for path in changed:
        if path.is_dir() == (locked == "folder"):
            path.chmod(0o555 if path.is_dir() else 0o444)
    status, out, err = process(*place.words, before=UNPRIVILEGED)
    for path, mode in changed.items():
        path.chmod(mode)
    assert (status, out) == (4, "")
    assert err.splitlines()[-1].startswith(f"error: the store '{place.path}'")
    assert "Traceback" not in err
    assert place.content() == before


@pytest.mark.parametrize("damage", ["not a database", "cut", "zeros"])
def test_a_damaged_file_is_reported_and_left_alone(tmp_path: Path, damage: str):
    place = Place(tmp_path, 2)
    assert run(*place.words).exit_code == 0
    data = place.path.read_bytes()
    half = len(data) // 2
    damaged = {"not a database": b"plain text " * 999, "cut": data[:half], "zeros": data[:half] + bytes(half)}[damage]
    place.path.write_bytes(damaged)
    for command in (place.words, ("export", "--bank", "b", *place.words[-2:])):
        status, _, err = process(*command)
        assert status == 1, err
        assert "Traceback" not in err
        assert str(place.path) in err
    assert place.path.read_bytes() == damaged


def test_a_reader_that_goes_away_is_no_error_worth_a_traceback(tmp_path: Path):
    place = Place(tmp_path, 12)
    assert run(*place.words).exit_code == 0
    child = start("export", "--bank", "b", *place.words[-2:])
    assert child.stdout is not None and child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert "Traceback" not in child.stderr.read()
    assert child.wait(60) in (0, 1)
    child.stderr.close()


def test_two_processes_may_read_one_conversation_in_at_once(tmp_path: Path):
    place = Place(tmp_path, 3)
    children = [start(*place.words) for _ in range(2)]
    ends = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0, 0], ends
    assert place.content() == whole(tmp_path, 3)


def test_a_model_that_is_down_leaves_what_was_stored_and_says_how_to_go_on(tmp_path: Path):
    place = Place(tmp_path, 1)
    assert run(*place.words, "--limit", 4).exit_code == 0
    before = place.content()
    status, out, err = process(*place.words, "--model", "openai:tiny@http://127.0.0.1:9/v1")
    assert (status, out) == (4, "")
    stopped, error = err.splitlines()
    assert stopped == "Stopped: 4 of 25 turns are stored; the same command goes on there."
    assert error.startswith("error: ")
    assert place.content() == before


def test_a_model_behind_a_url_is_asked_and_counted(tmp_path: Path):
    place = Place(tmp_path, 1)
    with ModelServer(['{"facts": []}']) as server:
        model = ("--model", f"openai:tiny@{server.url}")
        found = read(*place.words, "--limit", 3, *model)
        assert (found["turns"], found["calls"], found["operations"]) == (3, 3, {})
        assert read(*place.words, "--limit", 3, *model)["calls"] == 0
        checks = read("doctor", *place.words[-2:], *model)
        assert next(check for check in checks if check["topic"] == "model")["found"].startswith("replies ")


@linux
def test_on_a_terminal_there_is_a_bar_with_the_time_left(tmp_path: Path):
    place = Place(tmp_path, 2)
    mine, theirs = os.openpty()
    child = start(*place.words, stderr=theirs, env={"TERM": "xterm", "COLUMNS": "100"})
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while data := os.read(mine, 4096):
            seen += data
    os.close(mine)
    out, _ = child.communicate(timeout=60)
    assert (child.returncode, out.splitlines()[0]) == (0, "Bank b: 50 turns read.")
    assert "━" in seen.decode()
    assert re.search(rb"turns.*/50.*\d:\d\d:\d\d", seen)


@linux
def test_ctrl_c_ends_a_chat_at_once(tmp_path: Path):
    mine, theirs = os.openpty()
    child = start(
        "chat", "--bank", "eva", "--store", f"sqlite:///{tmp_path / 'm.db'}", stdin=theirs, env={"TERM": "xterm"}
    )
    os.close(theirs)
    assert child.stdout is not None
    assert child.stdout.read(6) == "User: "
    time.sleep(0.5)  # until it waits for input
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    os.close(mine)
    assert child.returncode == 130
    assert "Traceback" not in err
