"""Runs another library's memory as a process of its own and speaks JSON lines with it (`workers/base.py`)."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memory_r1.memory.errors import MemoryR1Error, StoreUnavailableError

log = logging.getLogger(__name__)

BASE = Path(__file__).parent / "workers" / "base.py"
LOG = "worker.log"
"""What a worker and its library print, in the folder of their memory."""

QUIET = {
    "MEM0_TELEMETRY": "False", "POSTHOG_DISABLED": "1", "GRAPHITI_TELEMETRY_ENABLED": "false",
    "ANONYMIZED_TELEMETRY": "False", "DO_NOT_TRACK": "1", "LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false",
    "HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1,localhost",
}  # fmt: skip
"""Keeps libraries from reporting home."""

STEADY = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TZ": "UTC"}
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
_LINE = 1 << 26
_SHOWN = 1_500
_LAST = 5.0


@dataclass(frozen=True, slots=True)
class Launch:
    """How a worker is started. `python`: its environment's. `worker`: its file. `folder`: where it may write."""

    python: Path
    worker: Path
    folder: Path
    name: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for a worker to start, for one turn, for anything else."""

    start: float = 180.0
    learn: float = 1_800.0
    other: float = 300.0


class WorkerDiedError(MemoryR1Error):
    """The worker's process ended or was ended; a new one can be started on its folder."""


class WorkerFailedError(MemoryR1Error):
    """The library raised an error; its process goes on. `details["kind"]` names the exception."""


class Worker:
    """One process. `ready`: what it said when it started: library, version, python, imported (seconds).

    No worker outlives this process: it ends itself when its stdin does, and `close` or a cancelled request ends its
    whole process group.
    """

    def __init__(self, launch: Launch, process: asyncio.subprocess.Process, timeouts: Timeouts) -> None:
        self.launch = launch
        self.timeouts = timeouts
        self.ready: Mapping[str, Any] = {}
        self._process = process
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {0: asyncio.get_running_loop().create_future()}
        self._last = 0
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, launch: Launch, timeouts: Timeouts = Timeouts()) -> Worker:
        """A worker that is ready for its first request. Raises WorkerDiedError."""
        home = launch.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        try:
            with (launch.folder / LOG).open("ab") as errors:
                process = await asyncio.create_subprocess_exec(
                    launch.python, "-I", BASE, launch.worker, stdin=asyncio.subprocess.PIPE, cwd=launch.folder,
                    stdout=asyncio.subprocess.PIPE, stderr=errors, env=environment(launch, home),
                    start_new_session=True, limit=_LINE,
                )  # fmt: skip
        except OSError as error:
            raise WorkerDiedError(f"{launch.name} can't be started: {error}", op="start", late=False) from error
        worker = cls(launch, process, timeouts)
        worker.ready = (await worker._answer(0, timeouts.start, "start"))["ready"]
        return worker

    @property
    def pid(self) -> int:
        """Its process, which leads a group of its own."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.returncode is None and not self._reading.done()

    async def request(self, op: str, **given: Any) -> dict[str, Any]:
        """What the worker answers. Cancelled or too late, it ends the worker, which would go on otherwise.

        Raises WorkerFailedError for an error of the library, StoreUnavailableError when its database is away,
        WorkerDiedError when the process ends.
        """
        self._last += 1
        number = self._last
        self._waiting[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "op": op, **given}).encode() + b"\n"
        assert self._process.stdin is not None
        with suppress(ConnectionError, RuntimeError):  # whether it is gone is told where its replies are read
            self._process.stdin.write(line)
            await self._process.stdin.drain()
        reply = await self._answer(number, self.timeouts.learn if op == "learn" else self.timeouts.other, op)
        if "error" in reply:
            kind, message = reply["error"]["kind"], reply["error"]["message"]
            if kind == StoreUnavailableError.__name__:
                raise StoreUnavailableError(f"{self.launch.name}: {message}")
            raise WorkerFailedError(f"{self.launch.name}: {kind}: {message}", kind=kind)
        return reply["ok"]

    async def close(self) -> None:
        """Let it close its memory, then end it. A second call does nothing."""
        try:
            if self.alive:
                with suppress(MemoryR1Error):
                    await self.request("close")
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End its process group at once."""
        self._end()
        await self._process.wait()
        await asyncio.wait({self._reading}, timeout=_LAST)
        self._reading.cancel()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _end(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    async def _answer(self, number: int, seconds: float, op: str) -> dict[str, Any]:
        try:
            if not self._reading.done():
                await asyncio.wait(
                    {self._waiting[number], self._reading}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
                )
            future = self._waiting[number]
            if future.done():
                return future.result()
        except asyncio.CancelledError:
            self._end()
            raise
        finally:
            self._waiting.pop(number, None)
        late = not self._reading.done()
        if not late:  # its last words are out, its exit status follows
            await asyncio.wait({asyncio.ensure_future(self._process.wait())}, timeout=_LAST)
        await self.kill()
        how = f"didn't answer within {seconds:g} s" if late else f"ended ({_status(self._process.returncode)})"
        path = self.launch.folder / LOG
        raise WorkerDiedError(
            f"the process of {self.launch.name} {how} at {op!r}; {last_lines(path)}", op=op, late=late
        )

    async def _read(self) -> None:
        """Hand each line to whom it belongs, until there are no more."""
        assert self._process.stdout is not None
        with suppress(ValueError, asyncio.IncompleteReadError):  # a line that is too long or none: the end of it
            while line := await self._process.stdout.readline():
                reply = json.loads(line)
                future = self._waiting.get(reply.get("id", 0))
                if future is not None and not future.done():
                    future.set_result(reply)


def environment(launch: Launch, home: Path) -> dict[str, str]:
    """The worker's whole environment: no secret of ours, no telemetry, and a home in its own folder."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    places = {"HOME": home, "USERPROFILE": home, "XDG_CACHE_HOME": home / ".cache", "XDG_CONFIG_HOME": home / ".config",
              "XDG_DATA_HOME": home / ".local", "MEM0_DIR": home / ".mem0"}  # fmt: skip
    return {**kept, **QUIET, **STEADY, **{name: str(place) for name, place in places.items()}, **launch.env}


def last_lines(path: Path, chars: int = _SHOWN) -> str:
    """The end of a log, and where to read more."""
    try:
        text = path.read_bytes()[-chars:].decode(errors="replace").strip()
    except OSError:
        text = ""
    return f"it said at last (all in {str(path)!r}):\n{text}" if text else f"it said nothing in {str(path)!r}"


def _status(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by signal {-code}"
    return f"exit status {code}"
