"""Puts data sets where tasks look for them, `data_folder()/<name>/`, each checked before it is put there.

A new file stands beside its place under another name until it is whole, has its checksum and can be read; then one
rename puts it there. `prepared.json` beside it keeps where it came from.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from memory_r1.memory.errors import DataUnavailableError, FileFormatError, InputError
from memory_r1.rl.tasks.download import TIMEOUT, OnBytes, download
from memory_r1.rl.tasks.files import checksum, copy_folder, put, unpack
from memory_r1.rl.tasks.sources import SOURCES, Source

NLTK_FILES = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")
"""What NLTK's sentence model of one language consists of."""

_PART = ".part-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to prepare. `origin`: a file, folder or archive to take; None downloads. `url`, `sha256`: instead of the
    published ones, "" for those. `timeout`: seconds without a byte.
    """

    name: str
    origin: Path | None = None
    url: str = ""
    sha256: str = ""
    timeout: float = TIMEOUT


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set in its place. `origin`: the address or path that it came from, "" if it was put there by hand.

    `sha256`: of what came (an archive's, where it was one). `published`: whether that is the checksum of the published
    file, None where it can't be told. `fresh`: put there now. `replaced`: it took the place of something else.
    """

    name: str
    path: Path
    origin: str
    sha256: str
    published: bool | None
    fresh: bool = False
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Came:
    """What was fetched or taken. `packed`: it was an archive."""

    origin: str
    sha256: str
    packed: bool = False

    def published(self, source: Source) -> bool | None:
        """Whether it is the published file; None for a folder that was published as an archive."""
        return None if source.unpack and not self.packed else self.sha256 == source.sha256


def data_folder() -> Path:
    """The folder of all data sets: that of the variable MEMORY_R1_DATA, else in the user's own data folder.

    The environment is read at each call. NLTK's model stands in `data_folder() / "nltk"`, as NLTK lays it out.
    """
    given = os.environ.get("MEMORY_R1_DATA", "")
    return Path(given).expanduser() if given else user_data_path("memory-r1", appauthor=False) / "data"


def source_of(name: str) -> Source:
    """Where data set `name` comes from. Raises InputError for an unknown one."""
    if name not in SOURCES:
        raise InputError(f"there is no data set {name!r}: choose one of {', '.join(SOURCES)}")
    return SOURCES[name]


def place_of(name: str) -> Path:
    """Where data set `name` stands once prepared."""
    return data_folder() / name / source_of(name).file


def task_file(name: str, path: str | Path | None = None) -> Path:
    """The file (or folder) of task `name`: `path`, or what stands in the folder `path`, or what was prepared.

    Raises InputError when it isn't prepared.
    """
    file = source_of(name).file
    if path is not None:
        inside = Path(path) / file
        return inside if inside.exists() else Path(path)
    place = place_of(name)
    if not place.exists():
        how = f"`memory-r1 data prepare {name}` fetches it"
        raise InputError(f"{name} is not prepared: {how}, or takes your copy with --from (looked at {str(place)!r})")
    return place


def prepared(name: str) -> Prepared | None:
    """What stands in the place of data set `name` now, its checksum computed anew; None if nothing does."""
    source, place = source_of(name), place_of(name)
    if not place.exists():
        return None
    content = checksum(place)
    try:
        note: Mapping[str, Any] = json.loads(_note(name).read_text(encoding="utf-8"))
        came = Came(note["origin"], note["sha256"], note["packed"]) if note["content"] == content else Came("", content)
    except (OSError, ValueError, LookupError, TypeError):  # put there by hand, or the note is damaged
        came = Came("", content)
    return Prepared(name, place, came.origin, came.sha256, came.published(source))


def prepare(wanted: Wanted, check: Callable[[Path], None], on_bytes: OnBytes) -> Prepared:
    """Put a data set in its place, unless the one wanted is there already.

    `check` reads what is about to be put there and raises if it is no such data set; what was there before stays until
    all is well. Raises InputError (a wrong checksum, a path that is no such data set, a folder that can't be written),
    FileFormatError, DataUnavailableError (it can't be fetched: says what to do), MissingExtraError.
    """
    source = source_of(wanted.name)
    try:
        before = prepared(wanted.name)
        if wanted.origin is None and before is not None and _wanted(before, wanted.sha256):
            return before
        with _workshop(wanted.name) as folder:
            made = folder / "made" / Path(source.file).name
            made.parent.mkdir()
            if wanted.origin is None:
                came = _fetch(wanted, source, made, on_bytes)
            else:
                came = _take(wanted, wanted.origin, source, made)
            check(made)
            note = {"origin": came.origin, "sha256": came.sha256, "packed": came.packed, "content": checksum(made)}
            put(made, place_of(wanted.name))
            _note(wanted.name).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        why = f"{error.strerror}: {error.filename or str(data_folder())!r}"
        raise InputError(f"can't prepare {wanted.name}: {why} (MEMORY_R1_DATA names another folder)") from error
    published = came.published(source)
    return Prepared(wanted.name, place_of(wanted.name), came.origin, came.sha256, published, True, before is not None)


def _wanted(there: Prepared, sha256: str) -> bool:
    return there.sha256 == sha256.lower() if sha256 else bool(there.published)


def check_nltk(folder: Path) -> None:
    """Raises FileFormatError unless `folder` holds NLTK's sentence model of one language."""
    for name in NLTK_FILES:
        if not (folder / name).is_file():
            raise FileFormatError(f"{str(folder)!r} has no {name}: give NLTK's punkt_tab.zip, or its folder english")


def _fetch(wanted: Wanted, source: Source, made: Path, on_bytes: OnBytes) -> Came:
    """Download, check, and make `made` of it."""
    url = wanted.url or source.url
    came = made.parent.parent / "came"
    try:
        sha256 = download(url, came, on_bytes, wanted.timeout)
    except DataUnavailableError as error:
        by_hand = "" if source.unpack else f", or put it at {str(place_of(wanted.name))!r}"
        what = f"fetch it by other means, then `memory-r1 data prepare {wanted.name} --from FILE`{by_hand}"
        raise DataUnavailableError(f"{error.message}; {what}", **error.details) from error
    _compare(wanted, sha256, wanted.sha256 or source.sha256, f"what came from {url} ({came.stat().st_size} bytes)")
    return _make(Came(url, sha256), came, source, made)


def _take(wanted: Wanted, origin: Path, source: Source, made: Path) -> Came:
    """Make `made` of the user's own file, folder or archive."""
    found = _find(origin, source)
    sha256 = checksum(found)
    if wanted.sha256:
        _compare(wanted, sha256, wanted.sha256, repr(str(found)))
    if found.is_dir():
        copy_folder(found, made)
        return Came(str(found.absolute()), sha256)
    return _make(Came(str(found.absolute()), sha256), found, source, made)


def _find(origin: Path, source: Source) -> Path:
    """What to take of `origin`: itself, or what stands under the data set's name in that folder."""
    if not origin.exists():
        raise InputError(f"--from {str(origin)!r}: there is no such file or folder")
    if origin.is_file():
        return origin
    if not source.unpack:
        inside = origin / source.file
        if not inside.is_file():
            raise InputError(f"--from {str(origin)!r}: the folder holds no {source.file}")
        return inside
    depths = (source.unpack, f"*/{source.unpack}", f"*/*/{source.unpack}")
    return next((found for depth in depths for found in sorted(origin.glob(depth)) if found.is_dir()), origin)


def _make(came: Came, file: Path, source: Source, made: Path) -> Came:
    if not source.unpack:
        shutil.copyfile(file, made)
        return came
    unpack(file, source.unpack, made)
    return replace(came, packed=True)


def _compare(wanted: Wanted, got: str, expected: str, what: str) -> None:
    if got != expected.lower():
        trust = f"if you trust it, say so by --sha256 {got}"
        raise InputError(f"{what} has the SHA-256 {got}, not {expected}: nothing was kept of it; {trust}")


def _note(name: str) -> Path:
    return data_folder() / name / "prepared.json"


@contextmanager
def _workshop(name: str) -> Iterator[Path]:
    """An empty folder beside the place of data set `name`, gone at the end; what a killed run left is cleared away.

    Raises InputError while another run prepares the same data set.
    """
    home = data_folder() / name
    home.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(home / ".lock", timeout=0):
            for left in home.glob(f"{_PART}*"):
                shutil.rmtree(left)
            folder = Path(tempfile.mkdtemp(prefix=_PART, dir=home))
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except Timeout as error:
        raise InputError(f"another `memory-r1 data prepare {name}` is at work: wait for it") from error
