"""Waits until a service answers: `wait.py SERVICE [SECONDS]`, as the script `wait` calls it."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HOME = Path(os.environ["MEMORY_R1_HOME"])
SECRETS = HOME / "secrets"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PAUSE = 0.25
"""Seconds between two tries."""
SHOWN = 30
"""Lines of a log that are shown."""


class NotYetError(Exception):
    """The service doesn't answer as it should."""


def ask(port: str, path: str, login: str = "", body: bytes | None = None) -> Any:
    """What `path` answers on loopback. `login`: the Authorization header. Raises NotYetError."""
    headers = {"Authorization": login, "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{os.environ[port]}{path}", body, headers)
    try:
        with OPENER.open(request, timeout=5) as reply:
            return json.loads(reply.read() or b"null")
    except (OSError, ValueError) as error:
        raise NotYetError(f"{request.full_url}: {error}") from None


def read(path: Path) -> str:
    """What a file holds that a service writes at its start. Raises NotYetError."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise NotYetError(f"{path}: {error.strerror}") from None


def neo4j() -> None:
    """Ask the database a query."""
    try:
        from neo4j import GraphDatabase
        from neo4j.exceptions import DriverError, Neo4jError
    except ImportError:
        sys.exit("neo4j is not installed: pip install 'memory-r1[neo4j]'")
    address = f"bolt://127.0.0.1:{os.environ['MEMORY_R1_NEO4J_PORT']}"
    try:
        login = ("neo4j", read(SECRETS / "neo4j_password"))
        with GraphDatabase.driver(address, auth=login, max_transaction_retry_time=0) as driver:
            driver.execute_query("RETURN 1", database_="neo4j")
    except (DriverError, Neo4jError, OSError) as error:
        raise NotYetError(f"{address}: {error}") from None


def prefect_server() -> None:
    """Ask the API whether it is healthy."""
    ask("MEMORY_R1_PREFECT_PORT", "/api/health")


def prefect_worker() -> None:
    """Ask Prefect's server whether the worker that was started last has reported."""
    name = read(HOME / "run" / "prefect-worker.name")
    if (pid := recorded("prefect-worker")[0]) and f"-{pid}-" not in name:
        raise NotYetError(f"the worker that runs, process {pid}, has no name yet")
    login = base64.b64encode(f"admin:{read(SECRETS / 'prefect_password')}".encode()).decode()
    path = "/api/work_pools/memory-r1/workers/filter"
    workers = ask("MEMORY_R1_PREFECT_PORT", path, f"Basic {login}", b"{}")
    if not any(worker["name"] == name and worker["status"] == "ONLINE" for worker in workers):
        raise NotYetError(f"no worker {name!r} is online")


def model_server() -> None:
    """Ask for the models, with the key."""
    key = read(Path(os.environ["MEMORY_R1_API_KEY_FILE"]))
    ask("MEMORY_R1_MODEL_PORT", "/v1/models", f"Bearer {key}")


def agent_server() -> None:
    """Ask whether the server runs."""
    ask("MEMORY_R1_AGENT_PORT", "/ok")


ASK: Mapping[str, Callable[[], None]] = {
    "neo4j": neo4j,
    "prefect-server": prefect_server,
    "model-server": model_server,
    "prefect-worker": prefect_worker,
    "agent-server": agent_server,
}


def recorded(service: str) -> tuple[str, str]:
    """Number and start of the process that `up` started; two empty texts where it started none."""
    try:
        pid, since = (HOME / "run" / f"{service}.pid").read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return "", ""
    return pid, since


def ended(service: str) -> bool:
    """Whether `up` started the service and it runs no more."""
    pid, since = recorded(service)
    if not pid:
        return False
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    except OSError:
        return True
    return fields[0] in "ZX" or fields[19] != since


def fail(service: str, why: str) -> int:
    """Say `why`, and show the end of the log."""
    log = HOME / "logs" / f"{service}.log"
    sys.stderr.write(f"{service} {why}\n")
    if log.is_file():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN:]
        sys.stderr.write(f"The end of {log}:\n" + "".join(f"  {line}\n" for line in lines))
    return 1


def main(service: str, seconds: float = 180.0) -> int:
    """Wait; the exit status."""
    if service not in ASK:
        sys.stderr.write(f"there is no service {service!r}: {', '.join(ASK)}\n")
        return 2
    end = time.monotonic() + seconds
    while True:
        try:
            ASK[service]()
            return 0
        except NotYetError as error:
            if ended(service):
                return fail(service, "has ended")
            if time.monotonic() > end:
                return fail(service, f"doesn't answer after {seconds:g} s: {error}")
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(float, sys.argv[2:3])))
