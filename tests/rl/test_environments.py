"""Environments of libraries: whole or not there, made once, and told apart by their pins."""

import zipfile
from pathlib import Path

import pytest
from filelock import FileLock

from memory_r1.memory.errors import MissingExtraError
from memory_r1.rl.systems import environments
from memory_r1.rl.systems.environments import MARK, Environment, InstallError
from memory_r1.rl.systems.peers import PEERS


def wheel(folder: Path) -> None:
    """Write the package `tiny` 1.0 into `folder`."""
    told = "tiny-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as file:
        file.writestr("tiny.py", "SIZE = 1\n")
        file.writestr(f"{told}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        file.writestr(
            f"{told}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{told}/RECORD", f"tiny.py,,\n{told}/METADATA,,\n{told}/WHEEL,,\n{told}/RECORD,,\n")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment for `tiny`, not installed."""
    monkeypatch.setenv("MEMORY_R1_ENVIRONMENTS", str(tmp_path / "environments"))
    wheel(tmp_path)
    return pinned(tmp_path, "1.0")


def pinned(folder: Path, version: str) -> Environment:
    pins = folder / f"tiny-{version}.txt"
    pins.write_text(f"--no-index\n-f {folder}\n# what it is for\ntiny=={version}  # the one\n")
    return Environment("tiny", pins)


@pytest.mark.slow
def test_an_environment_is_made_once_and_whole(tiny: Environment) -> None:
    told: list[str] = []
    assert not tiny.installed
    assert tiny.packages() == ()
    assert tiny.install(told.append)
    assert told == [f"making {tiny.folder}", "pip install tiny==1.0"]
    assert tiny.need() == tiny.python
    assert "tiny==1.0" in tiny.packages()
    assert not tiny.install(told.append)
    (tiny.folder / MARK).unlink()  # as a crash leaves it
    (tiny.folder / "half").touch()
    assert tiny.install()
    assert not (tiny.folder / "half").exists()
    assert tiny.remove()
    assert not tiny.folder.exists()
    assert not tiny.remove()


def test_a_missing_environment_says_how_to_get_it(tiny: Environment) -> None:
    with pytest.raises(MissingExtraError, match="`memory-r1 systems install tiny`"):
        tiny.need()


def test_other_pins_are_another_environment(tiny: Environment, tmp_path: Path) -> None:
    assert pinned(tmp_path, "2.0").folder != tiny.folder
    assert pinned(tmp_path, "1.0").folder == tiny.folder


def test_two_do_not_make_one_environment_at_once(tiny: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "WAIT", 0.1)
    tiny.folder.parent.mkdir()
    told: list[str] = []
    with FileLock(f"{tiny.folder}.lock"), pytest.raises(InstallError, match="another process"):
        tiny.install(told.append)
    assert "waiting" in told[0]


@pytest.mark.parametrize("name", PEERS)
def test_every_library_is_pinned_and_has_a_worker(name: str) -> None:
    peer = PEERS[name]
    lines = [line.split("#")[0].strip() for line in peer.environment.pins.read_text().splitlines()]
    assert all("==" in line for line in lines if line)
    assert peer.package in peer.environment.versions
    assert f'LIBRARY = "{peer.package}"' in peer.worker.read_text()
