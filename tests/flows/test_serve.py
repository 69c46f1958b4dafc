"""`memory-r1 serve` and `memory-r1 token` as an operator uses them, on a real server."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from agent_server import CONFIG, free_port, serving
from command import process, read, run

from memory_r1.flows.cli.serve import AUTH, GRAPHS, HTTP

pytest.importorskip("langgraph_api", reason="needs pip install 'memory-r1[serve]'")

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to start in, no settings, no tokens; what `serve` sets for its process is taken back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("MEMORY_R1_TOKENS_FILE", raising=False)
    before = os.umask(0o022)
    os.umask(before)
    yield tmp_path
    os.umask(before)


def outside() -> str:
    """An address of this machine by which others reach it; none is reached by asking."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return probe.getsockname()[0]


def test_langgraph_dev_is_told_the_same_as_serve():
    assert json.loads(CONFIG.read_text()) == {"dependencies": [".."], "graphs": GRAPHS, "auth": AUTH, "http": HTTP}


def test_beyond_loopback_it_starts_with_tokens_only(here: Path):
    refused = run("serve", "--host", "0.0.0.0")
    assert refused.exit_code == 2 and "memory-r1 token add NAME" in refused.stderr
    for words in (("--tokens", "none.json"), ("--tokens", "empty.json"), ("--tokens", "damaged.json")):
        Path("empty.json").write_text('{"tokens": [], "version": 1}')
        Path("damaged.json").write_text("{")
        for host in ("0.0.0.0", "127.0.0.1"):
            wrong = run("serve", "--host", host, *words)
            assert wrong.exit_code == 2 and words[1] in wrong.stderr


def test_what_can_t_be_served_is_refused_before_anything_starts(here: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = run("serve", "--port", taken.getsockname()[1])
    assert busy.exit_code == 2 and "in use" in busy.stderr
    assert run("serve", "--host", "::1").exit_code == 2
    assert "both" in run("serve", "--tls-cert", "x.pem").stderr
    assert run("serve", env={"MEMORY_R1_API_KEY": "a", "MEMORY_R1_API_KEY_FILE": "b"}).exit_code == 2


def test_a_folder_of_threads_that_others_may_write_is_not_loaded(here: Path):
    folder = here / ".langgraph_api"
    folder.mkdir(mode=0o700)
    (folder / ".langgraph_ops.pckl").write_bytes(b"threads")
    assert "go on with --keep-threads" in run("serve", "--port", free_port()).stderr
    folder.chmod(0o777)
    for words in ((), ("--keep-threads",)):
        refused = run("serve", "--port", free_port(), *words)
        assert refused.exit_code == 2 and "others may write" in refused.stderr


def test_tokens_are_made_listed_and_revoked(here: Path):
    made = run("token", "add", "ann", "--bank", "a", "--bank", "b", "--days", "3")
    token = made.stdout.strip()
    assert made.exit_code == 0 and token.startswith("mr1_") and "opens a, b until" in made.stderr
    assert token not in made.stderr
    [listed] = read("token", "list")
    assert (listed["identity"], listed["banks"]) == ("ann", ["a", "b"]) and listed["expires"] > listed["created"]
    assert token not in run("token", "list").stdout and "hash" not in listed
    assert run("token", "revoke", "nobody").exit_code == 2
    assert [gone["id"] for gone in read("token", "revoke", listed["id"])] == [listed["id"]]
    assert run("token", "list").stdout == "There are no tokens.\n"
    assert read("token", "add", "bob", "--tokens", "mine.json")["banks"] == ["bob"]
    assert Path("mine.json").stat().st_mode & 0o777 == 0o600


def post(url: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.post(url + path, json=body or {}, headers=headers, timeout=60, trust_env=False)


def say(url: str, text: str) -> str:
    """A thread in which `text` was said."""
    thread = post(url, "/threads").json()["thread_id"]
    body = {"assistant_id": "agent", "input": {"messages": [{"role": "user", "content": text}]}}
    reply = post(url, f"/threads/{thread}/runs/wait", {**body, "config": {"configurable": {"bank": "ann"}}})
    assert reply.status_code == 200 and reply.json()["receipt"]["revision"], reply.text
    return thread


def children(pid: int) -> list[int]:
    """The processes that a process started, in /proc."""
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


@pytest.mark.slow
@linux
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_this_machine_and_ends_cleanly(here: Path, ending: signal.Signals):
    with serving(here) as server:
        say(server.url, "I keep a heron called Basil.")
        assert children(server.process.pid) == []
        assert post(server.url, "/info", origin="https://evil.example").status_code == 403
        server.process.send_signal(ending)
        assert server.process.wait(60) == 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) != 0
    assert not (here / ".langgraph_api").exists()
    kept = [path for path in here.rglob("*") if path.is_file() and b"heron" in path.read_bytes()]
    assert {path.name.partition("-")[0] for path in kept} == {"memory.db"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)


@pytest.mark.slow
def test_killed_it_leaves_no_thread_to_the_next(here: Path):
    with serving(here) as server:
        thread = say(server.url, "I keep a heron called Basil.")
        server.process.kill()
        server.process.wait()
    (here / ".langgraph_api" / ".langgraph_ops.pckl").write_bytes(b"half a thread")
    with serving(here) as server:
        assert httpx.get(f"{server.url}/threads/{thread}", timeout=60, trust_env=False).status_code == 404


@pytest.mark.slow
def test_threads_are_kept_for_their_owner_if_asked_for(here: Path):
    with serving(here, "--keep-threads") as server:
        thread = say(server.url, "I keep a heron called Basil.")
    folder = here / ".langgraph_api"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) and all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    with serving(here, "--keep-threads") as server:
        state = httpx.get(f"{server.url}/threads/{thread}/state", timeout=60, trust_env=False)
        assert "heron" in state.text


@pytest.mark.slow
@pytest.mark.parametrize("dev", [True, False])
def test_beyond_loopback_only_tokens_open_it_however_it_is_started(here: Path, dev: bool):
    """`langgraph dev --host 0.0.0.0` without tokens; `serve` with those of the default file."""
    address = outside()
    token = "" if dev else read("token", "add", "ann")["token"]
    with serving(here, "--host", "0.0.0.0", dev=dev) as server:
        far = f"http://{address}:{server.port}"
        paths = ["/threads/search", "/runs/wait", "/internal/truncate", "/deploy", "/store/namespaces", "/assistants"]
        for path in paths:
            assert post(far, path).status_code == (
                404 if path in ("/internal/truncate", "/deploy") else 403 if dev else 401
            )
            forged = {"host": "127.0.0.1", "x-forwarded-for": "127.0.0.1", "x-auth-scheme": "langsmith"}
            assert post(far, path, **forged).status_code in (401, 403, 404)
        if dev:
            assert post(server.url, "/threads/search").status_code == 200
        else:
            assert post(server.url, "/threads/search").status_code == 401
            assert post(far, "/threads/search", authorization=f"Bearer {token}").status_code == 200


@pytest.mark.slow
def test_a_server_that_can_t_start_says_so(here: Path):
    status, _, err = process(
        "serve", "--port", free_port(), "--tls-cert", __file__, "--tls-key", __file__, env={"PWD": str(here)}
    )
    assert status == 1 and "did not start" in err
