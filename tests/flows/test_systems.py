"""The commands `systems list`, `install` and `remove`."""

from pathlib import Path

import pytest
from command import read, run

from memory_r1.rl.systems.peers import PEERS
from memory_r1.rl.systems.registry import SYSTEMS


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_R1_ENVIRONMENTS", str(tmp_path))


def test_the_list_says_what_each_system_is_and_needs() -> None:
    lines = {line["name"]: line for line in read("systems", "list")["systems"]}
    assert list(lines) == list(SYSTEMS)
    assert lines["rules"]["needs"] == "nothing"
    assert lines["mem0"]["library"] == f"mem0ai {PEERS['mem0'].version}"
    assert lines["mem0"]["installed"] == "no: memory-r1 systems install mem0"
    shown = run("systems", "list").stdout
    assert all(name in shown for name in SYSTEMS)


def test_an_unknown_library_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    for command in ("install", "remove"):
        result = run("systems", command, "mem0", "mem1")
        assert result.exit_code == 2
        assert "'mem1'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_installed_cannot_be_removed() -> None:
    assert run("systems", "remove", "mem0").stdout == "mem0: was not installed\n"
    assert read("systems", "remove", "all") == {"removed": []}


@pytest.mark.slow
def test_offline_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    result = run("systems", "install", "mem0")
    assert result.exit_code == 1
    assert "No matching distribution found for mem0ai" in result.stderr
    assert "memory-r1 systems install mem0" in result.stderr
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
