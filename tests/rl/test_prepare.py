"""Data sets come whole and checked, or not at all."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from data_server import DataServer, Served
from filelock import FileLock

from memory_r1.memory.errors import DataUnavailableError, FileFormatError, InputError, MemoryR1Error
from memory_r1.rl.tasks.load import prepare_data
from memory_r1.rl.tasks.prepare import NLTK_FILES, Prepared, Wanted, place_of, prepared, task_file
from memory_r1.rl.tasks.sources import SOURCES
from tests.conftest import DATA

ROW = {
    "personas": [["I own a bicycle."], []],
    "dialog": [{"text": "Hi again."}],
    "metadata": {"initial_data_id": "made_0"},
    "previous_dialogs": [{"dialog": [{"text": "I ride a bicycle."}], "time_back": "2 days ago"}],
    "self_instruct": {"B": "What do I ride?", "A": "a bicycle"},
}
GOOD = json.dumps(ROW).encode() + b"\n"
OTHER = GOOD.replace(b"made_0", b"made_1")
PERSONA = {"initial_data_id": "made_0", "dialog": [{"text": "Hello.", "agg_persona_list": ["I greet."]}]}


def sum_of(data: bytes) -> str:
    return sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("MEMORY_R1_DATA", str(folder))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def server() -> Iterator[DataServer]:
    files = {
        "/good": Served(GOOD),
        "/other": Served(OTHER),
        "/unsized": Served(GOOD, "unsized"),
        "/moved": Served(b"/good", "moved"),
        "/cut": Served(GOOD, "cut"),
        "/hang": Served(GOOD, "hang"),
        "/bad": Served(b"no JSON\n"),
    }
    with DataServer(files) as serving:
        yield serving


def take(wanted: Wanted) -> Prepared:
    return prepare_data(wanted, lambda done, total: None)[0]


def fetch(server: DataServer, path: str, data: bytes = GOOD, timeout: float = 30) -> Prepared:
    return take(Wanted("msc", url=server.url(path), sha256=sum_of(data), timeout=timeout))


def left(home: Path) -> set[str]:
    return {path.name for path in (home / "msc").iterdir()} - {".lock"}


@pytest.mark.parametrize("path", ["/good", "/unsized", "/moved"])
def test_a_file_with_its_checksum_is_put_in_place_and_read(home: Path, server: DataServer, path: str) -> None:
    steps: list[tuple[int, int | None]] = []
    wanted = Wanted("msc", url=server.url(path), sha256=sum_of(GOOD))
    done, task = prepare_data(wanted, lambda done, total: steps.append((done, total)))
    assert done == Prepared("msc", place_of("msc"), server.url(path), sum_of(GOOD), False, fresh=True)
    assert place_of("msc").read_bytes() == GOOD
    assert task is not None and task.sha256 == sum_of(GOOD) and len(task.split("test")) == 1
    assert left(home) == {"msc_self_instruct.jsonl", "prepared.json"}
    assert steps[-1] == (len(GOOD), None if path == "/unsized" else len(GOOD))


def test_what_is_there_and_right_is_not_fetched_again(server: DataServer) -> None:
    first = fetch(server, "/good")
    again = fetch(server, "/good")
    assert server.asked == ["/good"]
    assert first.fresh and not again.fresh
    assert again.path == first.path and again.origin == first.origin


def test_a_damaged_file_is_fetched_anew(server: DataServer) -> None:
    fetch(server, "/good")
    place_of("msc").write_bytes(b"cut off")
    assert fetch(server, "/good").replaced
    assert place_of("msc").read_bytes() == GOOD


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("/other", InputError, r"has the SHA-256 \w{64}, not \w{64}: nothing was kept"),
        ("/cut", DataUnavailableError, "--from FILE"),
        ("/hang", DataUnavailableError, r"no answer for 0\.3 seconds; fetch it by other means.*msc_self_instruct"),
        ("/none", DataUnavailableError, "the server says 404"),
    ],
)
def test_a_failed_download_leaves_what_was_there(
    home: Path, server: DataServer, path: str, kind: type[MemoryR1Error], message: str
) -> None:
    with pytest.raises(kind, match=message):
        fetch(server, path, timeout=0.3)
    assert left(home) == set()
    fetch(server, "/other", OTHER)
    with pytest.raises(kind, match=message):
        fetch(server, path, timeout=0.3)
    assert place_of("msc").read_bytes() == OTHER
    assert left(home) == {"msc_self_instruct.jsonl", "prepared.json"}


def test_a_file_that_can_not_be_read_is_not_put_in_place(home: Path, server: DataServer) -> None:
    with pytest.raises(FileFormatError, match=r"msc_self_instruct\.jsonl, line 1: is not JSON"):
        fetch(server, "/bad", b"no JSON\n")
    assert left(home) == set()


def test_without_a_network_it_says_what_to_do() -> None:
    with DataServer({}) as gone:
        url = gone.url("/file")
    with pytest.raises(DataUnavailableError) as caught:
        take(Wanted("msc", url=url))
    assert url in str(caught.value) and str(place_of("msc")) in str(caught.value)
    assert "memory-r1 data prepare msc --from FILE" in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://example.org/x", "no address", "http://host:port"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="is no address to fetch from"):
        take(Wanted("msc", url=url))


def test_your_own_copy_is_taken_and_told_from_the_published_one(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_bytes(GOOD)
    done = take(Wanted("msc", mine))
    assert done.published is False and done.fresh and done.origin == str(mine)
    assert prepared("msc") == Prepared("msc", place_of("msc"), str(mine), sum_of(GOOD), False)
    with pytest.raises(InputError, match="nothing was kept"):
        take(Wanted("msc", mine, sha256="0" * 64))
    (tmp_path / "msc_self_instruct.jsonl").write_bytes(OTHER)
    assert take(Wanted("msc", tmp_path)).replaced
    assert place_of("msc").read_bytes() == OTHER


def test_a_copy_that_is_no_such_data_set_replaces_nothing(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_bytes(GOOD)
    take(Wanted("msc", mine))
    for wrong, message in [(b"{}\n", "'metadata' is missing"), (b"", "is empty"), (b"[1]\n", "expected dict")]:
        mine.write_bytes(wrong)
        with pytest.raises(FileFormatError, match=message):
            take(Wanted("msc", mine))
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=r"no such file|holds no msc_self_instruct"):
            take(Wanted("msc", path))
    assert place_of("msc").read_bytes() == GOOD


def test_a_file_put_there_by_hand_counts() -> None:
    place_of("msc").parent.mkdir(parents=True)
    place_of("msc").write_bytes(GOOD)
    assert prepared("msc") == Prepared("msc", place_of("msc"), "", sum_of(GOOD), False)
    assert not take(Wanted("msc", sha256=sum_of(GOOD))).fresh


@pytest.mark.skipif(not (DATA / "locomo").exists(), reason=f"put LoCoMo's locomo10.json at {DATA / 'locomo'}")
def test_the_published_file_is_recognised() -> None:
    done = take(Wanted("locomo", DATA / "locomo" / "locomo10.json"))
    assert done.published and done.fresh
    assert not take(Wanted("locomo")).fresh


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return out.getvalue()


def taped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("msc/msc_personasummary/session_1/link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
    return out.getvalue()


def test_an_archive_is_unpacked_safely(home: Path) -> None:
    inside = {f"msc/msc_personasummary/session_{n}/test.txt": json.dumps(PERSONA).encode() for n in (1, 2)}
    outside = {"msc/msc_personasummary/../../../x.txt": b"out", "msc/msc_dialogue/session_1/test.txt": b"not wanted"}
    data = taped({**inside, **outside})
    with DataServer({"/msc.tar.gz": Served(data)}) as server:
        wanted = Wanted("msc-personas", url=server.url("/msc.tar.gz"), sha256=sum_of(data))
        done, task = prepare_data(wanted, lambda done, total: None)
        assert not prepare_data(wanted, lambda done, total: None)[0].fresh
    files = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    base = "msc-personas/msc_personasummary"
    assert files - {"msc-personas/.lock", "msc-personas/prepared.json"} == {
        f"{base}/session_1/test.txt", f"{base}/session_2/test.txt",
    }  # fmt: skip
    assert done.sha256 == sum_of(data) and task is not None and len(task.split("test")) == 1


def test_nltks_model_is_taken_from_an_archive_or_a_folder(tmp_path: Path) -> None:
    members = {f"punkt_tab/english/{name}": b"x" for name in NLTK_FILES}
    archive = tmp_path / "punkt_tab.zip"
    archive.write_bytes(zipped({**members, "punkt_tab/german/abbrev_types.txt": b"x"}))
    assert prepare_data(Wanted("nltk", archive), lambda done, total: None)[1] is None
    assert {path.name for path in place_of("nltk").iterdir()} == set(NLTK_FILES)
    for folder in (place_of("nltk"), place_of("nltk").parent, place_of("nltk").parents[2]):
        done = take(Wanted("nltk", folder))
        assert done.replaced and done.published is None
        assert {path.name for path in place_of("nltk").iterdir()} == set(NLTK_FILES)
    archive.write_bytes(zipped({"punkt_tab/english/abbrev_types.txt": b"x"}))
    with pytest.raises(FileFormatError, match=r"has no collocations\.tab"):
        take(Wanted("nltk", archive))
    archive.write_bytes(b"no archive")
    with pytest.raises(FileFormatError, match="can't unpack"):
        take(Wanted("nltk", archive))
    archive.write_bytes(zipped({"x/y": b"x"}))
    with pytest.raises(FileFormatError, match="holds no folder 'english'"):
        take(Wanted("nltk", archive))
    assert prepared("nltk") == done.__class__("nltk", place_of("nltk"), done.origin, done.sha256, None)


def test_what_a_killed_run_left_is_cleared_away(home: Path, server: DataServer) -> None:
    stale = home / "msc" / ".part-killed" / "made"
    stale.mkdir(parents=True)
    fetch(server, "/good")
    assert left(home) == {"msc_self_instruct.jsonl", "prepared.json"}


def test_two_runs_at_once_do_not_meet(home: Path, server: DataServer) -> None:
    (home / "msc").mkdir(parents=True)
    with FileLock(home / "msc" / ".lock"), pytest.raises(InputError, match=r"another .* is at work"):
        fetch(server, "/good")


def test_a_folder_that_can_not_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: DataServer
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MEMORY_R1_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(InputError, match="MEMORY_R1_DATA names another folder"):
        fetch(server, "/good")


def test_every_source_is_pinned() -> None:
    for name, source in SOURCES.items():
        assert len(source.sha256) == 64 and int(source.sha256, 16), name
        assert source.url.startswith("https://") and "/main/" not in source.url, name
        assert source.licence and source.vouched, name


def test_an_unprepared_task_says_how_to_prepare_it(home: Path) -> None:
    with pytest.raises(InputError, match=r"`memory-r1 data prepare longmemeval-s` fetches it"):
        task_file("longmemeval-s")
    with pytest.raises(InputError, match="there is no data set 'nothing': choose one of locomo"):
        task_file("nothing")
    assert task_file("msc", home / "x.jsonl") == home / "x.jsonl"
