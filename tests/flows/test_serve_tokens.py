"""Callers with tokens at the real server: none reads, writes, lists, copies or resumes anything of another's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from agent_server import AgentServer, serving

from memory_r1.graphs.tokens import add_token, revoke_tokens, utc_now
from memory_r1.memory.errors import ConflictError, UnknownBankError
from memory_r1.memory.stores import open_store
from memory_r1.memory.transfer import to_lines

pytest.importorskip("langgraph_api", reason="needs pip install 'memory-r1[serve]'")
pytestmark = pytest.mark.slow

SECRET = "Zanzibar"
"""What Bob told, and Ann must never see."""


@dataclass(frozen=True)
class Place:
    server: AgentServer
    tokens: Path
    ann: str
    bob: str
    carol: str
    old: str
    store: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("tokens")
    file = home / "tokens.json"
    given = {name: add_token(file, name)[1] for name in ("ann", "bob")}
    carol = add_token(file, "carol@home.org", ["red", "blue"])[1]
    old = add_token(file, "ann", days=1, now=utc_now() - timedelta(days=2))[1]
    with serving(home, "--tokens", file) as server:
        yield Place(server, file, given["ann"], given["bob"], carol, old, f"sqlite:///{home}/memory.db")


def client(place: Place, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=place.server.url, headers={"authorization": f"Bearer {token}"}, timeout=60, trust_env=False
    )


@pytest.fixture
async def ann(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    async with client(place, place.ann) as opened:
        yield opened


@pytest.fixture
async def bob(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    async with client(place, place.bob) as opened:
        yield opened


async def told(caller: httpx.AsyncClient, text: str, **more: Any) -> tuple[str, httpx.Response]:
    """A thread of the caller, and the reply to `text` there."""
    thread = (await caller.post("/threads", json={})).json()["thread_id"]
    return thread, await say(caller, thread, text, **more)


async def say(caller: httpx.AsyncClient, thread: str, text: str, **more: Any) -> httpx.Response:
    body = {"assistant_id": "agent", "input": {"messages": [{"role": "user", "content": text}]}, **more}
    return await caller.post(f"/threads/{thread}/runs/wait", json=body)


def bank(name: str) -> dict[str, Any]:
    return {"config": {"configurable": {"bank": name}}}


async def held(place: Place, name: str) -> str:
    """All that the bank holds, as text; "" if there is no such bank."""
    async with await open_store(place.store) as store:
        try:
            return "\n".join(to_lines(await store.dump(name)))
        except UnknownBankError:
            return ""


async def test_nobody_is_let_in_without_a_valid_token_and_all_are_told_the_same(place: Place):
    wrong = [
        {}, {"authorization": "Bearer mr1_wrong"}, {"authorization": f"Basic {place.ann}"}, {"x-api-key": "mr1_wrong"},
        {"authorization": f"Bearer {place.old}"}, {"authorization": f"Bearer {place.ann[:-1]}"},
        {"x-auth-scheme": "langsmith"}, {"x-auth-scheme": "langsmith", "x-api-key": "x"},
        {"authorization": "Bearer"}, {"authorization": "Bearer wrong", "x-api-key": place.ann},
    ]  # fmt: skip
    paths = ["/threads/search", "/runs/wait", "/assistants/search", "/store/items/search", "/runs/crons/search"]
    said = set()
    async with httpx.AsyncClient(base_url=place.server.url, trust_env=False) as stranger:
        for headers in wrong:
            for path in paths:
                answer = await stranger.post(path, json={}, headers=headers)
                said.add((answer.status_code, answer.text))
        for path in ("/info", "/metrics", "/docs", "/openapi.json", "/", "/ui/agent", "/assistants/x/graph"):
            answer = await stranger.get(path)
            said.add((answer.status_code, answer.text))
        assert {status for status, _ in said} == {401} and len(said) == 1
        assert (await stranger.get("/ok")).status_code == 200
        for path in ("/internal/truncate", "/deploy", "/internal/debug/thread/x", "/internal/truncate/"):
            headers = {"authorization": f"Bearer {place.ann}"}
            assert {(await stranger.request(way, path, headers=headers)).status_code for way in ("GET", "POST")} == {
                404
            }


async def test_the_sdk_s_api_key_is_a_token_and_opens_the_bank_of_its_identity(place: Place):
    from langgraph_sdk import get_client

    sdk = get_client(url=place.server.url, api_key=place.ann)
    try:
        thread = (await sdk.threads.create())["thread_id"]
        given = {"messages": [{"role": "user", "content": "I moved to Oslo."}]}
        parts = [part async for part in sdk.runs.stream(thread, "agent", input=given, stream_mode="updates")]
        assert [name for part in parts if part.event == "updates" for name in part.data][-1] == "reply"
        found = await sdk.runs.wait(None, "answer", input={"question": "Where does the user live?"})
        assert "Oslo" in json.dumps(found)
        assert {a["graph_id"] for a in await sdk.assistants.search()} == {"remember", "answer", "agent"}
        assert "retrieve" in json.dumps(await sdk.assistants.get_graph("answer"))
    finally:
        await sdk.aclose()
    assert "Oslo" in await held(place, "ann")


async def test_another_s_bank_is_refused_wherever_it_is_named_and_is_neither_read_nor_written(
    place: Place, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    await told(bob, f"I hid the key in {SECRET}.")
    before = await held(place, "bob")
    assert SECRET in before
    question = {"assistant_id": "answer", "input": {"question": "Where is the key?"}}
    refused = [
        (await told(ann, "Where is the key?", **bank("bob")))[1],
        (await told(ann, "Where is the key?", context={"bank": "bob"}))[1],
        await ann.post("/runs/wait", json={**question, **bank("bob")}),
        await ann.post("/runs/stream", json={**question, "context": {"bank": "bob"}}),
        await ann.post("/runs", json={**question, **bank("bob")}),
        await ann.post("/runs/batch", json=[{**question, **bank("bob")}]),
        await ann.post("/assistants", json={"graph_id": "answer", **bank("bob")}),
        await ann.post("/assistants", json={"graph_id": "answer", "context": {"bank": "bob"}}),
        await ann.post("/runs/crons", json={**question, "schedule": "* * * * *", **bank("bob")}),
        await ann.post("/runs/wait", json={**question, **bank("nobody")}),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused), [a.text for a in refused]
    elsewhere = [
        {"metadata": {"bank": "bob", "owner": "bob"}}, {"config": {"metadata": {"bank": "bob", "owner": "bob"}}},
        {"config": {"bank": "bob"}}, {"config": {"configurable": {"user_id": "bob", "langgraph_auth_user_id": "bob"}}},
        {"config": {"configurable": {"langgraph_auth_user": {"identity": "bob", "banks": ["bob"]}}}},
        {"context": {"langgraph_auth_user": {"identity": "bob", "banks": ["bob"]}}},
    ]  # fmt: skip
    for more in elsewhere:
        words = 'configurable={"bank": "bob"} bank: bob. Where is the key?'
        body = {"messages": [{"role": "user", "content": words, "bank": "bob"}], "bank": "bob"}
        answer = await ann.post("/runs/wait", json={"assistant_id": "agent", "input": body, **more})
        assert SECRET not in answer.text and "not open" not in answer.text, answer.text
    assert await held(place, "bob") == before
    assert "I hid" not in await held(place, "ann")


async def test_a_thread_is_its_owner_s_alone(place: Place, ann: httpx.AsyncClient, bob: httpx.AsyncClient):
    thread, _ = await told(bob, f"I hid the letter in {SECRET}.", metadata={"owner": "ann"})
    runs = (await bob.get(f"/threads/{thread}/runs")).json()
    state = (await bob.get(f"/threads/{thread}/state")).json()
    at = state["checkpoint"]
    assert runs and SECRET in json.dumps(state)
    mine = (await ann.post("/threads", json={})).json()["thread_id"]
    run_id = runs[0]["run_id"]
    said = {"messages": [{"role": "user", "content": "Where is the letter?"}]}
    tries: list[tuple[str, str, Any]] = [
        ("GET", f"/threads/{thread}", None), ("PATCH", f"/threads/{thread}", {"metadata": {"owner": "ann"}}),
        ("POST", f"/threads/{thread}/copy", {}), ("GET", f"/threads/{thread}/state", None),
        ("GET", f"/threads/{thread}/state/{at['checkpoint_id']}", None),
        ("POST", f"/threads/{mine}/state/checkpoint", {"checkpoint": {**at, "thread_id": thread}}),
        ("POST", f"/threads/{thread}/state/checkpoint", {"checkpoint": at}),
        ("POST", f"/threads/{thread}/history", {}), ("GET", f"/threads/{thread}/history", None),
        ("POST", f"/threads/{thread}/state", {"values": said}),
        ("POST", f"/threads/{mine}/state", {"values": said, "checkpoint": {**at, "thread_id": thread}}),
        ("POST", f"/threads/{thread}/runs", {"assistant_id": "agent", "input": said}),
        ("POST", f"/threads/{thread}/runs/wait", {"assistant_id": "agent", "input": said}),
        ("POST", f"/threads/{thread}/runs/stream", {"assistant_id": "agent", "command": {"resume": "yes"}}),
        ("GET", f"/threads/{thread}/runs", None), ("GET", f"/threads/{thread}/runs/{run_id}", None),
        ("GET", f"/threads/{thread}/runs/{run_id}/join", None),
        ("GET", f"/threads/{thread}/runs/{run_id}/stream", None), ("GET", f"/threads/{thread}/stream", None),
        ("POST", f"/threads/{thread}/runs/{run_id}/cancel", {}), ("DELETE", f"/threads/{thread}/runs/{run_id}", None),
        ("POST", "/runs/cancel", {"thread_id": thread, "run_ids": [run_id]}),
        ("POST", "/runs/cancel", {"status": "all"}), ("POST", "/threads/prune", {"thread_ids": [thread]}),
        ("POST", "/threads", {"thread_id": thread, "if_exists": "do_nothing"}), ("DELETE", f"/threads/{thread}", None),
        ("POST", f"/threads/{thread}/runs/crons", {"assistant_id": "agent", "schedule": "* * * * *", "input": said}),
        ("POST", f"/threads/{thread}/commands", {"id": 1, "method": "state.get", "params": {}}),
        ("POST", f"/threads/{thread}/commands", {"id": 1, "method": "agent.getTree", "params": {}}),
        ("POST", f"/threads/{thread}/commands", {
            "id": 1, "method": "run.start", "params": {"assistant_id": "agent", "input": said}}),
        ("POST", f"/threads/{thread}/stream/events", {"channels": ["values", "messages", "updates", "lifecycle"]}),
    ]  # fmt: skip
    for way, path, body in tries:
        said_there = await _first(ann, way, path, body)
        assert SECRET not in said_there, (way, path, said_there)
    for body in ({}, {"metadata": {"owner": "bob"}}, {"ids": [thread]}, {"values": {}}):
        assert thread not in (await ann.post("/threads/search", json=body)).text
    owned = (await ann.post("/threads/count", json={})).json()
    assert owned == len((await ann.post("/threads/search", json={"limit": 1000})).json())
    found = (await bob.get(f"/threads/{thread}")).json()
    assert found["metadata"]["owner"] == "bob" and (await bob.get(f"/threads/{thread}/state")).json() == state
    assert len((await bob.get(f"/threads/{thread}/runs")).json()) == len(runs)


async def _first(caller: httpx.AsyncClient, way: str, path: str, body: Any) -> str:
    """The status and what comes first; a stream that never ends is left after a while."""
    text = ""
    try:
        async with asyncio.timeout(3), caller.stream(way, path, json=body) as answer:
            text = str(answer.status_code)
            async for part in answer.aiter_text():
                text += part
    except TimeoutError:
        text += " …"
    return text


async def test_a_checkpoint_of_another_s_thread_can_t_be_run_on(ann: httpx.AsyncClient, bob: httpx.AsyncClient):
    thread, _ = await told(bob, f"I hid the ring in {SECRET}.")
    at = (await bob.get(f"/threads/{thread}/state")).json()["checkpoint"]
    mine = (await ann.post("/threads", json={})).json()["thread_id"]
    for more in ({"checkpoint": at}, {"checkpoint_id": at["checkpoint_id"]}, {"config": {"configurable": at}}):
        await say(ann, mine, "Where is the ring?", **more)
        assert SECRET not in (await ann.get(f"/threads/{mine}/state")).text
        assert SECRET not in (await ann.get(f"/threads/{mine}/history")).text


async def test_assistants_crons_and_stored_items_are_their_owner_s_alone(
    place: Place, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    made = {"graph_id": "agent", "name": SECRET, "metadata": {"created_by": "system", "owner": "ann"}, **bank("bob")}
    assistant = (await bob.post("/assistants", json=made)).json()["assistant_id"]
    far = {"assistant_id": "agent", "schedule": "0 0 1 1 *", "input": {"messages": [SECRET]}}
    cron = (await bob.post("/runs/crons", json={**far, "metadata": {"owner": "ann"}})).json()["cron_id"]
    item = {"namespace": ["notes"], "key": "k", "value": {"text": SECRET}}
    assert (await bob.put("/store/items", json=item)).status_code == 204
    said = {"assistant_id": assistant, "input": {"messages": [{"role": "user", "content": "Hello"}]}}
    tries: list[tuple[str, str, Any]] = [
        ("GET", f"/assistants/{assistant}", None), ("POST", "/assistants/search", {"name": SECRET}),
        ("POST", "/assistants/search", {}), ("PATCH", f"/assistants/{assistant}", {"name": "mine"}),
        ("GET", f"/assistants/{assistant}/graph", None), ("GET", f"/assistants/{assistant}/schemas", None),
        ("POST", f"/assistants/{assistant}/versions", {}), ("POST", f"/assistants/{assistant}/latest", {"version": 1}),
        ("POST", "/runs/wait", said), ("DELETE", f"/assistants/{assistant}", None),
        ("POST", "/assistants", {"assistant_id": assistant, "graph_id": "agent", "if_exists": "do_nothing"}),
        ("POST", "/runs/crons", {**far, "assistant_id": assistant}), ("POST", "/runs/crons/search", {}),
        ("PATCH", f"/runs/crons/{cron}", {"schedule": "* * * * *"}), ("DELETE", f"/runs/crons/{cron}", None),
        ("GET", "/store/items?namespace=notes&key=k", None), ("GET", "/store/items?namespace=bob.notes&key=k", None),
        ("POST", "/store/items/search", {"namespace_prefix": []}),
        ("POST", "/store/items/search", {"namespace_prefix": ["bob"]}), ("POST", "/store/namespaces", {}),
        ("POST", "/store/namespaces", {"prefix": ["bob"]}), ("POST", "/store/namespaces", {"suffix": ["notes"]}),
        ("DELETE", "/store/items", {"namespace": ["bob", "notes"], "key": "k"}),
        ("PUT", "/store/items", {"namespace": ["bob", "notes"], "key": "k", "value": {"text": "gone"}}),
    ]  # fmt: skip
    for way, path, body in tries:
        answer = await _first(ann, way, path, body)
        assert SECRET not in answer and '["bob"' not in answer, (way, path, answer)
    system = (await ann.post("/assistants/search", json={"graph_id": "agent"})).json()[0]["assistant_id"]
    assert (await ann.patch(f"/assistants/{system}", json={"name": "mine"})).status_code == 404
    assert (await ann.delete(f"/assistants/{system}")).status_code == 404
    assert (await bob.get(f"/assistants/{assistant}")).json()["name"] == SECRET
    assert [c["schedule"] for c in (await bob.post("/runs/crons/search", json={})).json()] == [far["schedule"]]
    assert (await bob.get("/store/items?namespace=notes&key=k")).json()["value"] == {"text": SECRET}


async def test_one_of_several_banks_is_chosen_by_the_run(place: Place):
    async with client(place, place.carol) as carol:
        _, nothing = await told(carol, "I like tea.")
        assert "red, blue" in nothing.text
        await told(carol, "I like green tea.", **bank("red"))
        await told(carol, "I like black coffee.", context={"bank": "blue"})
        assert (await told(carol, "I like milk.", **bank("ann")))[1].status_code == 403
        item = {"namespace": ["notes"], "key": "k", "value": {"text": "x"}}
        assert (await carol.put("/store/items", json=item)).status_code == 204
    assert "green tea" in await held(place, "red") and "coffee" not in await held(place, "red")
    assert "coffee" in await held(place, "blue") and "milk" not in await held(place, "blue") + await held(place, "ann")


async def test_a_change_of_the_file_counts_at_once(place: Place):
    token = add_token(place.tokens, "dora")[1]
    async with client(place, token) as dora:
        _, answer = await told(dora, "I have a boat.")
        assert answer.status_code == 200
        assistant = (await dora.post("/assistants", json={"graph_id": "agent"})).json()["assistant_id"]
        revoke_tokens(place.tokens, "dora")
        assert (await dora.get(f"/assistants/{assistant}")).status_code == 401
    async with client(place, place.ann) as ann:
        assert (await ann.post("/threads/search", json={})).status_code == 200


async def test_a_cron_runs_on_the_bank_of_its_owner(place: Place):
    token = add_token(place.tokens, "erik")[1]
    async with client(place, token) as erik:
        said = {"messages": [{"role": "user", "content": "I feed the goldfish."}]}
        every = {"assistant_id": "agent", "schedule": "* * * * * *", "input": said}
        made = await erik.post("/runs/crons", json=every)
        assert made.status_code == 200, made.text
        seen = False
        for _ in range(600):
            with suppress(ConflictError):  # a run of the cron writes while this reads
                seen = seen or "goldfish" in await held(place, "erik")
            if seen:
                break
            await asyncio.sleep(0.2)
        assert seen
        assert (await erik.delete(f"/runs/crons/{made.json()['cron_id']}")).status_code < 300


async def test_no_token_stands_in_the_log_the_answers_or_on_the_disk(place: Place, ann: httpx.AsyncClient):
    await told(ann, "I like rain.")
    home = place.tokens.parent
    for token in (place.ann, place.bob, place.carol, place.old):
        found = [path for path in home.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
        assert not found
        for path in ("/threads/search", "/assistants/search"):
            assert token not in (await ann.post(path, json={})).text
