"""Fixtures that several folders share: one `backend` for each kind of store."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from memory_r1.memory.store import Store
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.stores.sqlite import SqliteStore
from tests.neo4j_server import neo4j_servers  # noqa: F401  a fixture

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
os.environ.setdefault("NLTK_DATA", str(DATA / "nltk_data"))
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")  # a busy machine is no failure: speed is measured in benchmarks


@dataclass(frozen=True)
class Backend:
    """Opens stores of one kind over one place. `durable`: another store over the same place sees the same."""

    name: str
    open: Callable[[], Awaitable[Store]]
    durable: bool = True


KINDS = [
    "memory",
    "sqlite",
    "sqlite-pool",
    pytest.param("neo4j-5.26", marks=pytest.mark.neo4j),
    pytest.param("neo4j-5.26-pool", marks=pytest.mark.neo4j),
    pytest.param("neo4j-2026", marks=pytest.mark.neo4j),
    pytest.param("neo4j-2026-pool", marks=pytest.mark.neo4j),
]


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """A backend of each kind. `-pool` searches as it does for banks that are too large for an exact search."""
    kind, _, mode = request.param.partition("-")
    if kind == "memory":

        async def fresh() -> Store:
            return InMemoryStore()

        return Backend(request.param, fresh, durable=False)
    if kind == "sqlite":
        large = 0 if mode == "pool" else 20_000
        return Backend(request.param, lambda: SqliteStore.open(tmp_path / "store.db", large=large))
    version, _, mode = mode.partition("-")
    server = request.getfixturevalue("neo4j_servers")(version)
    server.wipe()
    return Backend(request.param, lambda: server.open(**({"large": 0} if mode == "pool" else {})))


@pytest.fixture
async def store(backend: Backend):
    """An open, empty store of each kind."""
    async with await backend.open() as opened:
        yield opened
