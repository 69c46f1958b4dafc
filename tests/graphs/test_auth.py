"""Who may call the agent server, and what a caller's run may open; without any server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from memory_r1.graphs import auth as module
from memory_r1.graphs import build_agent
from memory_r1.graphs.auth import RULES, USER, Refused, authenticate, authorize, caller
from memory_r1.graphs.gate import Gate
from memory_r1.graphs.tokens import VARIABLE, Keys, add_token, read_tokens, revoke_tokens, utc_now
from memory_r1.memory.errors import InputError, SettingsError
from memory_r1.memory.stores.memory import InMemoryStore


def scope(
    client: str | None = "127.0.0.1", kind: str = "http", path: str = "/threads", **headers: str
) -> dict[str, Any]:
    """A request; an underscore in a header's name stands for a hyphen."""
    sent = {"host": "127.0.0.1:2024", **headers}
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    found: dict[str, Any] = {"type": kind, "path": path, "method": "GET", "headers": pairs}
    return {**found, "client": (client, 5) if client else None}


@pytest.fixture(autouse=True)
def no_tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(VARIABLE, raising=False)
    module._keys.cache_clear()
    yield
    module._keys.cache_clear()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of tokens that is in force."""
    path = tmp_path / "tokens.json"
    monkeypatch.setenv(VARIABLE, str(path))
    return path


async def test_without_tokens_this_machine_is_let_in_and_nobody_else():
    for name in ("127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"):
        assert await caller(scope(name)) == {"identity": "local"}
    for host in ("localhost:2024", "[::1]:2024", "agent.localhost", "127.0.0.1"):
        assert await caller(scope(host=host))
    for origin in ("http://localhost:3000", "https://smith.langchain.com"):
        assert await caller(scope(origin=origin))
    refused = [
        scope("10.0.0.7"), scope("::ffff:10.0.0.7"), scope("192.168.1.2"), scope(None), scope("unix"),
        scope(x_forwarded_for="10.0.0.7"), scope(forwarded="for=10.0.0.7"), scope(x_real_ip="10.0.0.7"),
        scope(host="evil.example:2024"), scope(host=""), scope(host="127.0.0.1.evil.example"),
        scope(origin="https://evil.example"), scope(origin="null"), scope(origin="https://smith.langchain.com.evil.ex"),
    ]  # fmt: skip
    for request in refused:
        with pytest.raises(Refused, match="no tokens") as error:
            await caller(request)
        assert error.value.status == 403


async def test_with_tokens_this_machine_needs_one_too(file: Path):
    _, text = add_token(file, "ann", ["diary"])
    for request in (scope(), scope(authorization=text), scope(authorization=f"Bearer {text}x"), scope(x_api_key="")):
        with pytest.raises(Refused) as error:
            await caller(request)
        assert error.value.status == 401 and text not in error.value.why
    known = {"identity": "ann", "banks": ["diary"]}
    for given in ({"authorization": f"Bearer {text}"}, {"authorization": f"bearer  {text} "}, {"x_api_key": text}):
        assert await caller(scope("10.0.0.7", host="memory.example", origin="https://x.example", **given)) == known


async def test_langgraph_s_own_check_refuses_too(file: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(module.Auth.exceptions.HTTPException) as error:
        await authenticate(scope())
    assert error.value.status_code == 401
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(module.Auth.exceptions.HTTPException) as error:
        await authenticate(scope("10.0.0.7"))
    assert error.value.status_code == 403


async def test_a_file_that_is_missing_damaged_or_open_to_others_lets_nobody_in(file: Path):
    _, text = add_token(file, "ann")
    request = scope(authorization=f"Bearer {text}")
    assert await caller(request)
    good = file.read_bytes()
    for spoil in (file.unlink, lambda: file.write_text("{"), lambda: file.write_bytes(good) and file.chmod(0o622)):
        spoil()
        with pytest.raises(Refused):
            await caller(request)
    file.chmod(0o600)
    assert await caller(request)


def test_the_file_keeps_the_hash_alone_for_its_owner_alone(file: Path):
    made, text = add_token(file, "ann", days=2)
    assert text.startswith("mr1_") and len(text) >= 47 and text != add_token(file, "ann")[1]
    held = file.read_text()
    assert text not in held and text[4:] not in held and made.hash in held
    assert file.stat().st_mode & 0o777 == 0o600 and [p.name for p in file.parent.iterdir() if ".json." in p.name] == [
        "tokens.json.lock"
    ]
    assert made.expires == made.created + timedelta(days=2)


def test_a_token_works_until_it_expires_or_is_revoked(tmp_path: Path):
    path, now = tmp_path / "t.json", utc_now()
    made, text = add_token(path, "ann", days=1, now=now)
    _, other = add_token(path, "ann", now=now)
    clock = [now]
    keys = Keys(path, lambda: clock[0])
    assert keys.find(text) == made and keys.banks("ann") == ("ann",)
    clock[0] = now + timedelta(days=1)
    assert keys.find(text) is None and keys.find(other) and keys.banks("ann") == ("ann",)
    assert [token.id for token in revoke_tokens(path, made.id)] == [made.id]
    assert keys.find(other)
    revoke_tokens(path, "ann")
    assert keys.find(other) is None and keys.banks("ann") == () and read_tokens(path) == ()
    with pytest.raises(InputError, match="neither"):
        revoke_tokens(path, "ann")


def test_an_identity_has_one_list_of_banks(tmp_path: Path):
    path = tmp_path / "t.json"
    assert add_token(path, "ann", ["a", "b", "a"])[0].banks == ("a", "b")
    assert add_token(path, "ann")[0].banks == ("a", "b")
    with pytest.raises(InputError, match="leave --bank out"):
        add_token(path, "ann", ["c"])
    for wrong in ("", "a b", "../x", "0123abcd", "a" * 65, "x\n"):
        with pytest.raises(InputError, match="identity"):
            add_token(path, wrong)
    with pytest.raises(InputError, match="bank id"):
        add_token(path, "bob", ["no bank"])
    assert len(read_tokens(path)) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data["tokens"][0].pop("hash"),
        lambda data: data["tokens"].append({**data["tokens"][0], "banks": ["other"]}),
        lambda data: data["tokens"][0].update(banks=[]),
        lambda data: data.update(version=2),
        lambda data: data.update(tokens={}),
    ],
)
def test_a_damaged_file_is_refused_as_a_whole(tmp_path: Path, spoil: Any):
    path = tmp_path / "t.json"
    _, text = add_token(path, "ann")
    data = json.loads(path.read_text())
    spoil(data)
    path.write_text(json.dumps(data))
    with pytest.raises(SettingsError) as error:
        read_tokens(path)
    assert text not in str(error.value)
    with pytest.raises(SettingsError):
        add_token(path, "bob")


def asks(resource: str, action: str, identity: str = "ann") -> Any:
    return SimpleNamespace(user=SimpleNamespace(identity=identity), permissions=[], resource=resource, action=action)


async def test_every_action_is_ruled_and_others_are_refused(file: Path):
    add_token(file, "ann")
    known = {**{("store", action): 1 for action in ("put", "get", "search", "delete", "list_namespaces")}}
    for resource in ("threads", "assistants", "crons"):
        known |= {(resource, action): 1 for action in ("create", "read", "update", "delete", "search")}
    assert set(RULES) == {*known, ("threads", "create_run")}
    assert await authorize(asks("threads", "burn"), {}) is False
    assert await authorize(asks("threads", "read", "bob"), {}) is False


async def test_without_tokens_everything_is_as_it_was():
    value: dict[str, Any] = {"metadata": {}, "kwargs": {"config": {"configurable": {"bank": "bob"}}}}
    before = json.dumps(value)
    for resource, action in [*RULES, ("threads", "burn")]:
        assert await authorize(asks(resource, action, "local"), value) is None
    assert json.dumps(value) == before


async def test_a_run_carries_the_banks_of_its_user_and_no_webhook(file: Path):
    add_token(file, "ann", ["a", "b"])
    value: dict[str, Any] = {"metadata": {"owner": "bob"}, "kwargs": {"config": {"configurable": {"bank": "b"}}}}
    assert await authorize(asks("threads", "create_run"), value) == {"owner": "ann"}
    assert value["metadata"] == {"owner": "ann"}
    user = value["kwargs"]["config"]["configurable"]["langgraph_auth_user"]
    assert user == {"identity": "ann", "banks": ["a", "b"]}
    wrong = [
        {"config": {"configurable": {"bank": "c"}}}, {"context": {"bank": "c"}}, {"context": {"bank": ["a"]}},
        {"webhook": "https://x.example/"},
    ]  # fmt: skip
    for kwargs in wrong:
        with pytest.raises(module.Auth.exceptions.HTTPException) as error:
            await authorize(asks("threads", "create_run"), {"metadata": {}, "kwargs": kwargs})
        assert error.value.status_code == 403
    forged = {"configurable": {"langgraph_auth_user": {"identity": "bob"}, "langgraph_auth_permissions": []}}
    cron: dict[str, Any] = {"metadata": {}, "payload": {"config": forged}}
    assert await authorize(asks("crons", "update"), cron) == {"owner": "ann"} and forged == {"configurable": {}}


async def test_stored_items_lie_below_their_owner_s_name(file: Path):
    add_token(file, "a.b@c")
    for given, kept in [
        ((), ("a%2Eb@c",)),
        (("x",), ("a%2Eb@c", "x")),
        (("a%2Eb@c", "x"), ("a%2Eb@c", "x")),
        (None, ("a%2Eb@c",)),
    ]:
        value = {"namespace": given}
        assert await authorize(asks("store", "get", "a.b@c"), value) is None
        assert value["namespace"] == kept


def mine(banks: Any, **said: Any) -> dict[str, Any]:
    """The config of a run whose user has these banks."""
    return {"configurable": {**said, "langgraph_auth_user": {"identity": "ann", "banks": banks}}}


async def test_a_graph_opens_the_banks_of_the_run_s_user_alone():
    store = InMemoryStore()
    graphs = build_agent(store)
    said = {"messages": [("user", "I moved to Oslo.")]}
    await graphs.agent.ainvoke(said, mine(["ann"]))
    await graphs.agent.ainvoke(said, mine(["ann", "diary"], bank="diary"))
    assert {bank.id for bank in await store.banks()} == {"ann", "diary"}
    asked = {"question": "Where does the user live?"}
    turn = {"turn": {"id": "t", "session": "s", "index": 0, "speaker": "A", "text": "x", "time": "2024-01-01T10:00"}}
    wrong = [mine(["bob"], bank="ann"), mine([], bank="ann"), mine(["ann", "diary"]), mine("ann", bank="ann")]
    for config in wrong:
        for graph, given in ((graphs.agent, said), (graphs.answer, asked), (graphs.remember, turn)):
            with pytest.raises(InputError, match="token"):
                await graph.ainvoke(given, config)
    with pytest.raises(InputError, match="token"):
        await graphs.answer.ainvoke(asked, mine(["bob"]), context={"bank": "ann"})
    assert {bank.id for bank in await store.banks()} == {"ann", "diary"}
    foreign = {"configurable": {"bank": "ann", "langgraph_auth_user": {"identity": "somebody"}}}
    assert "Oslo" in (await graphs.answer.ainvoke(asked, foreign))["answer"]["text"]


async def passed(request: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the gate lets through to the server behind it, and what it sends itself."""
    through: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        through.append(scope)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    await Gate(behind)(request, receive, send)
    return through, sent


async def test_the_gate_stands_before_everything(file: Path):
    _, text = add_token(file, "ann")
    for path in ("/", "/info", "/metrics", "/docs", "/ui/agent/x.js", "/threads", "/ok/x", "//ok"):
        through, sent = await passed(scope(path=path))
        assert not through and sent[0]["status"] == 401 and (b"www-authenticate", b"Bearer") in sent[0]["headers"]
        through, sent = await passed(scope(path=path, authorization=f"Bearer {text}"))
        assert not sent and through[0][USER]["identity"] == "ann"
    for path in ("/internal/truncate", "/internal/debug/thread/1", "/deploy", "/deploy/1/stream", "//deploy"):
        through, sent = await passed(scope(path=path, authorization=f"Bearer {text}"))
        assert not through and sent[0]["status"] == 404
    assert (await passed(scope(path="/ok")))[0]
    assert (await passed({"type": "lifespan"}))[0]
    preflight = {**scope(access_control_request_method="POST"), "method": "OPTIONS"}
    assert (await passed(preflight))[0] and not (await passed({**preflight, "method": "GET"}))[0]
    through, sent = await passed(scope(kind="websocket"))
    assert not through and sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    assert (await passed(scope(kind="websocket", x_api_key=text)))[0]
