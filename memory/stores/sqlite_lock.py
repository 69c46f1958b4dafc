"""The lock by which the writers of one SQLite file take turns, whatever their processes."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from types import TracebackType
from weakref import WeakSet

from filelock import FileLock, Timeout

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_FIRST, _LONGEST = 0.001, 0.05


class WriteLock:
    """A kernel lock on the file at `path`, taken by `with`: for one thread, not to be nested.

    `FileLock` on the same path keeps it out and is kept out by it. This one keeps its file open from use to use, which
    takes a hundredth of the time; on Windows it is a `FileLock`. Raises filelock.Timeout after `patience` seconds.
    """

    def __init__(self, path: str, patience: float) -> None:
        self._file: int | None = None
        self.path = path
        self.patience = patience
        self._other = FileLock(path, timeout=patience) if fcntl is None else None
        _LOCKS.add(self)

    def __enter__(self) -> None:
        if self._other is not None:
            self._other.acquire()
            return
        wait, end = _FIRST, time.monotonic() + self.patience
        while not self._taken():
            if time.monotonic() >= end:
                raise Timeout(self.path)
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._other is not None:
            self._other.release()
        elif self._file is not None and fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close its file. It is opened again when the lock is taken again."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __del__(self) -> None:
        self.close()

    def _taken(self) -> bool:
        """Whether the lock could be taken at once, on the file that stands at `path` now."""
        assert fcntl is not None
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # some file systems say the latter
            return False
        if os.fstat(self._file).st_nlink:
            return True
        self.close()  # someone deleted the file: whoever comes now makes and locks a new one
        return False


_LOCKS: WeakSet[WriteLock] = WeakSet()


def _forget() -> None:
    """In a forked child: let go of the parent's files, so that its locks end with it."""
    for lock in _LOCKS:
        with suppress(OSError):
            lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
