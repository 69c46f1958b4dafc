"""What the flows share: where runs stand, what makes a result reusable, what is worth another try, whose turn it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from prefect.concurrency.sync import concurrency
from prefect.context import TaskRunContext

import memory_r1.graphs
import memory_r1.memory
import memory_r1.rl
from memory_r1.memory.errors import DataUnavailableError, ModelUnavailableError, StoreUnavailableError
from memory_r1.memory.settings import load_settings
from memory_r1.rl.trainer.errors import TrainingError

LIMIT = "gpu"
"""The concurrency limit that every training takes its slots of: one for each GPU, one for a training on CPUs."""
PASSING = (TrainingError, StoreUnavailableError, ModelUnavailableError, DataUnavailableError)
"""What may be gone at another try; anything else is wrong input, which stays wrong."""
_LAYERS = (memory_r1.memory, memory_r1.graphs, memory_r1.rl)
_SOURCES = ("*.py", "*.yaml")


def place(kind: str, inputs: Mapping[str, Any]) -> Path:
    """The folder of a piece of work: the same for the same inputs and the same source, another for any other."""
    return load_settings({}).runs_path / kind / digest({"source": source(), **inputs})[:16]


def digest(value: Any) -> str:
    """The SHA-256 of a value of plain data, dataclasses and paths."""
    return sha256(json.dumps(value, sort_keys=True, default=_plain).encode()).hexdigest()


def signature(path: str) -> list[tuple[str, int, int]]:
    """What tells that a file, or a folder's files, changed: their names, bytes and times; [] for no such path."""
    if not path:
        return []
    root = Path(path).expanduser()
    files = [root] if root.is_file() else sorted(file for file in root.rglob("*") if file.is_file())
    return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]


@lru_cache(maxsize=1)
def source() -> str:
    """The SHA-256 of the code that makes data, trains and evaluates."""
    found = sha256()
    for layer in _LAYERS:
        root = Path(next(iter(layer.__path__)))
        for path in sorted(file for kind in _SOURCES for file in root.rglob(kind)):
            found.update(f"{path.relative_to(root)}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def by_inputs(_: TaskRunContext, inputs: Mapping[str, Any]) -> str:
    """The key under which Prefect keeps a task's result: of its inputs and the source."""
    return digest({"source": source(), **inputs})


def may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a failed task is tried again."""
    return isinstance(state.result(raise_on_failure=False), PASSING)


@contextmanager
def slots(count: int) -> Iterator[None]:
    """Hold `count` of the concurrency limit `LIMIT`, waiting for them; without such a limit nothing runs.

    A lease that can't be renewed for a while, because the server is away, does not end the work.
    """
    with concurrency(LIMIT, occupy=count, strict=True, raise_on_lease_renewal_failure=False):
        yield


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else asdict(value)


Tell = Callable[[str], None]
"""Where a line goes that tells how the work is going."""
