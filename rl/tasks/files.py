"""Files and folders: checksums, taking a folder out of an archive, putting a new file in an old one's place."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, cast

from memory_r1.memory.errors import FileFormatError

_BLOCK = 1 << 20


def checksum(path: Path) -> str:
    """SHA-256, in hex, of a file; of a folder: of its files' names and checksums. Raises OSError."""
    if path.is_dir():
        files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        return sha256("\n".join(f"{checksum(path / name)}  {name}" for name in files).encode()).hexdigest()
    sum = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sum.update(block)
    return sum.hexdigest()


def unpack(archive: Path, folder: str, target: Path) -> None:
    """Write the files that stand in a folder named `folder` of a zip or tar archive to `target`, which is made.

    Nothing but plain files is taken, and none that would land elsewhere. Raises FileFormatError for what is no such
    archive or has no such folder.
    """
    count = 0
    try:
        for name, opened in _members(archive):
            parts = PurePosixPath(name).parts
            if folder not in parts[:-1] or ".." in parts:
                continue
            inside = target.joinpath(*parts[parts.index(folder) + 1 :])
            inside.parent.mkdir(parents=True, exist_ok=True)
            with opened() as source, inside.open("wb") as out:
                shutil.copyfileobj(source, out, _BLOCK)
            count += 1
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise FileFormatError(f"can't unpack {str(archive)!r}: {error}") from error
    if not count:
        raise FileFormatError(f"{str(archive)!r} holds no folder {folder!r}")


def _members(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """The plain files of an archive: name, and what opens it before the next one is asked for."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                if not info.is_dir():
                    yield info.filename, partial(packed.open, info)
        return
    with tarfile.open(archive) as taped:
        for member in taped:
            if member.isfile():
                yield member.name, cast("Callable[[], IO[bytes]]", partial(taped.extractfile, member))


def copy_folder(source: Path, target: Path) -> None:
    """Copy the files of a folder, not its permissions: a read-only original gives no read-only copy. Raises OSError."""
    for file in sorted(source.rglob("*")):
        if file.is_file():
            inside = target / file.relative_to(source)
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, inside)


def put(made: Path, target: Path) -> None:
    """Move `made` to `target`, in the place of what is there; both on one file system. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        old = made.parent / "replaced"
        target.rename(old)
        made.rename(target)
        shutil.rmtree(old)
    else:
        made.replace(target)
