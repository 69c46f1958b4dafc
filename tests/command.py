"""Runs the command line for tests: in this process, or as a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from memory_r1.flows.cli.app import app

TALK = [
    {"speaker": "Anna", "text": "I moved to Oslo with my cat Pablo.", "time": "2024-05-01T10:00"},
    {"speaker": "Ben", "text": "I bought a red kayak yesterday.", "time": "2024-05-01T10:01"},
    {"speaker": "Anna", "text": "I am learning to play the oboe.", "time": "2024-05-02T10:00"},
]
"""Three turns of a made-up conversation."""

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("MEMORY_R1_", "COLUMNS"))}
UNPRIVILEGED = """
import ctypes, os
if os.geteuid() == 0:
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, data) == 0
"""
"""Root loses its rights by this, so that permissions hold for it, too (Linux)."""

Child = subprocess.Popen[str]
CODE = "from memory_r1.flows.cli import main; main()"


def run(*args: object, input: str | None = None, env: Mapping[str, str] | None = None) -> Any:
    """Run the command in this process; the result has exit_code, stdout, stderr. What isn't ours is raised."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], input=input, env=dict(env or {}))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def read(*args: object) -> Any:
    """What the command prints with --json; it must succeed."""
    result = run(*args, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def ids(store: str, bank: str = "anna") -> list[str]:
    """The ids of the memories that a bank holds."""
    return [memory["id"] for memory in read("memories", "--store", store, "--bank", bank)]


def start(
    *args: object, before: str = "", shell: str = "", env: Mapping[str, str] | None = None, **streams: Any
) -> Child:
    """Start the command as a process: Python code `before` runs in it first, `shell` in a shell around it."""
    words = [sys.executable, "-c", f"{before}\n{CODE}", *map(str, args)]
    if shell:
        words = ["sh", "-c", f'{shell}; exec "$@"', "sh", *words]
    child_env = {**CLEAN, "OPENBLAS_NUM_THREADS": "1", **(env or {})}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.Popen(words, env=child_env, text=True, **pipes)


def process(*args: object, **options: Any) -> tuple[int, str, str]:
    """Run the command as a process of its own (see `start`); returns exit status, stdout, stderr."""
    child = start(*args, **options)
    out, err = child.communicate(timeout=120)
    return child.returncode, out, err


def long_talk(path: Path, rounds: int) -> Path:
    """The demo's conversation again and again, a week apart each time: repeats, corrections and retractions."""
    talk = files("memory_r1.flows") / "demo" / "conversation.jsonl"
    rows = [json.loads(line) for line in talk.read_text(encoding="utf-8").splitlines()]
    with path.open("w", encoding="utf-8") as out:
        for number in range(rounds):
            for row in rows:
                time = datetime.fromisoformat(row["time"]) + timedelta(weeks=13 * number)
                again = {**row, "session": f"{number}.{row['session']}", "time": time.isoformat()}
                out.write(json.dumps(again) + "\n")
    return path
