"""Secrets are planted wherever a setting takes one, and everything that is printed or written is searched for them."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from agent_server import free_port, serving
from command import run
from eval_fixture import write_locomo
from pydantic import SecretStr

from memory_r1.graphs.tokens import add_token
from memory_r1.memory.errors import SettingsError
from memory_r1.memory.settings import Settings, load_settings
from memory_r1.rl.training.rows import write_rows
from memory_r1.rl.training.world_rows import Choice, world_manager_rows
from memory_r1.rl.world.make import Size
from tests.tiny_models import make_model

launch = pytest.importorskip("memory_r1.rl.trainer.launch", reason="needs pip install 'memory-r1[train]'")

PLANTED = {
    "STORE_PASSWORD": "pl4nted-store-0c5f",
    "API_KEY": "pl4nted-model-9b1e",
    "JUDGE_API_KEY": "pl4nted-judge-77ad",
    "EMBEDDER_API_KEY": "pl4nted-embedder-e3",
}
IN_URL = "pl4nted-url-52d0"
MARK = "pl4nted"
"""In every secret, and nowhere else."""


def test_every_secret_setting_is_planted():
    secret = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
    assert {name.upper() for name in secret} == set(PLANTED)
    assert all(MARK in text for text in (*PLANTED.values(), IN_URL))


class _Refusing(BaseHTTPRequestHandler):
    """Refuses every request, and repeats the key in the reason, as some servers do."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = f"Incorrect API key provided: {self.headers.get('Authorization')}"
        body = json.dumps({"error": {"message": said, "type": "invalid_request_error", "code": "invalid"}}).encode()
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def refusing(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a model server that refuses everything."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    server.status = request.param  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def test_secrets_come_from_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, text in PLANTED.items():
        monkeypatch.delenv(f"MEMORY_R1_{name}", raising=False)
        (tmp_path / name).write_text(f"{text}\n")
        monkeypatch.setenv(f"MEMORY_R1_{name}_FILE", str(tmp_path / name))
    settings = load_settings({})
    assert {name: getattr(settings, name.lower()).get_secret_value() for name in PLANTED} == PLANTED
    assert MARK not in repr(settings) + str(settings) + settings.model_dump_json()
    for text, kept in (("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("", "")):
        (tmp_path / "API_KEY").write_text(text, newline="")
        assert load_settings({}).api_key.get_secret_value() == kept
    monkeypatch.setenv("MEMORY_R1_API_KEY", PLANTED["API_KEY"])
    with pytest.raises(SettingsError, match="MEMORY_R1_API_KEY and MEMORY_R1_API_KEY_FILE are both set") as both:
        load_settings({})
    assert MARK not in str(both.value)
    monkeypatch.delenv("MEMORY_R1_API_KEY")
    (tmp_path / "API_KEY").unlink()
    with pytest.raises(SettingsError, match=r"MEMORY_R1_API_KEY_FILE=.*No such file"):
        load_settings({})
    (tmp_path / "API_KEY").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="no UTF-8"):
        load_settings({})


@pytest.mark.slow
@pytest.mark.parametrize("refusing", [401, 400], indirect=True)
def test_nothing_that_fails_tells_a_secret(
    tmp_path: Path,
    refusing: str,
    talk: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
):
    """Each command fails: a refused key, a closed port, an address that is none."""
    refused_as_wrong = request.node.callspec.params["refusing"] == 400
    for name, text in planted(tmp_path, "file" if refused_as_wrong else "variable").items():
        monkeypatch.setenv(name, text)
    caplog.set_level(logging.INFO)
    told_all = (
        "import os; print('ValueError: it crashed; the start of its log:', sorted(os.environ)); raise SystemExit(1)"
    )
    monkeypatch.setattr(launch, "command", lambda _run: [sys.executable, "-c", told_all])
    for words in failing(tmp_path, refusing, talk)[: 6 if refused_as_wrong else None]:
        caplog.clear()
        result = run(*words)
        told = result.output + result.stderr + "".join(map(logging.Formatter().format, caplog.records))
        assert MARK not in told, (words, told)
        assert result.exit_code in (0, 1, 2, 3, 4), (words, told)
    assert leaks(tmp_path) == []


def failing(folder: Path, refusing: str, talk: Path) -> list[tuple[Any, ...]]:
    """Commands that can't succeed, or succeed in part."""
    closed = f"127.0.0.1:{free_port()}"
    neo4j, at_url = f"neo4j://neo4j:{IN_URL}@{closed}/neo4j", f"openai:m@http://someone:{IN_URL}@{closed}/v1"
    store = ("--store", f"sqlite:///{folder}/memory.db")
    model, embedder = ("--model", f"openai:m@{refusing}"), ("--embedder", f"openai:e@{refusing}")
    asked, took = ("ask", "Who?", "--bank", "b", *store), ("ingest", talk, *store, "--bank")
    rows = ("eval", "--data", write_locomo(folder / "locomo.json"), "--out", folder / "out", "--limit-questions", 1)
    begin = make_model(folder / "begin", positions=2_048)
    write_rows(folder / "rows.parquet", world_manager_rows(0, "train", 6, Choice(Size(1, 8, 60))))
    train = ("train", "manager", "--data", folder / "rows.parquet", "--out", folder / "run", "--model", begin)
    return [
        (*took, "b"), (*asked, *model), (*took, "c", *model), (*took, "d", *embedder),
        ("doctor", *store, *model, *embedder), ("doctor", "--store", neo4j, "--model", at_url),
        ("doctor", "--store", f"neo4j://{closed}"), ("banks", "--store", neo4j), ("banks", "--store", neo4j, "--json"),
        ("banks", "--store", neo4j.replace("//", "/")), ("banks", "--store", f"ftp://a:{IN_URL}@{closed}"),
        ("bench", "write", "--store", neo4j), ("bench", "write", "--store", f"neo4j://{closed}"),
        ("bench", "overhead", "--store", neo4j, "--systems", "zep", "--turns", 40, "--size", 40),
        (*asked, "--model", at_url), (*asked, "--model", f"openai:m@ftp://a:{IN_URL}@{closed}"),
        (*asked, "--model", f"m@http://a:{IN_URL}@{closed}"), (*asked, "--model", f"served:/m@http://a:{IN_URL}@{closed}"),
        (*took, "e", "--embedder", f"openai:e@http://a:{IN_URL}@{closed}"),
        (*took, "e", "--embedder", f"e@http://a:{IN_URL}@{closed}"),
        (*rows, "--system", "full-context,memory-r1", *model, *embedder),
        (*rows, "--system", "rag", "--judge", f"openai:j@{refusing}"), (*rows, "--system", "rules,rag"),
        ("judge", "run", folder / "out", "--judge", f"openai:j@{refusing}"), ("report", folder / "out"),
        (*rows, "--system", "full-context", "--model", at_url), (*rows, "--system", "rag", "--judge", at_url),
        (*train, "--answerer", f"openai:m@{refusing}"), (*train, "--answerer", at_url), ("report", folder / "run"),
        (*train, "--set", f"memory_r1.answerer=openai:m@http://{IN_URL}@{closed}/v1"),
        ("serve", "--store", neo4j, "--host", "0.0.0.0"),
    ]  # fmt: skip


def planted(folder: Path, by: str) -> dict[str, str]:
    """The environment with all secrets, as variables or by files in `folder`."""
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    for name, text in PLANTED.items():
        (secrets / name).write_text(f"{text}\n")
    own = {"XDG_DATA_HOME": str(folder / "data")}
    if by == "variable":
        return own | {f"MEMORY_R1_{name}": text for name, text in PLANTED.items()}
    return own | {f"MEMORY_R1_{name}_FILE": str(secrets / name) for name in PLANTED}


def leaks(folder: Path) -> list[Path]:
    """The files below `folder` that hold a secret, but for those that were planted."""
    shutil.rmtree(folder / "secrets")
    return [path for path in folder.rglob("*") if path.is_file() and MARK.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize("refusing", [401], indirect=True)
def test_the_agent_server_tells_no_secret_in_its_log_its_answers_or_its_folder(tmp_path: Path, refusing: str):
    pytest.importorskip("langgraph_api", reason="needs pip install 'memory-r1[serve]'")
    home = tmp_path / "home"
    home.mkdir()
    _, token = add_token(home / "tokens.json", "ann")
    env = {**planted(tmp_path, "file"), "MEMORY_R1_MODEL": f"openai:m@{refusing}", "LOG_LEVEL": "INFO"}
    told: list[str] = []
    for more in ({}, {"MEMORY_R1_STORE": f"neo4j://neo4j:{IN_URL}@127.0.0.1:{free_port()}/neo4j"}):
        with serving(home, "--tokens", home / "tokens.json", "--keep-threads", env={**env, **more}) as server:
            mine, new = {"authorization": f"Bearer {token}"}, httpx.Limits(max_keepalive_connections=0)
            with httpx.Client(base_url=server.url, headers=mine, timeout=90, limits=new, trust_env=False) as ann:
                thread = ann.post("/threads", json={}).json()["thread_id"]
                said = {"assistant_id": "agent", "input": {"messages": [{"role": "user", "content": "I like tea."}]}}
                for path in (f"/threads/{thread}/runs/wait", f"/threads/{thread}/runs/stream", "/runs/wait"):
                    told.append(ann.post(path, json=said).text)
                for path in (
                    f"/threads/{thread}/state",
                    f"/threads/{thread}/history",
                    f"/threads/{thread}/runs",
                    "/info",
                ):
                    told.append(ann.get(path).text)
                told += [ann.get(path).text for path in ("/metrics", "/docs", "/openapi.json", "/metrics?format=json")]
        told.append(server.log.read_text())
    assert "Incorrect API key provided" in "".join(told)
    assert "ModelUnavailableError" in "".join(told) and "StoreUnavailableError" in "".join(told)
    assert not [text for text in told if MARK in text or token in text]
    assert leaks(tmp_path) == []
    assert not [path for path in home.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
