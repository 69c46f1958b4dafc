"""A real OpenAI-compatible chat server on loopback that does what a script says, faults included.

    with ModelServer(["hello", Status(429), Cut()]) as server:
        ChatOpenAI(base_url=server.url, model="scripted", api_key="none")

Each request takes the next line of the script: a string is the reply's text, a dictionary its message, a callable
makes the line, anything else is a fault. The last line repeats for ever.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Status:
    """An HTTP error. `after`: the seconds in its Retry-After header."""

    code: int
    message: str = "scripted"
    after: str = ""


@dataclass(frozen=True)
class Hang:
    """No reply for `seconds`."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection breaks in the middle of the body."""

    text: str = '{"facts": ['


@dataclass(frozen=True)
class Garbage:
    """A 200 whose body is no JSON."""

    body: str = "<html>proxy</html>"


@dataclass(frozen=True)
class Short:
    """A reply that ended at the token limit."""

    text: str


Line = Any
Request = dict[str, Any]


class ModelServer:
    """Serves while its `with` block runs. `requests`: the bodies received, in order."""

    def __init__(self, script: Sequence[Line | Callable[[Request], Line]]) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._http = _Server(self)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def next(self, request: Request) -> Line:
        with self._lock:
            self.requests.append(request)
            line = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return line(request) if callable(line) else line

    def hang(self, seconds: float) -> None:
        self._over.wait(seconds)

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two packets
    server: _Server

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, json.dumps({"object": "list", "data": [{"id": "scripted", "object": "model"}]}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        line = self.server.model.next(request)
        with suppress(BrokenPipeError, ConnectionResetError):  # the client may have given up
            self._play(line, bool(request.get("stream")))

    def _play(self, line: Line, stream: bool) -> None:
        if isinstance(line, Status):
            self._send(
                line.code, json.dumps({"error": {"message": line.message, "type": "scripted"}}), after=line.after
            )
        elif isinstance(line, Hang):
            self.server.model.hang(line.seconds)
            self.close_connection = True
        elif isinstance(line, Garbage):
            self._send(200, line.body)
        elif stream:
            self._stream(line.text if isinstance(line, Cut | Short) else line, cut=isinstance(line, Cut))
        elif isinstance(line, Cut):
            whole = completion(line.text)
            self._send(200, whole[: len(whole) // 2], length=len(whole.encode()))
            self.close_connection = True
        elif isinstance(line, Short):
            self._send(200, completion(line.text, "length"))
        else:
            self._send(200, completion(line))

    def _send(self, code: int, body: str, length: int | None = None, after: str = "") -> None:
        data = body.encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length if length is not None else len(data)))
        if after:
            self.send_header("Retry-After", after)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, text: str, cut: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        half = len(text) // 2
        for part in (text[:half], text[half:])[: 1 if cut else 2]:
            self._chunk(json.dumps(_delta({"role": "assistant", "content": part}, None)))
        if cut:
            self.close_connection = True
            return
        self._chunk(json.dumps(_delta({}, "stop")))
        self._chunk("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        self.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections that arrive at once

    def __init__(self, model: ModelServer) -> None:
        self.model = model
        super().__init__(("127.0.0.1", 0), _Handler)


def completion(said: str | dict[str, Any], finish: str = "stop") -> str:
    """The body of a chat completion that says `said`: a text, or the message with its tool calls."""
    message = {"role": "assistant", **({"content": said} if isinstance(said, str) else said)}
    choice = {"index": 0, "finish_reason": finish, "message": message}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return json.dumps(
        {"id": "c1", "object": "chat.completion", "created": int(time.time()), "model": "scripted",
         "choices": [choice], "usage": usage}
    )  # fmt: skip


def _delta(delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "scripted", "choices": [choice]}
