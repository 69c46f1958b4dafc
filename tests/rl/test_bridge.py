"""The bridge between other libraries and the models: nothing changed, nothing told, everything counted."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.embedders.base import Vectors
from memory_r1.memory.errors import ModelUnavailableError, SettingsError
from memory_r1.rl.systems.accounts import characters
from memory_r1.rl.systems.bridge import Bridge, Endpoint, endpoint
from memory_r1.rl.systems.loopback import LoopbackServer, Reply, Request
from tests.model_server import Garbage, Hang, ModelServer, Status

ASKED = {
    "model": "scripted",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    "seed": 7,
}


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer(["hello"]) as server:
        yield server


@asynccontextmanager
async def bridged(url: str, embedder: Any = None, timeout: float = 30) -> AsyncIterator[Bridge]:
    bridge = Bridge(Endpoint("scripted", url, "secret", timeout), embedder or HashedEmbedder(64))
    await bridge.start()
    try:
        yield bridge
    finally:
        await bridge.close()
        await bridge.close()


async def post(url: str, path: str, body: Any, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{url}/{path}", json=body, headers=headers)


async def test_a_request_passes_as_it_is_and_is_counted(model: ModelServer) -> None:
    async with bridged(model.url) as bridge:
        account, other = bridge.account(), bridge.account()
        reply = await post(account.base_url, "chat/completions", ASKED)
        assert reply.json()["choices"][0]["message"]["content"] == "hello"
        assert model.requests == [ASKED]
        counts = account.counts
        assert (counts.calls, counts.prompt_chars, counts.prompt_tokens, counts.reply_tokens) == (1, 14, 11, 7)
        assert counts.schema_chars == len(json.dumps(ASKED["response_format"]))
        assert counts.model_seconds > 0
        assert counts.faults == 0
        assert other.counts.calls == 0


async def test_the_key_is_added_here_and_shown_nowhere() -> None:
    seen: list[Request] = []

    async def answer(request: Request) -> Reply:
        seen.append(request)
        return Reply(200, b"{}")

    upstream = LoopbackServer(answer)
    await upstream.start()
    async with bridged(f"{upstream.url}/v1") as bridge:
        body = b'{"messages": [],  "model":"x"}'
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"{bridge.account().base_url}/chat/completions"
            await client.post(url, content=body, headers={"Authorization": "Bearer none"})
        assert seen[0].body == body
        assert seen[0].headers["authorization"] == "Bearer secret"
        assert "secret" not in repr(bridge.model)
    await upstream.close()


async def test_faults_pass_with_their_status() -> None:
    with ModelServer([Status(429, after="3"), Garbage(), "fine"]) as model:
        async with bridged(model.url) as bridge:
            account = bridge.account()
            refused = await post(account.base_url, "chat/completions", ASKED)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
            assert account.failing
            assert "429" in account.fault
            assert (await post(account.base_url, "chat/completions", ASKED)).text == "<html>proxy</html>"
            assert account.failing
            again = {"x-stainless-retry-count": "1"}
            assert (await post(account.base_url, "chat/completions", ASKED, **again)).status_code == 200
            assert not account.failing
            assert (account.counts.calls, account.counts.faults, account.counts.lost) == (3, 2, 1)


TOOLS = {"tools": [{"type": "function", "function": {"name": "keep"}}]}
CALL = {
    "content": None,
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "keep", "arguments": "{}"}}],
}


@pytest.mark.parametrize(
    ("asked", "said", "malformed"),
    [
        ({}, "words", 0),
        ({"response_format": {"type": "text"}}, "words", 0),
        ({"response_format": {"type": "json_object"}}, '{"memory": []}', 0),
        ({"response_format": {"type": "json_object"}}, "{'memory': [", 1),
        ({**TOOLS, "tool_choice": "required"}, CALL, 0),
        ({**TOOLS, "tool_choice": "required"}, "words", 1),
        ({**TOOLS, "tool_choice": "auto"}, "words", 0),
        (TOOLS, "words", 0),
    ],
)
async def test_replies_of_another_form_than_asked_for_are_counted(asked: Any, said: Any, malformed: int) -> None:
    with ModelServer([said]) as model:
        async with bridged(model.url) as bridge:
            account = bridge.account()
            await post(account.base_url, "chat/completions", {"model": "x", "messages": [], **asked})
            assert account.counts.malformed == malformed
            assert not account.failing


async def test_an_endpoint_that_is_not_there_is_a_fault() -> None:
    async with bridged("http://127.0.0.1:9/v1") as bridge:
        account = bridge.account()
        reply = await post(account.base_url, "chat/completions", ASKED)
        assert reply.status_code == 503
        assert "ConnectError" in reply.json()["error"]["message"]
        assert account.failing


async def test_an_endpoint_that_hangs_is_a_fault() -> None:
    with ModelServer([Hang(30)]) as model:
        async with bridged(model.url, timeout=0.2) as bridge:
            reply = await post(bridge.account().base_url, "chat/completions", ASKED)
            assert reply.status_code == 503


async def test_a_stream_passes(model: ModelServer) -> None:
    async with bridged(model.url) as bridge:
        reply = await post(bridge.account().base_url, "chat/completions", {**ASKED, "stream": True})
        assert reply.headers["content-type"] == "text/event-stream"
        assert reply.text.rstrip().endswith("[DONE]")


async def test_embeddings_are_ours_in_both_codings(model: ModelServer) -> None:
    embedder = HashedEmbedder(64)
    texts = ["a red kayak", "an oboe"]
    ours = await embedder.embed(texts)
    async with bridged(model.url, embedder) as bridge:
        account = bridge.account()
        plain = (await post(account.base_url, "embeddings", {"input": texts, "model": "m"})).json()
        assert [row["index"] for row in plain["data"]] == [0, 1]
        assert np.allclose([row["embedding"] for row in plain["data"]], ours)
        packed = {"input": texts[0], "model": "m", "encoding_format": "base64"}
        row = (await post(account.base_url, "embeddings", packed)).json()["data"][0]["embedding"]
        assert np.frombuffer(base64.b64decode(row), "<f4").tolist() == ours[0].tolist()
        assert account.counts.texts == 3
        assert account.counts.embed_seconds > 0
        assert account.counts.calls == 0


async def test_a_text_without_content_has_a_vector_too(model: ModelServer) -> None:
    async with bridged(model.url) as bridge:
        reply = (await post(bridge.account().base_url, "embeddings", {"input": ["!", "oboe"], "model": "m"})).json()
        assert np.allclose([np.linalg.norm(row["embedding"]) for row in reply["data"]], 1)


class Asking(HashedEmbedder):
    """Notes which texts are questions; fails at "fail"."""

    def __init__(self) -> None:
        super().__init__(64)
        self.asked: list[bool] = []

    async def embed(self, texts: Any, *, query: bool = False) -> Vectors:
        self.asked.append(query)
        if "fail" in texts:
            raise ModelUnavailableError("no embedder")
        return self.vectors(texts)


async def test_an_embedder_hears_of_questions_and_its_failures_pass(model: ModelServer) -> None:
    embedder = Asking()
    async with bridged(model.url, embedder) as bridge:
        account = bridge.account()
        await post(account.base_url, "embeddings", {"input": "x", "model": "m"})
        account.querying = True
        await post(account.base_url, "embeddings", {"input": "x", "model": "m"})
        assert embedder.asked == [False, True]
        reply = await post(account.base_url, "embeddings", {"input": "fail", "model": "m"})
        assert reply.status_code == 503
        assert account.fault == "the embedder: no embedder"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("chat/completions", {"model": "x"}, 400),
        ("chat/completions", [], 400),
        ("embeddings", {"input": [1, 2]}, 400),
        ("embeddings", {"input": 3}, 400),
        ("models", {}, 404),
    ],
)
async def test_what_is_no_request_is_refused(model: ModelServer, path: str, body: Any, status: int) -> None:
    async with bridged(model.url) as bridge:
        account = bridge.account()
        assert (await post(account.base_url, path, body)).status_code == status
        assert model.requests == []


async def test_no_token_no_service(model: ModelServer) -> None:
    async with bridged(model.url) as bridge:
        account = bridge.account()
        stranger = account.base_url.replace(account.base_url.split("/")[-2], "guessed")
        assert (await post(stranger, "chat/completions", ASKED)).status_code == 404
        bridge.dismiss(account)
        assert (await post(account.base_url, "chat/completions", ASKED)).status_code == 404
        assert account.base_url.startswith("http://127.0.0.1:")


async def test_a_dismissed_workers_call_is_given_up() -> None:
    with ModelServer([Hang(30)]) as model:
        async with bridged(model.url) as bridge:
            account = bridge.account()
            call = asyncio.create_task(post(account.base_url, "chat/completions", ASKED))
            while not model.requests:
                await asyncio.sleep(0.01)
            bridge.dismiss(account)
            with pytest.raises(httpx.HTTPError):
                await call
            assert not account.under_way


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
async def test_a_request_that_cannot_be_read_is_refused(sent: bytes) -> None:
    async def never(request: Request) -> Reply:
        raise AssertionError(request)

    server = LoopbackServer(never)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(sent)
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()
    await server.close()


def test_characters_are_those_of_texts_and_tool_calls() -> None:
    called = {"tool_calls": [{"function": {"name": "Memory", "arguments": '{"a": 1}'}}], "content": None}
    parts = {"role": "user", "content": [{"type": "text", "text": "four"}]}
    assert characters([called, parts, {"role": "user", "content": "five5"}]) == 8 + 4 + 5


def test_only_endpoints_can_be_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "theirs")
    local = endpoint("openai:qwen@http://localhost:8000/v1/", "ours")
    assert (local.name, local.url, local.key) == ("qwen", "http://localhost:8000/v1", "ours")
    assert endpoint("openai:qwen@http://localhost:8000/v1").key == ""
    assert endpoint("openai:gpt-x") == Endpoint("gpt-x", "https://api.openai.com/v1", "theirs")
    for wrong in ("rules", "anthropic:claude", "openai:", "openai:x@localhost"):
        with pytest.raises(SettingsError, match="openai:NAME@http"):
            endpoint(wrong)
