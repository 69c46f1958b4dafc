"""The server of local models, without a model: what it serves and to whom, what it refuses, and when it is full."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

pytest.importorskip("starlette", reason="needs pip install 'memory-r1[model-server]'")

from memory_r1.graphs.endpoint import typed
from memory_r1.graphs.local.folder import FolderLimits
from memory_r1.graphs.local.listen import bound, checked_reach, is_loopback
from memory_r1.graphs.local.loaded import Loaded
from memory_r1.graphs.local.sampling import Generation, Sampling
from memory_r1.graphs.local.server import Bounds, ModelServer
from memory_r1.graphs.local.shelf import Shelf
from memory_r1.memory.errors import MalformedOutputError, ModelUnavailableError, SettingsError

JSON = {"content-type": "application/json"}


@dataclass
class Engine:
    """Says 1, 2, 3, … as far as it may; after `go`, if that is shut. `fails`: what it raises instead."""

    positions: int = 64
    asked: list[Sampling] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    fails: Exception | None = None
    cancelled: int = 0
    closed: bool = False

    async def generate(self, prompt: list[int], how: Sampling) -> Generation:
        self.asked.append(how)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise self.fails
        count = min(how.max_tokens, 3)
        return Generation(tuple(range(1, count + 1)), (-0.5,) * count, count == 3)

    def close(self) -> None:
        self.closed = True


class Tokens:
    """A letter is a token, and so is a number."""

    ends = (3,)
    tokenizer = SimpleNamespace(decode=lambda ids: f"<{ids[0]}>")

    def encode(self, messages: list[dict[str, str]]) -> list[int]:
        if any(message["content"] == "odd" for message in messages):
            raise ValueError("roles must alternate")
        return [ord(letter) for message in messages for letter in message["content"]]

    def decode(self, ids: tuple[int, ...]) -> str:
        return " ".join(map(str, ids))


@dataclass
class Models:
    """What is loaded, in order. `broken`: the next loading fails."""

    made: list[tuple[Path, Engine]] = field(default_factory=list)
    broken: bool = False
    shut: bool = False

    def load(self, folder: Path) -> Loaded:
        if self.broken:
            self.broken = False
            raise SettingsError(f"the model in {str(folder)!r} can't be loaded: torn")
        engine = Engine()
        if not self.shut:
            engine.go.set()
        self.made.append((folder, engine))
        return Loaded(engine, Tokens(), FolderLimits(max_tokens=7))  # pyright: ignore


def folder(path: Path) -> Path:
    """What passes for a model's folder."""
    path.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"):
        (path / name).touch()
    return path


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def ann(tmp_path: Path) -> Path:
    return folder(tmp_path / "ann")


@asynccontextmanager
async def client(server: ModelServer, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(server.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers) as made:
        yield made


def chat(model: object, **more: Any) -> dict[str, Any]:
    return {"model": str(model), "messages": [{"role": "user", "content": "hello"}], **more}


async def said(server: ModelServer, body: dict[str, Any], **headers: str) -> httpx.Response:
    async with client(server, **headers) as http:
        return await http.post("/v1/chat/completions", json=body)


async def test_a_reply_has_its_text_its_end_and_its_cost(models: Models, ann: Path):
    server = ModelServer(Shelf([ann], load=models.load))
    body = (await said(server, chat(ann, temperature=0))).json()
    assert body["model"] == str(ann) and body["object"] == "chat.completion" and body["id"].startswith("chatcmpl-")
    (choice,) = body["choices"]
    assert choice["message"] == {"role": "assistant", "content": "1 2 3"} and choice["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    assert "prompt_token_ids" not in body and choice["logprobs"] is None


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_reply_ends_at_the_limit_that_was_asked_for(models: Models, ann: Path, name: str):
    server = ModelServer(Shelf([ann], load=models.load))
    body = (await said(server, chat(ann, **{name: 2}))).json()
    assert body["choices"][0]["finish_reason"] == "length" and body["choices"][0]["message"]["content"] == "1 2"
    await said(server, chat(ann))
    assert [how.max_tokens for _, engine in models.made for how in engine.asked] == [2, 7]  # the folder's own limit


async def test_replies_are_drawn_as_asked(models: Models, ann: Path):
    server = ModelServer(Shelf([ann], load=models.load))
    asked = chat(ann, n=3, seed=5, temperature=0.5, top_p=0.9, top_k=4, logprobs=True, return_token_ids=True)
    body = (await said(server, asked)).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2] and body["usage"]["completion_tokens"] == 9
    hows = models.made[0][1].asked
    assert [how.seed for how in hows] == [5, 6, 7] and {how.stop for how in hows} == {(3,)}
    assert {(how.temperature, how.top_p, how.top_k) for how in hows} == {(0.5, 0.9, 4)}
    assert body["choices"][1]["token_ids"] == [1, 2, 3] and body["prompt_token_ids"] == [104, 101, 108, 108, 111]
    (first, *_) = body["choices"][0]["logprobs"]["content"]
    assert first == {"token": "<1>", "logprob": -0.5, "bytes": [60, 49, 62], "top_logprobs": []}


@pytest.mark.parametrize(("stop", "left"), [(" 2", "1"), (["x", " 3", " 2"], "1"), ([], "1 2 3"), ("", "1 2 3")])
async def test_a_reply_ends_before_a_text_that_stops_it(models: Models, ann: Path, stop: Any, left: str):
    server = ModelServer(Shelf([ann], load=models.load))
    (choice,) = (await said(server, chat(ann, stop=stop))).json()["choices"]
    assert choice["message"]["content"] == left and choice["finish_reason"] == "stop"


async def test_a_message_may_come_in_parts(models: Models, ann: Path):
    server = ModelServer(Shelf([ann], load=models.load))
    parts = [{"type": "text", "text": "he"}, {"type": "text", "text": "llo"}]
    body = (await said(server, chat(ann, messages=[{"role": "user", "content": parts}]))).json()
    assert body["usage"]["prompt_tokens"] == 5


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"stream": True}, "stream"),
        ({"tools": [{}]}, "tools"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.type"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"temperature": -1}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 17}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "odd"}]}, "messages"),
    ],
)
async def test_what_can_t_be_kept_to_is_refused_and_named(models: Models, ann: Path, more: dict[str, Any], param: str):
    refused = await said(ModelServer(Shelf([ann], load=models.load)), chat(ann) | more)
    error = refused.json()["error"]
    assert refused.status_code == 400 and error["type"] == "invalid_request_error"
    assert error["message"].startswith(param.partition(".")[0])


async def test_fields_that_ask_for_nothing_are_taken(models: Models, ann: Path):
    nothing = {"stream": False, "tools": None, "frequency_penalty": 0, "user": "x", "response_format": {"type": "text"}}
    assert (await said(ModelServer(Shelf([ann], load=models.load)), chat(ann, **nothing))).status_code == 200


@pytest.mark.parametrize("name", ["", "/etc", "ann", "{ann}/", "{ann}/../ann", "{parent}", "{parent}/ben"])
async def test_no_folder_is_opened_because_somebody_names_it(models: Models, ann: Path, name: str):
    folder(ann.parent / "ben")
    named = name.format(ann=ann, parent=ann.parent)
    refused = await said(ModelServer(Shelf([ann], load=models.load)), chat(named))
    assert refused.status_code == 404 and refused.json()["error"]["code"] == "model_not_found"
    assert not models.made


async def test_the_versions_of_a_registry_come_and_go(models: Models, tmp_path: Path):
    server = ModelServer(Shelf([], tmp_path / "registry", load=models.load))
    async with client(server) as http:
        assert (await http.get("/v1/models")).json() == {"object": "list", "data": []}
        made = folder(tmp_path / "registry" / "versions" / "v0001-aa" / "manager")
        half = folder(tmp_path / "registry" / "versions" / ".new-bb" / "manager")
        assert [model["id"] for model in (await http.get("/v1/models")).json()["data"]] == [str(made)]
        assert (await http.post("/v1/chat/completions", json=chat(made))).status_code == 200
        assert (await http.post("/v1/chat/completions", json=chat(half))).status_code == 404


async def test_a_link_to_a_folder_has_both_names(models: Models, ann: Path):
    link = ann.parent / "link"
    link.symlink_to(ann)
    server = ModelServer(Shelf([link], load=models.load))
    assert (await said(server, chat(link))).status_code == 200
    assert (await said(server, chat(ann))).status_code == 200
    assert len(models.made) == 1


async def test_only_who_has_the_key_is_answered(models: Models, ann: Path):
    server = ModelServer(Shelf([ann], load=models.load), key="s3cret")
    for sent in ("", "Bearer wrong", "Basic s3cret", "Bearer"):
        refused = await said(server, chat(ann), **({"authorization": sent} if sent else {}))
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
        assert "s3cret" not in refused.text
    async with client(server) as http:
        assert (await http.get("/health")).status_code == 200
        assert (await http.get("/v1/models")).status_code == 401
    assert (await said(server, chat(ann), authorization="Bearer s3cret")).status_code == 200


async def test_a_page_of_another_name_can_t_reach_a_server_on_loopback(models: Models, ann: Path):
    server = ModelServer(Shelf([ann], load=models.load), hosts=frozenset({"127.0.0.1"}))
    assert (await said(server, chat(ann), host="evil.example")).status_code == 403
    assert (await said(server, chat(ann), host="127.0.0.1:9")).status_code == 200
    async with client(server) as http:
        plain = await http.post(
            "/v1/chat/completions", content=json.dumps(chat(ann)), headers={"content-type": "text/plain"}
        )
        assert plain.status_code == 415


async def test_a_request_that_is_too_large_or_no_json_is_refused(models: Models, ann: Path):
    server = ModelServer(Shelf([ann], load=models.load), bounds=Bounds(body=1_000))

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 100

    async with client(server) as http:
        for content in (b" " * 1_001, endless()):
            assert (await http.post("/v1/chat/completions", content=content, headers=JSON)).status_code == 413
        for content in (b"", b"{", b"[]", b'"x"', b"\xff"):
            assert (await http.post("/v1/chat/completions", content=content, headers=JSON)).status_code == 400


async def test_a_full_server_says_so_and_recovers(models: Models, ann: Path):
    models.shut = True
    server = ModelServer(Shelf([ann], load=models.load), bounds=Bounds(waiting=3))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(said(server, chat(ann, n=2)))
        await until(lambda: models.made and len(models.made[0][1].asked) == 2)
        refused = await said(server, chat(ann, n=2))
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
        models.made[0][1].go.set()
    assert first.result().status_code == 200
    assert (await said(server, chat(ann, n=3))).status_code == 200


async def test_a_client_that_leaves_is_worked_for_no_more(models: Models, ann: Path):
    models.shut = True
    server = ModelServer(Shelf([ann], load=models.load), bounds=Bounds(waiting=1))
    leaving = asyncio.create_task(called(server, chat(ann), models))
    assert await leaving == 499
    assert models.made[0][1].cancelled == 1
    models.made[0][1].go.set()
    assert (await said(server, chat(ann))).status_code == 200


async def test_models_in_memory_are_few_and_none_in_use_is_let_go(models: Models, tmp_path: Path):
    ann, ben, cleo = (folder(tmp_path / name) for name in ("ann", "ben", "cleo"))
    shelf = Shelf([ann, ben, cleo], keep=1, load=models.load)
    async with shelf.borrow(str(ann)) as model:
        async with shelf.borrow(str(ben)):
            pass
        async with shelf.borrow(str(cleo)):
            pass
        assert [engine.closed for _, engine in models.made] == [False, True, True]
        async with shelf.borrow(str(ann)) as again:
            assert again is model
    assert not models.made[0][1].closed
    await shelf.aclose()
    assert models.made[0][1].closed


async def test_callers_who_come_together_load_a_model_once(models: Models, ann: Path):
    server = ModelServer(Shelf([ann], load=models.load))
    replies = await asyncio.gather(*(said(server, chat(ann)) for _ in range(16)))
    assert {reply.status_code for reply in replies} == {200} and len(models.made) == 1


async def test_a_model_that_can_t_be_loaded_is_tried_again(models: Models, ann: Path):
    models.broken = True
    server = ModelServer(Shelf([ann], load=models.load))
    refused = await said(server, chat(ann))
    assert refused.status_code == 500 and "torn" in refused.json()["error"]["message"]
    assert (await said(server, chat(ann))).status_code == 200


@pytest.mark.parametrize(
    ("fails", "status", "code"),
    [
        (ModelUnavailableError("the model failed"), 503, None),
        (MalformedOutputError("a prompt of 99 tokens can't be answered"), 400, "context_length_exceeded"),
    ],
)
async def test_what_fails_in_the_model_is_told(
    models: Models, ann: Path, fails: Exception, status: int, code: str | None
):
    server = ModelServer(Shelf([ann], load=models.load))
    await said(server, chat(ann))
    models.made[0][1].fails = fails
    refused = await said(server, chat(ann))
    assert refused.status_code == status and refused.json()["error"]["code"] == code


def test_a_prompt_that_is_too_long_for_a_server_s_model_is_malformed():
    error = type("BadRequestError", (Exception,), {"status_code": 400, "code": "context_length_exceeded"})("too long")
    made = typed(error, "manager", 1)
    assert isinstance(made, MalformedOutputError) and made.details["repair"] is False


async def test_nothing_that_was_said_is_logged(models: Models, ann: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG", logger="memory_r1")
    server = ModelServer(Shelf([ann], load=models.load))
    for content in ("a secret", "odd"):
        await said(server, chat(ann, messages=[{"role": "user", "content": content}], user="a secret"))
    await said(server, chat("a secret"))
    assert "8 tokens read, 3 written" in caplog.text and "secret" not in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_needs_no_key(host: str):
    assert is_loopback(host) and checked_reach(host, "") == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org", ""])
def test_beyond_loopback_a_key_is_needed(host: str):
    assert checked_reach(host, "key") == host
    with pytest.raises(SettingsError, match="MEMORY_R1_API_KEY"):
        checked_reach(host, "")


def test_a_port_that_is_taken_or_no_port_is_refused():
    with bound("127.0.0.1", 0) as opened:
        opened.listen()
        with pytest.raises(SettingsError, match="can't listen on"):
            bound("127.0.0.1", opened.getsockname()[1])
    with pytest.raises(SettingsError, match="can't listen on"):
        bound("no.such.host.invalid", 0)


async def until(done: Any) -> None:
    """Wait, with the loop running, until `done()`."""
    while not done():
        await asyncio.sleep(0.001)


async def called(server: ModelServer, body: dict[str, Any], models: Models) -> int:
    """The status for a client that leaves when its request is in work."""
    events: Iterator[dict[str, Any]] = iter([{"type": "http.request", "body": json.dumps(body).encode()}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        for event in events:
            return event
        await until(lambda: models.made and models.made[0][1].asked)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/chat/completions", "raw_path": b"", "query_string": b"",
        "root_path": "", "scheme": "http", "http_version": "1.1", "asgi": {"version": "3.0"},
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
        "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 5),
    }  # fmt: skip
    await server.app(scope, receive, send)
    return sent[0]["status"]
