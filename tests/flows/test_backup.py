"""`backup` and `restore`: what they say and return; killed, and short of room or rights."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import sys
import time
from pathlib import Path

import pytest
from command import TALK, UNPRIVILEGED, process, read, run, start

from memory_r1.flows.backups import backed_up
from memory_r1.memory.errors import StoreUnavailableError

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and rights are taken by Linux calls")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a store `m.db` of the banks anna and ben."""
    talk = tmp_path / "talk.jsonl"
    talk.write_text("".join(json.dumps(turn) + "\n" for turn in TALK))
    for bank in ("anna", "ben"):
        assert run("ingest", talk, "--bank", bank, *store(tmp_path)).exit_code == 0
    return tmp_path


def store(place: Path, name: str = "m.db") -> tuple[str, str]:
    return "--store", f"sqlite:///{place / name}"


def exported(place: Path, bank: str, name: str = "m.db") -> str:
    result = run("export", "--bank", bank, *store(place, name))
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_a_back_up_comes_back_exactly(place: Path):
    result = run("backup", place / "b", *store(place))
    assert result.exit_code == 0
    assert "banks written 2" in result.stdout and "unchanged 0, erased 0." in result.stdout
    assert read("backup", place / "b", *store(place))["unchanged"] == 2
    assert "2 bank(s)" in run("restore", place / "b", "--check").stdout
    found = read("restore", place / "b", "--check", "--bank", "ben")
    assert (found["banks"], found["store"]) == (1, "sqlite")
    assert "banks 2, there already 0." in run("restore", place / "b", *store(place, "n.db")).stdout
    assert read("restore", place / "b", *store(place, "n.db"))["there"] == 2
    for bank in ("anna", "ben"):
        assert exported(place, bank) == exported(place, bank, "n.db")


def test_a_file_of_a_back_up_is_an_export(place: Path):
    assert run("backup", place / "b", "--bank", "anna", *store(place)).exit_code == 0
    (path,) = (place / "b" / "banks").glob("*/*")
    text = gzip.decompress(path.read_bytes()).decode()
    assert text == exported(place, "anna")
    assert run("import", "-", *store(place, "n.db"), input=text).exit_code == 0


def test_refusals_have_the_exit_status_of_their_kind(place: Path):
    assert run("backup", place / "b", *store(place, "none.db")).exit_code == 3
    assert run("backup", place / "b", "--bank", "eve", *store(place)).exit_code == 3
    assert run("backup", place, *store(place)).exit_code == 2
    assert run("restore", place / "none", *store(place)).exit_code == 2
    assert run("backup", place / "b", *store(place)).exit_code == 0
    assert run("restore", place / "b", "--bank", "eve", *store(place)).exit_code == 3
    assert run("restore", place / "b", "--as", "x", *store(place)).exit_code == 2
    assert run("restore", place / "b", "--bank", "ben", "--as", "ben 2", *store(place)).exit_code == 2
    assert run("forget", "--bank", "ben", "m1", "--yes", *store(place)).exit_code == 0
    result = run("restore", place / "b", *store(place))
    assert result.exit_code == 1 and "--replace" in result.stderr
    assert run("restore", place / "b", "--replace", *store(place)).exit_code == 0
    (path,) = (place / "b" / "banks").glob("*/anna-*")
    path.write_bytes(path.read_bytes()[:-1])
    result = run("restore", place / "b", "--check")
    assert result.exit_code == 2 and "bank 'anna'" in result.stderr


def test_who_is_forgotten_stays_forgotten(place: Path):
    assert run("backup", place / "b", *store(place)).exit_code == 0
    shutil.copytree(place / "b", place / "older")
    assert run("forget", "--bank", "anna", "--yes", *store(place)).exit_code == 0
    assert "erased 1." in run("backup", place / "b", *store(place)).stdout
    result = run("restore", place / "older", "--erased", place / "b" / "erased.jsonl", *store(place, "n.db"))
    assert "Not brought back, because they were erased after the back-up: 1 bank(s)." in result.stdout
    assert [bank["id"] for bank in read("banks", *store(place, "n.db"))] == ["ben"]
    assert run("backup", place / "older", "--forget", "ben", input="n\n").exit_code == 1
    assert run("backup", place / "older", "--forget", "ben", "--json").exit_code == 2
    assert read("backup", place / "older", "--forget", "ben", "--forget", "eve", "--yes")["erased"] == {
        "ben": True, "eve": False}  # fmt: skip
    assert list(read("restore", place / "older", *store(place, "p.db"))["erased"]) == []
    assert [bank["id"] for bank in read("banks", *store(place, "p.db"))] == ["anna"]


async def test_one_call_backs_up_what_the_environment_names(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEMORY_R1_STORE", store(place)[1])
    assert (await backed_up(place / "b")).written == 2
    with pytest.raises(StoreUnavailableError, match="nothing was backed up"):
        await backed_up(place / "b", f"sqlite:///{place / 'gone.db'}")


@pytest.mark.slow
def test_killed_again_and_again_the_back_up_is_always_whole(place: Path):
    lines = exported(place, "anna").splitlines(keepends=True)
    for number in range(60):
        text = "".join([lines[0].replace('"anna"', f'"bank-{number}"'), *lines[1:]])
        assert run("import", "-", *store(place), input=text).exit_code == 0
    chance, killed = random.Random(7), 0
    words = ("backup", place / "b", *store(place))
    for _ in range(8):
        before = progress(place)
        child = start(*words)
        while child.poll() is None and progress(place) < before + chance.randint(1, 6):
            time.sleep(0.002)
        child.kill()
        killed += child.wait(60) == -9
        child.communicate()
        assert progress(place) >= before or (place / "b" / "manifest.json").exists()
    assert killed
    status, out, err = process(*words, "--json")
    assert (status, err) == (0, "")
    done = json.loads(out)
    assert done["written"] + done["unchanged"] == 62 and done["unchanged"]
    assert read("restore", place / "b", "--check")["banks"] == 62
    assert len(list((place / "b" / "banks").glob("*/*"))) == 62
    for bank in [bank["id"] for bank in read("banks", *store(place))][::7]:
        run("forget", "--bank", bank, "m1", "--yes", *store(place))
    child = start(*words)
    while child.poll() is None and progress(place) < 3:
        time.sleep(0.002)
    child.kill()
    child.communicate()
    assert read("restore", place / "b", "--check")["banks"] == 62
    restoring = ("restore", place / "b", *store(place, "n.db"))
    for _ in range(4):
        child = start(*restoring)
        time.sleep(chance.uniform(0.6, 1.5))
        child.kill()
        child.communicate()
    assert process(*restoring)[0] == 0
    assert len(read("banks", *store(place, "n.db"))) == 62


def progress(place: Path) -> int:
    """How many banks the run at work has finished."""
    try:
        return (place / "b" / "progress.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


@linux
def test_a_full_disk_leaves_the_back_up_before(place: Path):
    assert run("backup", place / "b", *store(place)).exit_code == 0
    long = [{**TALK[0], "text": f"I read book {random.Random(n).getrandbits(400)}.", "id": str(n)} for n in range(300)]
    (place / "long.jsonl").write_text("".join(json.dumps(turn) + "\n" for turn in long))
    assert run("ingest", place / "long.jsonl", "--bank", "eve", *store(place)).exit_code == 0
    status, out, err = process("backup", place / "b", *store(place), shell="ulimit -f 100")
    assert (status, out) == (4, "") and "Traceback" not in err
    assert "the last complete back-up stands" in err
    assert read("restore", place / "b", "--check")["banks"] == 2
    assert read("backup", place / "b", *store(place))["written"] == 1
    assert not [path for path in (place / "b").rglob("*") if path.name.endswith(".part")]


@linux
def test_a_folder_without_rights_is_reported(place: Path):
    (place / "b").mkdir(mode=0o555)
    status, _, err = process("backup", place / "b", *store(place), before=UNPRIVILEGED)
    assert status == 4 and "Permission denied" in err and "Traceback" not in err
    (place / "b").chmod(0o755)
    assert run("backup", place / "b", *store(place)).exit_code == 0
    (place / "b").chmod(0o555)  # read-only, as a mounted copy is
    status, out, err = process("restore", place / "b", *store(place, "n.db"), before=UNPRIVILEGED)
    (place / "b").chmod(0o755)
    assert (status, err) == (0, "") and "banks 2" in out
