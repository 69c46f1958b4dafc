"""Commands on banks: memories, history, undo, forget, reembed, export, import."""

from __future__ import annotations

from pathlib import Path

from command import ids, read, run


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
