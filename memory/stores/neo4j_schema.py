"""Constraints and indexes of the graph (drawn in `memory/GRAPH.md`)."""

from __future__ import annotations

import logging

from memory_r1.memory.errors import CorruptStoreError, StoreError
from memory_r1.memory.stores.neo4j_connection import Connection

logger = logging.getLogger(__name__)

TERMS = "memory_r1_terms"
"""The full-text index: `terms` and `bank_key` of live memories, split at spaces only."""

FILTERED = (2026, 2)
"""The first server whose vector index filters by property while it searches."""

STATEMENTS = (
    "CREATE CONSTRAINT memory_r1_bank IF NOT EXISTS FOR (b:Bank) REQUIRE b.bank IS UNIQUE",
    "CREATE CONSTRAINT memory_r1_bank_key IF NOT EXISTS FOR (b:Bank) REQUIRE b.bank_key IS UNIQUE",
    "CREATE CONSTRAINT memory_r1_session IF NOT EXISTS FOR (s:Session) REQUIRE (s.bank_key, s.name) IS UNIQUE",
    "CREATE CONSTRAINT memory_r1_turn IF NOT EXISTS FOR (t:Turn) REQUIRE (t.bank_key, t.id) IS UNIQUE",
    "CREATE CONSTRAINT memory_r1_turn_number IF NOT EXISTS FOR (t:Turn) REQUIRE (t.bank_key, t.number) IS UNIQUE",
    "CREATE CONSTRAINT memory_r1_memory IF NOT EXISTS FOR (m:Memory) REQUIRE (m.bank_key, m.number) IS UNIQUE",
    "CREATE CONSTRAINT memory_r1_entity IF NOT EXISTS FOR (e:Entity) REQUIRE (e.bank_key, e.name) IS UNIQUE",
    "CREATE CONSTRAINT memory_r1_speaker IF NOT EXISTS FOR (p:Speaker) REQUIRE (p.bank_key, p.name) IS UNIQUE",
    "CREATE CONSTRAINT memory_r1_revision IF NOT EXISTS FOR (r:Revision) REQUIRE (r.bank_key, r.number) IS UNIQUE",
    "CREATE CONSTRAINT memory_r1_write_key IF NOT EXISTS FOR (r:Revision) REQUIRE (r.bank_key, r.key) IS UNIQUE",
    "CREATE CONSTRAINT memory_r1_erased IF NOT EXISTS FOR (e:Erased) REQUIRE (e.bank_key, e.id) IS UNIQUE",
    "CREATE INDEX memory_r1_live IF NOT EXISTS FOR (m:Memory) ON (m.bank_key, m.live)",
    "CREATE INDEX memory_r1_place IF NOT EXISTS FOR (m:Memory) ON (m.bank_key, m.session, m.index)",
    "CREATE INDEX memory_r1_order IF NOT EXISTS FOR (t:Turn) ON (t.bank_key, t.session, t.index)",
    f"CREATE FULLTEXT INDEX {TERMS} IF NOT EXISTS FOR (m:Memory) ON EACH [m.terms, m.bank_key] "
    "OPTIONS {indexConfig: {`fulltext.analyzer`: 'whitespace', `fulltext.eventually_consistent`: false}}",
)

NAMES = [statement.split()[2 + ("FULLTEXT" in statement)] for statement in STATEMENTS]
"""What the statements make: each is an index, or a constraint that has an index of its name."""

SHOW = (
    f"SHOW INDEXES YIELD name, state, properties, options WHERE name IN {NAMES!r} "
    "RETURN name, state, properties, options.indexConfig['fulltext.analyzer']"
)
ONLINE = "CALL db.awaitIndexes(300)"


def slot(dim: int, other: str = "") -> str:
    """The property that holds vectors of `dim` numbers; not `other`, so that both can stand side by side."""
    first = f"embedding_{dim}"
    return f"{first}_b" if other == first else first


def vector_index(slot: str) -> str:
    """The name of the vector index over the property `slot`."""
    return f"memory_r1_{slot}"


def vector_statement(slot: str, dim: int, version: tuple[int, int]) -> str:
    """Makes the vector index over `slot`; unquantised and filtering where the server can, for its recall."""
    head = f"CREATE VECTOR INDEX {vector_index(slot)} IF NOT EXISTS FOR (m:Memory) ON m.{slot}"
    config = f"`vector.dimensions`: {dim}, `vector.similarity_function`: 'cosine', `vector.quantization.enabled`: false"
    options = f"OPTIONS {{indexConfig: {{{config}}}}}"
    return f"CYPHER 25 {head} WITH [m.bank_key, m.live] {options}" if version >= FILTERED else f"{head} {options}"


async def ensure(connection: Connection) -> None:
    """Make what is missing, one after the other, and wait until it can be used.

    Raises CorruptStoreError when another index stands where the full-text index should.
    """
    there = await connection.run(SHOW)
    if len(there) < len(STATEMENTS) or any(state != "ONLINE" for _, state, _, _ in there):
        for statement in STATEMENTS:
            await make(connection, statement)
        await connection.run(ONLINE)
        there = await connection.run(SHOW)
    terms = [(sorted(properties), analyzer) for name, _, properties, analyzer in there if name == TERMS]
    if terms != [(["bank_key", "terms"], "whitespace")]:
        raise CorruptStoreError(
            f"the full-text index {TERMS!r} is missing or is not ours ({terms!r}): another index stands over the same "
            f"properties; drop it (SHOW INDEXES lists them) and connect again"
        )


async def make(connection: Connection, statement: str) -> None:
    """Run one IF NOT EXISTS statement; another process making the same at the same time is waited for."""
    try:
        await connection.write(lambda run: run(statement))
    except StoreError as error:
        if "EquivalentSchemaRuleAlreadyExists" not in str(error):
            raise
        logger.info("made by another process at the same moment: %s", statement)
