"""A real HTTP server on loopback that speaks the OpenAI embeddings protocol, and misbehaves when told to."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """What the server does with one request. `body` None answers properly; `hang` never answers; `cut` stops midway."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False


def embedding(text: str, dim: int) -> list[float]:
    """A vector of small whole numbers, another one for (nearly) every text; not of unit norm."""
    return [float(1 + sum(text.encode()[place::dim]) % 97) for place in range(dim)]


def proper(texts: list[str], dim: int) -> bytes:
    """The reply for `texts`, in reverse order: only its indexes say which vector belongs to which text."""
    data = [{"object": "embedding", "index": i, "embedding": embedding(text, dim)} for i, text in enumerate(texts)]
    return json.dumps({"object": "list", "data": data[::-1], "model": "served", "usage": {"total_tokens": 1}}).encode()


class EmbeddingServer:
    """Serves at `url` inside a `with`. `script` holds what to do with the next requests; after it all go well.

    `requests` holds what came: (path, headers in lower case, body).
    """

    def __init__(self, dim: int = 4) -> None:
        self.dim = dim
        self.script: list[Reply] = []
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self._closing = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def sizes(self) -> list[int]:
        """How many texts each request had."""
        return [len(body["input"]) for _, _, body in self.requests]

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        with self._lock:
            self.requests.append((request.path, {k.lower(): v for k, v in request.headers.items()}, body))
            reply = self.script.pop(0) if self.script else Reply()
        if reply.hang:
            self._closing.wait()
            return
        content = proper(body["input"], self.dim) if reply.body is None else reply.body
        request.send_response(reply.status)
        for name, value in reply.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if reply.cut else content)
