"""A watched store keeps the store's contract: all of its tests, once more."""

from pathlib import Path

import pytest
from telemetry_story import Watch

from memory_r1.graphs.telemetry.stores import watch_store
from memory_r1.memory.store import Store
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.stores.sqlite import SqliteStore
from tests.conftest import Backend
from tests.memory import test_contract as contract

globals().update({name: member for name, member in vars(contract).items() if name.startswith("test_")})


@pytest.fixture(params=["memory", "sqlite"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Watched stores of the two kinds that need no server."""
    watch = Watch()

    async def fresh() -> Store:
        sqlite = request.param == "sqlite"
        return watch_store(await SqliteStore.open(tmp_path / "s.db") if sqlite else InMemoryStore(), watch.telemetry)

    return Backend(request.param, fresh, durable=request.param == "sqlite")
