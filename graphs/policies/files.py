"""The files of the policy registry: hashed, copied, replaced as a whole, and compared with what was published."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from memory_r1.memory.durable import sync, sync_folder
from memory_r1.memory.errors import DamagedPolicyError, SettingsError, StoreUnavailableError

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """One file of a policy. `path`: below the version's folder, with "/"; `size`: bytes."""

    path: str
    size: int
    sha256: str


def hashed(folder: Path, name: str) -> tuple[File, ...]:
    """Every file below `folder`, by path, as it is to stand below the folder `name`. Links are followed.

    Raises SettingsError for a file that can't be read.
    """
    found: list[File] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            sum = _sum(path)
        except OSError as error:
            raise SettingsError(f"{str(path)!r} can't be read: {error.strerror}") from error
        found.append(File(f"{name}/{path.relative_to(folder).as_posix()}", path.stat().st_size, sum))
    return tuple(found)


def copy(files: Iterable[File], sources: Iterable[tuple[str, Path]], target: Path) -> None:
    """Copy `files` below `target`, each durable. `sources`: where the files of each top folder come from.

    Raises SettingsError for a file that is no longer what was hashed.
    """
    origins = dict(sources)
    for file in files:
        name, _, rest = file.path.partition("/")
        source, goal = origins[name] / rest, target / file.path
        goal.parent.mkdir(parents=True, exist_ok=True)
        if not source.is_file() or _copy(source, goal) != file.sha256:
            raise SettingsError(f"{str(source)!r} changed while it was copied: publish it once it is done")
    for folder in {target, *((target / file.path).parent for file in files)}:
        sync_folder(folder)


def lacking(files: Iterable[File], folder: Path) -> Iterator[str]:
    """What is missing or of another size below `folder`: a look at the directory, no reading."""
    for file in files:
        path = folder / file.path
        if not path.is_file():
            yield f"{file.path} is missing"
        elif (size := path.stat().st_size) != file.size:
            yield f"{file.path} has {size} bytes instead of {file.size}"


def changed(files: Iterable[File], folder: Path, tops: Iterable[str]) -> Iterator[str]:
    """What below `folder` is missing, was changed, or was put into one of its folders `tops`. Reads every file."""
    known = {file.path: file.sha256 for file in files}
    gaps = list(lacking(files, folder))
    yield from gaps
    for top in tops:
        for path in (path for path in sorted((folder / top).rglob("*")) if path.is_file()):
            name = path.relative_to(folder).as_posix()
            if name not in known:
                yield f"{name} was not published"
            elif not gaps and _sum(path) != known[name]:
                yield f"{name} was changed"


@contextmanager
def locked(path: Path, seconds: float, doing: str) -> Generator[None]:
    """Hold the lock file `path`. Raises StoreUnavailableError when another process has it for longer than `seconds`."""
    lock = FileLock(path, timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        raise StoreUnavailableError(
            f"another process is {doing} in {str(path.parent)!r} for more than {seconds:.0f} s: wait until it ends"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def written(path: Path) -> Generator[None]:
    """Turn what the disk refuses into StoreUnavailableError."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(f"can't write {str(path)!r}: {error.strerror}; mend it and try again") from error


def read_bytes(path: Path) -> bytes:
    """The file's content, b"" where there is none. Raises DamagedPolicyError for one that can't be read."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise DamagedPolicyError(f"{str(path)!r} can't be read: {error.strerror}") from error


def remove(folder: Path) -> None:
    """Delete `folder` and all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _sum(path: Path) -> str:
    found = sha256()
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _copy(source: Path, target: Path) -> str:
    """Copy one file; the SHA-256 of what was copied."""
    found = sha256()
    with source.open("rb") as content, target.open("wb") as out:
        while chunk := content.read(_CHUNK):
            found.update(chunk)
            out.write(chunk)
        sync(out)
    return found.hexdigest()
