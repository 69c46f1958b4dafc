"""The services of infra/local, really started and stopped by SIGTERM, each alone and all together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from neo4j_server import START, missing
from services import ALL, ROOT, Child, Services, below, group, orphaned

from memory_r1.graphs.policies.registry import Registry
from memory_r1.graphs.policies.types import read_candidate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="infra/local needs Linux's /proc"),
]
TALK = {"role": "user", "content": "Where does Ann live?"}
DISTRIBUTION = {
    "neo4j": 'exec "$JAVA_HOME/bin/java" -cp "$NEO4J_HOME/lib/*" org.neo4j.server.CommunityEntryPoint '
    '--home-dir="$NEO4J_HOME" --config-dir="$NEO4J_CONF" --${1}-mode',
    "neo4j-admin": 'exec "$JAVA_HOME/bin/java" -cp "$NEO4J_HOME/lib/*" org.neo4j.cli.AdminTool "$@"',
}


@pytest.fixture
def local(tmp_path: Path) -> Services:
    return Services(tmp_path / "home")


def need(*packages: str) -> None:
    """Skip a test whose packages aren't installed."""
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"needs {package}: pip install 'memory-r1[dev,train]'")


def need_neo4j() -> None:
    if not START.exists():
        missing(f"no jars of Neo4j in {START.parent}")


def ended(child: Child) -> int:
    """The exit status after a SIGTERM; nothing of the service's group is left."""
    child.send_signal(signal.SIGTERM)
    status = child.wait(120)
    assert not group(child.pid)
    return status


def api(services: Services, path: str, body: dict[str, Any] | None = None) -> Any:
    """What Prefect's API answers to whoever has the login."""
    login = ("admin", services.secret("prefect_password"))
    found = httpx.post(f"{services.url('prefect-server')}{path}", json=body or {}, auth=login, timeout=60)
    found.raise_for_status()
    return found.json()


@pytest.mark.neo4j
def test_neo4j_keeps_its_data_and_its_password(local: Services):
    need_neo4j()
    for _ in range(2):  # the second time over what the first has left
        with local.foreground("neo4j", NEO4J_VERSION="2026") as child:
            (local.home / "seen").write_text(local.secret("neo4j_password"))
            assert ended(child) == 0
    assert local.secret("neo4j_password") == (local.home / "seen").read_text()
    assert local.secret("neo4j_password") not in local.log("neo4j")


@pytest.mark.neo4j
def test_neo4j_runs_from_a_distribution(local: Services, tmp_path: Path):
    """The launchers in bin are stand-ins, because Maven has none; what they launch is the real server."""
    need_neo4j()
    folder = tmp_path / "neo4j-community"
    for part in ("bin", "conf", "lib"):
        (folder / part).mkdir(parents=True)
    for jar in (*START.parent.glob("lib/common/*.jar"), *START.parent.glob("lib/5.26/*.jar")):
        (folder / "lib" / jar.name).symlink_to(jar)
    for name, line in DISTRIBUTION.items():
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nNEO4J_HOME=$(cd "$(dirname "$0")/.." && pwd)\n{line}\n')
        script.chmod(0o755)
    (folder / "conf" / "neo4j.conf").write_text(
        "server.http.enabled=true\nserver.jvm.additional=-XX:+UseG1GC\nserver.jvm.additional=-Dplanted=yes\n"
    )
    with local.foreground("neo4j", NEO4J_HOME=str(folder)) as child:
        written = (local.home / "neo4j" / "conf" / "neo4j.conf").read_text()
        assert "-Dplanted=yes" in written and "server.http.enabled=true" not in written
        assert not (folder / "data").exists() and (local.home / "neo4j" / "data" / "dbms").exists()
        assert ended(child) == 0


def test_the_model_server_serves_the_registry_to_whoever_has_the_key(local: Services):
    need("torch", "transformers", "uvicorn")
    with local.foreground("model-server") as child:
        url, key = local.url("model-server"), {"Authorization": f"Bearer {local.secret('model_key')}"}
        assert httpx.get(f"{url}/models").status_code == 401
        assert httpx.get(f"{url}/models", headers=key).json()["data"] == []
        registry = Registry(local.home / "policies")
        policy = registry.store(
            read_candidate({"manager": "tiny", "answerer": "tiny"}), "a test", {}, datetime(2024, 5, 1)
        )
        (name,) = [model["id"] for model in httpx.get(f"{url}/models", headers=key).json()["data"]]
        assert name == str(local.home / "policies" / "versions" / policy.id / "manager")
        said = httpx.post(f"{url}/chat/completions", json={"model": name, "messages": [TALK]}, headers=key, timeout=120)
        assert said.status_code == 200 and said.json()["usage"]["completion_tokens"] > 0
        assert ended(child) == 0
    assert local.secret("model_key") not in local.log("model-server")


def test_the_agent_server_answers_whoever_has_a_token(local: Services):
    need("langgraph_api")
    with local.foreground("agent-server", MEMORY_R1_STORE="memory://", MEMORY_R1_MODEL="rules") as child:
        url, key = local.url("agent-server"), {"Authorization": f"Bearer {local.token}"}
        search = {"json": {}, "timeout": 60}
        assert httpx.post(f"{url}/assistants/search", **search).status_code == 401
        graphs = httpx.post(f"{url}/assistants/search", headers=key, **search).json()
        assert {graph["graph_id"] for graph in graphs} == {"remember", "answer", "agent"}
        assert ended(child) == 0
    assert local.token not in local.log("agent-server")


def test_a_worker_makes_what_flows_need_and_both_end_by_sigterm(local: Services):
    need("prefect")
    with local.foreground("prefect-server") as server:
        assert httpx.post(f"{local.url('prefect-server')}/flows/filter", json={}).status_code == 401
        with local.foreground("prefect-worker", GPU_SLOTS="2") as worker:
            assert ended(worker) == 0
        found = {one["name"]: one["entrypoint"] for one in api(local, "/deployments/filter")}
        assert found["memory-r1-pipeline"].startswith("memory_r1.flows.pipeline.") and len(found) == 5
        (pool,) = api(local, "/work_pools/filter")
        assert (pool["name"], pool["type"]) == ("memory-r1", "process")
        (limit,) = api(local, "/v2/concurrency_limits/filter")
        assert (limit["name"], limit["limit"]) == ("gpu", 2)
        assert ended(server) in (0, -signal.SIGTERM)  # it raises the signal once more
    assert local.secret("prefect_password") not in local.log("prefect-server") + local.log("prefect-worker")


def test_down_ends_a_training_and_a_worker_starts_again(local: Services):
    """With it end its Ray and its shared memory; Prefect is told, and the slot that it held is free."""
    need("prefect", "verl", "ray")
    before = orphaned()
    try:
        local.up("prefect-server", "prefect-worker")
        words = ["prefect", "deployment", "run", "train-manager/train-manager", "-p", "rows=48"]
        subprocess.run(words, env=local.env, capture_output=True, timeout=120, check=True)
        while not api(local, "/v2/concurrency_limits/filter")[0]["active_slots"]:
            time.sleep(1)
        while len(below(local.home)) < 8:  # Ray has begun
            time.sleep(1)
        local.down("prefect-worker")
        assert api(local, "/v2/concurrency_limits/filter")[0]["active_slots"] == 0
        (state,) = [run["state_type"] for run in api(local, "/flow_runs/filter") if not run["parent_task_run_id"]]
        assert state == "CRASHED" and orphaned() <= before
        local.up("prefect-worker")  # finds pool, limit and deployments made
    finally:
        local.down()
    assert not below(local.home)


@pytest.mark.neo4j
def test_up_starts_all_down_stops_all_and_the_page_says_how(tmp_path: Path):
    """The commands of infra/local/README.md, as they stand there."""
    need_neo4j()
    need("torch", "transformers", "uvicorn", "prefect", "langgraph_api")
    made = Services(tmp_path / "home")
    before = orphaned()
    page = (ROOT / "infra" / "local" / "README.md").read_text(encoding="utf-8")
    (commands,) = [block.split("```")[0] for block in page.split("```sh\n")[1:] if "infra/local/up" in block]
    script = f"set -euo pipefail\n{commands}"
    try:
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=made.given, capture_output=True, text=True, timeout=800, check=False
        )
    finally:
        made.down()
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count(" is up") == len(ALL) + 1 and "neo4j runs already" in done.stdout
    assert "train-manager" in done.stdout and "journalist" in done.stdout
    assert not below(made.home) and not list((made.home / "run").glob("*.pid"))
    assert orphaned() <= before
    secrets = [made.secret(name) for name in ("neo4j_password", "model_key", "prefect_password", "first_token")]
    assert not any(secret in done.stdout + made.log(service) for secret in secrets for service in ALL)


def test_below_sees_what_up_has_marked(tmp_path: Path):
    env = {**os.environ, "MEMORY_R1_UP": f"{tmp_path}/neo4j"}
    with subprocess.Popen(["sleep", "60"], env=env) as child:
        try:
            assert below(tmp_path) == [child.pid]
        finally:
            child.kill()
