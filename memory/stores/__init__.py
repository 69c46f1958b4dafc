"""Stores: one contract (`memory.store`), kept in memory, in SQLite and in Neo4j."""

from memory_r1.memory.stores.memory import InMemoryStore, Snapshot
from memory_r1.memory.stores.open import open_store, redacted

__all__ = ["InMemoryStore", "Snapshot", "open_store", "redacted"]
