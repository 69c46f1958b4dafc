"""A real HTTP server on loopback that gives files, or fails in one of the ways in which servers fail."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Served:
    """What stands at one path. `fault`: "", "cut" (half of it, then the line breaks), "hang" (half, then nothing),
    "unsized" (whole, its length not told), "moved" (a redirect to `body`'s path).
    """

    body: bytes = b""
    fault: str = ""


class DataServer:
    """Serves `files` by path while its `with` block runs; anything else is a 404. `asked`: the paths asked for."""

    def __init__(self, files: Mapping[str, Served]) -> None:
        self.files = dict(files)
        self.asked: list[str] = []
        self.over = threading.Event()
        self.under_way = threading.Event()
        self._http = _Server(self)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http.server_port}{path}"

    def __enter__(self) -> DataServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        data = self.server.data
        data.asked.append(self.path)
        served = data.files.get(self.path)
        with suppress(BrokenPipeError, ConnectionResetError):  # the client may have given up
            if served is None:
                self.send_error(404)
            elif served.fault == "moved":
                self.send_response(302)
                self.send_header("Location", served.body.decode())
                self.end_headers()
            else:
                self._give(served)

    def _give(self, served: Served) -> None:
        self.send_response(200)
        if served.fault != "unsized":
            self.send_header("Content-Length", str(len(served.body)))
        self.end_headers()
        whole = served.fault in ("", "unsized")
        self.wfile.write(served.body if whole else served.body[: len(served.body) // 2])
        self.wfile.flush()
        self.server.data.under_way.set()
        if served.fault == "hang":
            self.server.data.over.wait(60)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, data: DataServer) -> None:
        self.data = data
        super().__init__(("127.0.0.1", 0), _Handler)
