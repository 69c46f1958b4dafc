"""The lock of a SQLite file's writers keeps `FileLock` out and is kept out by it, also after its file was deleted."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from memory_r1.memory.stores.sqlite_lock import WriteLock


def test_two_take_turns_with_each_other_and_with_filelock(tmp_path: Path):
    path = str(tmp_path / "lock")
    one, two, other = WriteLock(path, 30), WriteLock(path, 0), FileLock(path, timeout=0)
    with one:
        with pytest.raises(Timeout), two:
            pass
        with pytest.raises(Timeout):
            other.acquire()
    with two, pytest.raises(Timeout):
        other.acquire()
    with other, pytest.raises(Timeout), two:
        pass
    with one:
        pass


def test_an_error_inside_gives_it_back(tmp_path: Path):
    path = str(tmp_path / "lock")
    with pytest.raises(RuntimeError), WriteLock(path, 0):
        raise RuntimeError
    with WriteLock(path, 0):
        pass


def test_it_waits_for_the_other(tmp_path: Path):
    path, order = str(tmp_path / "lock"), []
    held = threading.Event()

    def hold() -> None:
        with WriteLock(path, 30):
            held.set()
            time.sleep(0.05)
            order.append("first")

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with WriteLock(path, 30):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file can't be deleted there")
def test_a_deleted_lock_file_splits_nobody(tmp_path: Path):
    path = tmp_path / "lock"
    one, two = WriteLock(str(path), 30), WriteLock(str(path), 0)
    with one:
        pass
    path.unlink()
    with one:
        assert path.exists()
        with pytest.raises(Timeout), two:
            pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_hold_what_its_parent_held(tmp_path: Path):
    path = str(tmp_path / "lock")
    lock = WriteLock(path, 30)
    with lock:
        child = os.fork()
        if child == 0:
            os._exit(lock._file is not None)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with pytest.raises(Timeout), WriteLock(path, 0):
            pass
