"""Commands on conversations: ingest, ask, search, chat."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import TALK, ids, read, run


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
