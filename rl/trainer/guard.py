"""Runs a command so that nothing of it outlives whoever asked for it: `python guard.py TOKEN COMMAND …`.

Whoever asks holds the other end of this process's stdin. When that closes, for a Ctrl-C as for a kill -9, or when this
process is told to end, all that the command started is killed: Ray's workers too, which are in process groups of their
own and are found by TOKEN in their environment. What they left in shared memory is removed. The exit status is the
command's; 128 + the signal that ended it.

It imports nothing but the standard library: it stands between a launcher and a trainer for hours.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

TOKEN = "MEMORY_R1_TRAINING"
"""The environment variable by which all processes of one run are found."""
SHARED = Path("/dev/shm")
SEGMENTS = "verl_weights_*"
"""What verl's weight transfer names its shared memory."""
GRACE = 5.0
"""Seconds between asking the processes to end and ending them."""
_PROC = Path("/proc")
_PR_SET_PDEATHSIG = 1


def run(token: str, command: list[str]) -> int:
    """Run `command` to its end, or to the end of stdin; the exit status."""
    before = set(_segments())
    ended = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: ended.set())
    process = subprocess.Popen(
        command, env={**os.environ, TOKEN: token}, stdin=subprocess.DEVNULL, start_new_session=True,
        preexec_fn=_dying_with(os.getpid()),  # noqa: PLW1509 - no other thread runs yet
    )  # fmt: skip
    threading.Thread(target=_until_closed, args=(ended,), daemon=True).start()
    while process.poll() is None and not ended.is_set():
        ended.wait(0.1)
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    sweep(token, process)
    for segment in set(_segments()) - before:
        _remove(segment)
    status = process.returncode
    return status if status >= 0 else 128 - status


def sweep(token: str, process: subprocess.Popen[bytes]) -> None:
    """Kill every process that carries `token`, until none is left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(100):
        found = list(carrying(token))
        for pid in found:
            _signal(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(0.05)


def carrying(token: str) -> Iterator[int]:
    """The processes, but for this one, whose environment holds `token`. None where there is no /proc."""
    wanted = f"{TOKEN}={token}".encode()
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                yield int(folder.name)


def _segments() -> Iterator[Path]:
    yield from SHARED.glob(SEGMENTS)


def _remove(segment: Path) -> None:
    """Remove a segment that came into being meanwhile, if it is ours and no process has it open."""
    with suppress(OSError):
        if segment.stat().st_uid == os.getuid() and not _mapped(segment):
            segment.unlink()


def _mapped(segment: Path) -> bool:
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            if str(segment) in (folder / "maps").read_text(errors="replace"):
                return True
    return False


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _until_closed(ended: threading.Event) -> None:
    with suppress(OSError):
        while os.read(0, 1):  # not by sys.stdin, whose lock this thread would hold when the interpreter ends
            pass
    ended.set()


def _dying_with(parent: int) -> Callable[[], None] | None:
    """What makes Linux kill the command when this process is killed itself; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
