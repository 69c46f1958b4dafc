"""Serves another library's memory over JSON lines, in that library's own environment: standard library only.

    <environment>/bin/python -I base.py mem0_worker.py

What a worker file has: `LIBRARY`, the name that pip knows; and a class `Worker`, made without arguments, with

    open(given)            {folder, conversation, speakers, model {name, base_url, api_key},
                           embedder {name, dim, base_url, api_key}, settings}
    learn(turn, again)     {id, session, index, speaker, text, time, caption, line} → {operations, failures?};
                           `line`: "speaker: text (picture: …)"; `time`: ISO 8601; `again`: an earlier run broke off
                           while it learned this turn; `failures`: texts, to which what any logger called an error
                           meanwhile is added, for libraries go on after replies that they can't read
    search(query, limit)   → {items: [{id, text, speaker?, recorded?, turns?}]}, the best first
    size()                 → how many memories there are
    memories()             → {items: […]}, all that `size` counts, the oldest first
    close()
    forget(folders, settings)  in place of open, and only where a memory isn't all in its folder: deletes the rest

each of them plain or async; one request is served at a time, all on one event loop. The first line that goes out is
{"ready": {library, version, python, imported}}, `imported`: seconds that its import took. A request is {id, op, …},
a reply {id, ok: {…, cpu, client}} or {id, error: {kind, message}}. `cpu`: processor seconds of this process during the
request, without those inside the clients of models and embedders (`CLIENTS`); `client`: wall seconds inside these.
An error of the kind "StoreUnavailableError" is the database's and not the library's: nothing was learned, and nothing
more can be now.

The protocol has its own descriptors: what a library prints goes to stderr. When stdin ends, the process ends.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import logging
import os
import platform
import queue
import sys
import threading
import time
import traceback
from collections.abc import Generator
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

CLIENTS = (
    ("openai._base_client", "SyncAPIClient", "AsyncAPIClient", "request"),
    ("httpx", "Client", "AsyncClient", "send"),
    ("httpx2", "Client", "AsyncClient", "send"),
)
"""The clients whose work is not the library's: module, plain class, async class, and the method that does it all."""

OPERATIONS = {"open", "learn", "search", "size", "memories", "close", "forget"}
_INSIDE: ContextVar[bool] = ContextVar("inside", default=False)


class Transport:
    """Sums what is spent inside the clients of models and embedders: processor `seconds` and `wall` seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.wall = 0.0
        self._watched: set[str] = set()
        self._lock = threading.Lock()

    def watch(self) -> None:
        """Measure every request that the clients imported so far will make; one inside another counts once."""
        for name, plain, waiting, method in CLIENTS:
            module = sys.modules.get(name)
            if module is not None and name not in self._watched:
                self._watched.add(name)
                self._watch_plain(getattr(module, plain), method)
                self._watch_async(getattr(module, waiting), method)

    def add(self, seconds: float) -> None:
        """Count `seconds` of a processor."""
        with self._lock:
            self.seconds += seconds

    def add_wall(self, start: float) -> None:
        """Count the time since `start`."""
        with self._lock:
            self.wall += time.perf_counter() - start

    def _watch_plain(self, client: Any, method: str) -> None:
        send = getattr(client, method)

        def measured(*args: Any, **options: Any) -> Any:
            if _INSIDE.get():
                return send(*args, **options)
            token, start, began = _INSIDE.set(True), time.thread_time(), time.perf_counter()
            try:
                return send(*args, **options)
            finally:
                self.add(time.thread_time() - start)
                self.add_wall(began)
                _INSIDE.reset(token)

        setattr(client, method, measured)

    def _watch_async(self, client: Any, method: str) -> None:
        send = getattr(client, method)

        async def measured(*args: Any, **options: Any) -> Any:
            if _INSIDE.get():
                return await send(*args, **options)
            token, began = _INSIDE.set(True), time.perf_counter()
            try:
                return await _Stepped(send(*args, **options), self)
            finally:
                self.add_wall(began)
                _INSIDE.reset(token)

        setattr(client, method, measured)


class _Stepped:
    """Awaits a coroutine, measuring each of its steps alone: other tasks run in between."""

    def __init__(self, work: Any, transport: Transport) -> None:
        self._work = work
        self._transport = transport

    def __await__(self) -> Generator[Any, Any, Any]:
        step, value = self._work.send, None
        while True:
            start = time.thread_time()
            try:
                waited = step(value)
            except StopIteration as end:
                return end.value
            finally:
                self._transport.add(time.thread_time() - start)
            try:
                step, value = self._work.send, (yield waited)
            except BaseException as error:  # noqa: BLE001 - it goes to the coroutine
                step, value = self._work.throw, error


class Complaints(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.lines.append(f"{record.name}: {record.getMessage()}"[:500])


class Server:
    """Takes requests one by one and lets the worker answer them."""

    def __init__(self, module: ModuleType, wire: Any) -> None:
        self._worker = module.Worker()
        self._wire = wire
        self._transport = Transport()
        self._loop = asyncio.new_event_loop()
        self._complaints = Complaints()
        logging.getLogger().addHandler(self._complaints)

    def serve(self, requests: queue.SimpleQueue[bytes]) -> None:
        """Answer until a request to close."""
        while True:
            request = json.loads(requests.get())
            op = request.pop("op")
            reply = {"id": request.pop("id"), **self._answer(op, request)}
            say(self._wire, reply)
            if op == "close":
                return

    def _answer(self, op: str, given: dict[str, Any]) -> dict[str, Any]:
        self._complaints.lines.clear()
        self._transport.watch()  # some import their clients when they are opened
        cpu, http, wall = time.process_time(), self._transport.seconds, self._transport.wall
        try:
            out = self._call(op, given)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the other side is told
            traceback.print_exc()
            return {"error": {"kind": type(error).__name__, "message": str(error)[:2_000]}}
        spent = (time.process_time() - cpu) - (self._transport.seconds - http)
        found: dict[str, Any] = out if isinstance(out, dict) else {"size": out} if op == "size" else {}
        if op == "learn":
            found["failures"] = [*found.get("failures", ()), *self._complaints.lines]
        return {"ok": {**found, "cpu": max(spent, 0.0), "client": self._transport.wall - wall}}

    def _call(self, op: str, given: dict[str, Any]) -> Any:
        if op not in OPERATIONS:
            raise ValueError(f"there is no operation {op!r}")
        out = getattr(self._worker, op)(given) if op == "open" else getattr(self._worker, op)(**given)
        return self._loop.run_until_complete(out) if inspect.isawaitable(out) else out


def say(wire: Any, line: dict[str, Any]) -> None:
    """Send one line."""
    wire.write(json.dumps(line).encode() + b"\n")
    wire.flush()


def listen(lines: Any, requests: queue.SimpleQueue[bytes]) -> None:
    """Pass every line on; at their end the process ends at once, whatever it is doing."""
    for line in lines:
        requests.put(line)
    os._exit(3)


def main(path: Path) -> None:
    """Serve the worker in the file `path` on this process's stdin and stdout."""
    lines, wire = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(lines, requests), daemon=True).start()
    start = time.perf_counter()
    module = load(path)
    imported = time.perf_counter() - start
    ready = {"library": module.LIBRARY, "version": version(module.LIBRARY), "python": platform.python_version()}
    say(wire, {"ready": {**ready, "imported": imported}})
    Server(module, wire).serve(requests)
    sys.stderr.flush()
    os._exit(0)  # libraries leave threads behind that would be waited for


def load(path: Path) -> ModuleType:
    """The worker file as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]))
