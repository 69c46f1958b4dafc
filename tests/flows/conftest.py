"""A short talk, and stores for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import TALK, run


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
