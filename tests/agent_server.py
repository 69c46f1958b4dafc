"""The real agent server as a process on loopback: `memory-r1 serve`, or `langgraph dev` with the same graphs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from command import CLEAN, CODE

CONFIG = Path(__file__).resolve().parent.parent / "infra" / "langgraph.json"


@dataclass(frozen=True)
class AgentServer:
    url: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(
    home: Path, *words: object, dev: bool = False, env: Mapping[str, str] | None = None, ready: str = "127.0.0.1"
) -> Iterator[AgentServer]:
    """The server, started in the folder `home`; `words`: options more. `dev`: by LangGraph's own command.

    At the end it is told to end, and killed with all that it started if it doesn't.
    """
    port = free_port()
    if dev:
        command = [sys.executable, "-m", "langgraph_cli", "dev", "--config", str(CONFIG), "--no-browser", "--no-reload"]
    else:
        command = [sys.executable, "-c", CODE, "serve"]
    child_env = {
        **CLEAN, "LANGGRAPH_CLI_NO_ANALYTICS": "1", "OPENBLAS_NUM_THREADS": "1", "XDG_DATA_HOME": str(home / "data"),
        "MEMORY_R1_STORE": f"sqlite:///{home}/memory.db", **(env or {}),
    }  # fmt: skip
    log = home / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port), *map(str, words)], cwd=home, env=child_env, stdout=out, stderr=out,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(f"http://{ready}:{port}/ok", process, log)
        yield AgentServer(f"http://127.0.0.1:{port}", log, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once `url` answers."""
    for _ in range(1_200):
        assert process.poll() is None, f"the server has ended:\n{log.read_text()[-3000:]}"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server does not answer:\n{log.read_text()[-3000:]}")
