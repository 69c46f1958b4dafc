"""The way past LangChain: the same request, and only while nobody listens."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from graph_fakes import facts, said
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableLambda
from model_server import Garbage, ModelServer, Short

from memory_r1.graphs import ModelOptions, load_model
from memory_r1.graphs.chat_roles import ChatExtractor, constrain
from memory_r1.graphs.direct import Direct, NoCompletionError, read
from memory_r1.graphs.roles import metered
from memory_r1.memory.errors import MalformedOutputError

REPLY = json.dumps(facts("Ann has a dog."))


class Listener(BaseCallbackHandler):
    """Counts the calls of chat models that LangChain tells of."""

    def __init__(self) -> None:
        self.calls = 0

    def on_chat_model_start(self, *args: object, **kwargs: object) -> None:
        self.calls += 1


def model_at(url: str, **options: object) -> BaseChatModel:
    model = load_model(f"openai:scripted@{url}", ModelOptions(max_tokens=99, temperature=0.25))
    return model.model_copy(update=options)


@asynccontextmanager
async def extracting(*script: object) -> AsyncIterator[tuple[ChatExtractor, ModelServer]]:
    """An extractor at a server that says `script`."""
    with ModelServer(script) as server:
        model = model_at(server.url)
        try:
            yield ChatExtractor(model), server
        finally:
            await model.http_async_client.aclose()


async def test_the_request_is_the_one_that_langchain_sends():
    listener = Listener()
    async with extracting(REPLY) as (extractor, server):
        straight = await extractor.extract(said("My dog!"), [])
        with metered() as meter:
            heard = RunnableLambda(lambda _: None, afunc=lambda _: extractor.extract(said("My dog!"), []))
            told = await heard.ainvoke(None, {"callbacks": [listener]})
        assert straight == told and listener.calls == 1
        assert server.requests[0] == server.requests[1]
        assert server.requests[0]["max_completion_tokens"] == 99 and server.requests[0]["temperature"] == 0.25
        assert (meter.usage.calls, meter.usage.prompt_tokens) == (1, 11)


class Kept:
    """A cache of LangChain's that holds nothing. `asked`: how often it was looked into."""

    asked = 0

    async def alookup(self, *_: object) -> None:
        self.asked += 1

    async def aupdate(self, *_: object) -> None:
        pass


async def test_a_cache_is_asked():
    cache = Kept()
    set_llm_cache(cache)  # type: ignore[arg-type]
    try:
        async with extracting(REPLY) as (extractor, _):
            await extractor.extract(said("My dog!"), [])
    finally:
        set_llm_cache(None)
    assert cache.asked == 1


@pytest.mark.parametrize(
    "options", [{"extra_body": {"top_k": 5}}, {"streaming": True}, {"cache": True}, {"callbacks": [Listener()]}]
)
def test_a_model_that_needs_langchain_gets_it(options: dict):
    assert Direct.of(model_at("http://127.0.0.1:9/v1"), None) is not None
    assert Direct.of(model_at("http://127.0.0.1:9/v1", **options), None) is None


def test_what_the_model_was_given_is_sent():
    model = model_at("http://127.0.0.1:9/v1", seed=7, top_p=0.5)
    found = Direct.of(model, constrain(model, {"title": "x", "description": "", "type": "object", "properties": {}}))
    assert found is not None and (found.body["seed"], found.body["top_p"]) == (7, 0.5)
    assert found.body["response_format"]["json_schema"]["name"] == "x" and "messages" not in found.body


@pytest.mark.parametrize("body", [None, "<html>", [], {}, {"choices": []}, {"choices": None}, {"choices": [{}]}])
def test_what_is_no_completion_is_told_from_a_bad_reply(body: object):
    with pytest.raises(NoCompletionError, match="no chat completion"):
        read(body)


def test_a_reply_in_parts_or_as_a_tool_call_is_read():
    parts = {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    call = {"content": None, "tool_calls": [{"function": {"name": "x", "arguments": '{"a": 1}'}}]}
    assert [read({"choices": [{"message": message}]})[0] for message in (parts, call)] == ["ab", '{"a": 1}']


async def test_a_reply_that_was_cut_says_how_to_get_it_whole():
    async with extracting(Short('{"facts": [')) as (extractor, server):
        with pytest.raises(MalformedOutputError, match="raise max_tokens"):
            await extractor.extract(said("My dog!"), [])
        assert len(server.requests) == 2


async def test_a_page_instead_of_a_completion_is_asked_for_again():
    async with extracting(Garbage('{"a": 1}'), REPLY) as (extractor, server):
        assert await extractor.extract(said("My dog!"), [])
        assert len(server.requests) == 2
