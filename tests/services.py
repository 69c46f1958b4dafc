"""The services of infra/local, really started: on free ports, with all that they keep in one folder.

    with running(tmp_path / "home") as services:               # all of them; or running(home, "neo4j", "model-server")
        subprocess.run(["prefect", "deployment", "ls"], env=services.env)
        httpx.get(services.url("agent-server"), headers={"Authorization": f"Bearer {services.token}"})

`services.env` is the environment of an operator's shell: what `eval "$(infra/local/env)"` sets.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from neo4j_server import START, free_port, missing

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / "infra" / "local"
ALL = ("neo4j", "prefect-server", "model-server", "prefect-worker", "agent-server")
PORTS = {"neo4j": "NEO4J", "prefect-server": "PREFECT", "model-server": "MODEL", "agent-server": "AGENT"}
URLS = {
    "neo4j": "neo4j://127.0.0.1:{}", "prefect-server": "http://127.0.0.1:{}/api",
    "model-server": "http://127.0.0.1:{}/v1", "agent-server": "http://127.0.0.1:{}",
}  # fmt: skip
READY = 300
"""Seconds in which a service must answer, on a busy machine."""
OURS = ("MEMORY_R1_", "PREFECT_", "NEO4J_", "LANGGRAPH_", "COLUMNS")

Child = subprocess.Popen[str]


class Services:
    """The scripts of infra/local over one folder. `settings`: further variables."""

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.ports = {service: free_port() for service in PORTS}
        quick = home / "quick.conf"
        quick.write_text("internal.server.bolt.thread_pool_shutdown_wait_time=200ms\n")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.given = {
            **plain,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{plain['PATH']}",
            "PYTHON": sys.executable,
            "OMP_NUM_THREADS": "1",
            "NEO4J_JARS": str(START.parent),
            "NEO4J_SETTINGS": str(quick),
            "MEMORY_R1_HOME": str(home),
            "MEMORY_R1_WAIT": str(READY),
            **{f"MEMORY_R1_{PORTS[service]}_PORT": str(port) for service, port in self.ports.items()},
            **(settings or {}),
        }

    @property
    def env(self) -> dict[str, str]:
        """The environment of an operator's shell."""
        said = self.call("env").stdout
        return self.given | dict(word.split("=", 1) for word in shlex.split(said) if "=" in word)

    @property
    def token(self) -> str:
        """The token of the agent server that opens the bank "operator"."""
        return self.secret("first_token")

    def url(self, service: str) -> str:
        """Where a service answers."""
        return URLS[service].format(self.ports[service])

    def secret(self, name: str) -> str:
        """The content of a file of secrets."""
        return (self.home / "secrets" / name).read_text().strip()

    def log(self, service: str) -> str:
        """What a service that `up` started has printed."""
        return (self.home / "logs" / f"{service}.log").read_text(errors="replace")

    def call(self, script: str, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a script to its end. `more`: further variables."""
        words = [str(LOCAL / script), *map(str, arguments)]
        return subprocess.run(words, env=self.given | more, capture_output=True, text=True, timeout=900, check=False)

    def up(self, *services: str) -> None:
        """Start services, all without names, and wait until they answer."""
        done = self.call("up", *services)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    def down(self, *services: str) -> None:
        """Stop them, and all that they started."""
        done = self.call("down", *services)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    @contextmanager
    def foreground(self, service: str, **more: str) -> Iterator[Child]:
        """A service's script as a process of its own, which answers; killed with its group if it still runs."""
        words, log = [str(LOCAL / service)], self.home / "logs" / f"{service}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as out:
            child = subprocess.Popen(
                words, env=self.given | more, stdin=subprocess.DEVNULL, stdout=out, stderr=out, text=True,
                start_new_session=True,
            )  # fmt: skip
        (self.home / "run").mkdir(exist_ok=True)
        (self.home / "run" / f"{service}.pid").write_text(f"{child.pid} {since(child.pid)}\n")  # for `wait`
        try:
            asked = self.call("wait", service, READY)
            assert asked.returncode == 0, asked.stderr
            yield child
        finally:
            for pid in group(child.pid):
                os.kill(pid, signal.SIGKILL)
            child.wait()


@contextmanager
def running(home: Path, *services: str, settings: Mapping[str, str] | None = None) -> Iterator[Services]:
    """Services that answer, all without names; stopped afterwards. Skips, in CI fails, where no Neo4j is at hand."""
    if not START.exists() and (not services or "neo4j" in services):
        missing(f"no jars of Neo4j in {START.parent}")
    made = Services(home, settings)
    try:
        made.up(*services)
        yield made
    finally:
        made.down()


def group(leader: int) -> list[int]:
    """The processes of a process group that still run."""
    return [pid for pid, fields in _processes() if int(fields[2]) == leader]


def since(pid: int) -> str:
    """When a process started, as the pid files of `up` have it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]


def below(home: Path) -> list[int]:
    """The processes that `up` started over `home`, and those that they started."""
    found: list[int] = []
    for pid, _ in _processes():
        try:
            words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.startswith(f"MEMORY_R1_UP={home}/".encode()) for word in words):
            found.append(pid)
    return found


def orphaned() -> set[Path]:
    """Segments of shared memory that no process has open."""
    used: set[str] = set()
    for pid, _ in _processes():
        try:
            used |= {
                line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if "/dev/shm/" in line
            }
        except OSError:
            continue
    return {path for path in Path("/dev/shm").iterdir() if str(path) not in used}


def _processes() -> Iterator[tuple[int, list[str]]]:
    """Number and status of each process, from its state on, but for those that have ended."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            yield int(path.parent.name), fields
