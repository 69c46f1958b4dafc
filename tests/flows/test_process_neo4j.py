"""The command line on a real Neo4j server: killed five times, and down."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from command import CLEAN, long_talk, process, read, run, start

ROUNDS = 2
TOTAL = 25 * ROUNDS


@pytest.mark.slow
@pytest.mark.neo4j
@pytest.mark.parametrize("version", ["5.26", "2026"])
def test_killed_5_times_the_bank_is_as_sqlite_has_it_without_interruption(neo4j_servers, version: str, tmp_path: Path):
    server = neo4j_servers(version)
    server.wipe()
    user, password = server.auth
    url = f"{server.uri.replace('://', f'://{user}@')}/neo4j"
    env = {**CLEAN, "MEMORY_R1_STORE": url, "MEMORY_R1_STORE_PASSWORD": password}
    words = ("ingest", long_talk(tmp_path / "talk.jsonl", ROUNDS), "--bank", "b")
    chance = random.Random(5)
    for _ in range(5):
        before = stored(server)
        child = start(*words, env=env)
        aim = before + chance.randint(1, 6)
        while child.poll() is None and stored(server) < aim:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 0.02))
        child.kill()
        child.communicate()
        assert stored(server) >= before
    assert 0 < stored(server) < TOTAL
    status, out, err = process(*words, env=env)
    assert (status, err) == (0, "")
    assert "were known" in out
    local = ("--store", f"sqlite:///{tmp_path / 'whole.db'}")
    assert run(*words, *local).exit_code == 0
    assert process("export", "--bank", "b", env=env)[1] == run("export", "--bank", "b", *local).stdout


@pytest.mark.neo4j
def test_the_commands_work_on_a_server(neo4j_servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = neo4j_servers("5.26")
    server.wipe()
    user, password = server.auth
    url = f"{server.uri.replace('://', f'://{user}:{password}@')}/neo4j"
    store = ("--store", url)
    talk = long_talk(tmp_path / "talk.jsonl", 1)
    assert read("ingest", talk, "--bank", "b", *store)["turns"] == 25
    assert read("ask", "When did Leena arrive?", "--bank", "b", *store)["answer"] == "9 April 2024"
    assert read("search", "half marathon", "--bank", "b", *store)["hits"]
    assert read("history", "--bank", "b", *store)[-1]["number"] == 25
    found = next(check for check in read("doctor", *store) if check["topic"] == "store")
    assert found["state"] == "ok"
    assert found["found"].startswith("Neo4j 5.26, 1 bank(s)")
    assert password not in found["name"]
    assert read("forget", "--bank", "b", "--yes", *store)["erased"]
    assert read("banks", *store) == []


def stored(server) -> int:
    """How many turns the bank holds, as another client sees it."""
    return sum(record["turns"] for record in server.query("MATCH (b:Bank {bank: 'b'}) RETURN b.turns AS turns"))


@pytest.mark.neo4j
def test_a_measurement_takes_the_password_that_the_url_lacks(neo4j_servers, monkeypatch: pytest.MonkeyPatch):
    server = neo4j_servers("5.26")
    server.wipe()
    user, password = server.auth
    url = f"{server.uri.replace('://', f'://{user}@')}/neo4j"
    monkeypatch.setenv("MEMORY_R1_STORE_PASSWORD", "wrong")
    refused = run("--store", url, "bench", "write", "--count", 2, "--size", 3)
    assert refused.exit_code != 0 and "wrong" not in refused.stderr
    monkeypatch.setenv("MEMORY_R1_STORE_PASSWORD", password)
    [row] = read("--store", url, "bench", "write", "--count", 2, "--size", 3)["rows"]
    assert row["writes"] == 2 and password not in str(row)
