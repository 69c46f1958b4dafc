"""Files that are put in their place wholly or not at all, and are on the disk when a call returns."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

_CANNOT = (errno.EINVAL, errno.ENOTSUP)
"""What a file system says that has no way to make a folder's names durable."""


def write_whole(path: Path, content: bytes, *, private: bool = False) -> None:
    """Put `content` in the place of `path`: whoever reads it sees the old content or the new, never a part.

    One process at a time may write `path`: where there can be several, they hold a lock. `private`: the file is for its
    owner alone, and several may write it at once; the last one's content stays. Raises OSError: `path` is as it was, or
    has the new content already where only its folder can't be made durable. A process killed in the middle leaves a
    hidden file beside `path` that nobody reads.
    """
    temporary = path.with_name(f".{path.name}.new")
    if private:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
    try:
        write_file(temporary, content)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """Write `path`; its content, not yet its name, is durable when this returns. Raises OSError."""
    with path.open("wb") as out:
        out.write(content)
        sync(out)


def sync(file: IO[bytes] | IO[str]) -> None:
    """Make durable what was written into the open `file`. Raises OSError."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable, where the system can. Raises OSError."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    finally:
        os.close(handle)
