"""The embedder behind an OpenAI-compatible endpoint, against a real HTTP server on loopback."""

import asyncio
import json
import logging
import pickle
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from embedding_server import EmbeddingServer, Reply, embedding, proper

from memory_r1.memory.embedders.endpoint import EndpointEmbedder
from memory_r1.memory.embedders.load import load_embedder
from memory_r1.memory.errors import InputError, MalformedOutputError, ModelError, ModelUnavailableError
from memory_r1.memory.retry import Patience

KEY = "sk-secret-of-this-test"
FAST = Patience(tries=3, timeout=5.0, first=0.0)
TEXTS = ["Ada adopted a dog", "Ben moved to Lyon", "They met in June"]


def unit(text: str, dim: int = 4) -> np.ndarray:
    row = np.array(embedding(text, dim))
    return (row / np.linalg.norm(row)).astype(np.float32)


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as running:
        yield running


async def test_an_endpoint_gives_one_unit_vector_for_each_text_in_order(server: EmbeddingServer) -> None:
    made = await EndpointEmbedder.connect("bge-m3", server.url, api_key=KEY, batch=2)
    assert (made.name, made.dim) == ("openai:bge-m3", 4)
    out = await made.embed([*TEXTS, " ", "last"])
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, [*map(unit, TEXTS), np.zeros(4), unit("last")], atol=1e-6)
    assert server.sizes == [1, 2, 2]
    path, headers, body = server.requests[1]
    assert path == "/v1/embeddings"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body == {"model": "bge-m3", "input": TEXTS[:2], "encoding_format": "float"}


async def test_nothing_to_embed_asks_nothing(server: EmbeddingServer) -> None:
    made = EndpointEmbedder("bge-m3", server.url, 4)
    assert (await made.embed([])).shape == (0, 4)
    assert not np.any(await made.embed(["", "\n"]))
    assert server.requests == []


async def test_without_a_key_none_is_sent(server: EmbeddingServer) -> None:
    await EndpointEmbedder.connect("bge-m3", server.url + "/")
    path, headers, _ = server.requests[0]
    assert path == "/v1/embeddings"
    assert "authorization" not in headers


def test_an_endpoint_loads_by_name_outside_and_inside_an_event_loop(server: EmbeddingServer) -> None:
    async def inside() -> Any:
        return load_embedder(f"openai:org/bge-m3@{server.url}", api_key=KEY)

    for made in (load_embedder(f"openai:org/bge-m3@{server.url}"), asyncio.run(inside())):
        assert (made.name, made.dim) == ("openai:org/bge-m3", 4)
        for _ in range(2):  # a loop of its own each time
            np.testing.assert_allclose(asyncio.run(made.embed(["x"])), [unit("x")], atol=1e-6)


@pytest.mark.parametrize(
    "fault",
    [Reply(429), Reply(500), Reply(503, b"<html>busy</html>"), Reply(408), Reply(cut=True), Reply(429, cut=True)],
    ids=lambda reply: f"{reply.status}{'-cut' * reply.cut}",
)
async def test_a_passing_fault_is_tried_again(server: EmbeddingServer, fault: Reply) -> None:
    made = EndpointEmbedder("m", server.url, 4, patience=FAST)
    server.script = [fault, fault]
    np.testing.assert_allclose(await made.embed(["x"]), [unit("x")], atol=1e-6)
    assert len(server.requests) == 3


async def test_after_all_attempts_the_endpoint_is_unavailable(
    server: EmbeddingServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = EndpointEmbedder("m", server.url, 4, api_key=KEY, patience=FAST)
    server.script = [Reply(500, f"no such key {KEY}".encode())] * 3
    with pytest.raises(ModelUnavailableError, match="failed 3 times, at last with: status 500") as caught:
        await made.embed(["x"])
    assert len(server.requests) == 3
    assert KEY not in f"{caught.value!r}{caught.value.details}{caplog.text}{made!r}"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_a_server_that_never_answers_is_given_up(server: EmbeddingServer) -> None:
    made = EndpointEmbedder("m", server.url, 4, patience=Patience(tries=2, timeout=0.1, first=0.0))
    server.script = [Reply(hang=True)] * 2
    with pytest.raises(ModelUnavailableError, match=r"no reply within 0\.1 s"):
        await made.embed(["x"])


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ModelUnavailableError, match="ConnectError"):
        await EndpointEmbedder.connect("m", f"http://127.0.0.1:{port}/v1", patience=FAST)


async def test_pauses_double_and_a_retry_after_is_kept_within_bounds(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    made = EndpointEmbedder("m", server.url, 4, patience=Patience(tries=6, first=0.5))
    monkeypatch.setattr(made, "_sleep", sleep)
    asks = [{}, {"Retry-After": "3"}, {"Retry-After": "99999"}, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, {}]
    server.script = [Reply(429, b"", headers) for headers in asks]
    await made.embed(["x"])
    assert pauses == [0.5, 3.0, 30.0, 4.0, 8.0]


@pytest.mark.parametrize("status", [400, 404, 422, 301])
async def test_a_refused_request_is_not_repeated(server: EmbeddingServer, status: int) -> None:
    made = EndpointEmbedder("m", server.url, 4, api_key=KEY, patience=FAST)
    server.script = [Reply(status, f"model m? {KEY}".encode(), {"Location": "/elsewhere"})]
    with pytest.raises(ModelError, match=rf"'m' \(status {status}\): 'model m\? \*\*\*'"):
        await made.embed(["x"])
    assert len(server.requests) == 1


@pytest.mark.parametrize(("key", "advice"), [("", "set one"), (KEY, "set another one")])
async def test_a_refused_key_is_not_echoed(server: EmbeddingServer, key: str, advice: str) -> None:
    made = EndpointEmbedder("m", server.url, 4, api_key=key, patience=FAST)
    server.script = [Reply(401, f"incorrect key {KEY[:6]}***{KEY[-4:]}".encode())]
    with pytest.raises(ModelError, match=advice) as caught:
        await made.embed(["x"])
    assert KEY[:6] not in str(caught.value)


def reply(*rows: tuple[Any, Any]) -> bytes:
    return json.dumps({"data": [{"index": index, "embedding": row} for index, row in rows]}).encode()


MALFORMED: dict[str, bytes] = {
    "no JSON": b"<html>hello</html>",
    "half a JSON": proper(["x"], 4)[:-9],
    "no data": b"{}",
    "a list": b"[]",
    "an error with status 200": b'{"error": {"message": "overloaded"}}',
    "too few vectors": reply((0, [1, 2, 3, 4])),
    "too many vectors": reply((0, [1, 2, 3, 4]), (1, [1, 2, 3, 4]), (2, [1, 2, 3, 4])),
    "one index twice": reply((0, [1, 2, 3, 4]), (0, [1, 2, 3, 4])),
    "another index": reply((0, [1, 2, 3, 4]), (2, [1, 2, 3, 4])),
    "no index": b'{"data": [{"embedding": [1, 2, 3, 4]}, {"embedding": [1, 2, 3, 4]}]}',
    "another length": reply((0, [1, 2, 3]), (1, [1, 2, 3])),
    "two lengths": reply((0, [1, 2, 3, 4]), (1, [1, 2, 3])),
    "empty vectors": reply((0, []), (1, [])),
    "not a number": reply((0, [1, 2, 3, float("nan")]), (1, [1, 2, 3, 4])),
    "infinite": reply((0, [1, 2, 3, float("inf")]), (1, [1, 2, 3, 4])),
    "numbers as text": reply((0, ["1", "2", "3", "4"]), (1, [1, 2, 3, 4])),
    "base64": reply((0, "AACAPwAAAEAAAEBAAACAQA=="), (1, "AACAPwAAAEAAAEBAAACAQA==")),
    "true and false": reply((0, [True, False, True, True]), (1, [1, 2, 3, 4])),
    "ten megabytes of text": b"x" * 10_000_000,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_reply_is_an_error_never_a_vector(server: EmbeddingServer, body: bytes) -> None:
    made = EndpointEmbedder("m", server.url, 4, patience=FAST)
    server.script = [Reply(200, body)]
    with pytest.raises(MalformedOutputError) as caught:
        await made.embed(["x", "y"])
    assert len(str(caught.value)) < 500


async def test_a_reply_without_end_is_cut_off(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory_r1.memory.embedders.endpoint.MAX_REPLY", 1_000)
    server.script = [Reply(200, b" " * 1_001)]
    with pytest.raises(MalformedOutputError, match="longer than 1000 bytes"):
        await EndpointEmbedder("m", server.url, 4).embed(["x"])


async def test_huge_and_tiny_and_zero_vectors_keep_their_direction(server: EmbeddingServer) -> None:
    server.script = [Reply(200, reply((0, [1e300, 1e300]), (1, [3e-320, 0]), (2, [0, 0])))]
    out = await EndpointEmbedder("m", server.url, 2).embed(["a", "b", "c"])
    np.testing.assert_allclose(out, [[0.5**0.5, 0.5**0.5], [1, 0], [0, 0]], atol=1e-6)


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host/v1", "http://", "http:///", "http://a b/v1"])
def test_a_bad_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(InputError):
        EndpointEmbedder("m", url, 4)
