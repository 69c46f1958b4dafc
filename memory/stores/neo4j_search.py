"""What a search reads from the graph: the whole bank when it is small, else a pool that the indexes preselect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from memory_r1.memory.index import pool
from memory_r1.memory.ranking import Candidates, Query
from memory_r1.memory.stores import neo4j_queries as cypher
from memory_r1.memory.stores.neo4j_connection import Run, listed
from memory_r1.memory.stores.neo4j_records import Held, read_index
from memory_r1.memory.stores.neo4j_schema import FILTERED, TERMS, vector_index

WHOLE = 1_000
"""Live memories up to which every one is a candidate, as in the other stores."""
POOL = 200
"""Memories that the pool takes by meaning, and as many by words."""
BEST = 40
"""How many of either bring the memories that stand next to them."""
MAX_TERMS = 1_000
"""Terms of a query that are looked up; Lucene refuses more than 1,024."""


@dataclass(frozen=True, slots=True)
class Searcher:
    """Reads candidates in a transaction.

    Up to `large` live memories the nearest are found by comparing all vectors of the bank, above by the vector index.
    `version` is the server's.
    """

    run: Run
    held: Held
    query: Query
    large: int
    version: tuple[int, int]

    async def candidates(self) -> Candidates:
        """The candidates for `query`, by number."""
        if self.held.bank.live <= min(WHOLE, self.large):
            rows = await listed(self.run, cypher.WHOLE, **self._parameters())
        else:
            near, matching = await self._nearest(), await self._matching()
            best = [*near[:BEST], *matching[:BEST]]
            found = list(dict.fromkeys([*near, *matching]))
            rows = await listed(self.run, cypher.POOL, best=best, found=found, **self._parameters())
        return _candidates(rows, self.query, self.held.bank.live)

    def _parameters(self) -> dict[str, object]:
        dense = bool(self.query.vector.any())
        return {
            "key": self.held.key, "slot": self.held.slot, "dense": dense,
            "vector": self.query.vector.tolist() if dense else None,
        }  # fmt: skip

    async def _nearest(self) -> list[int]:
        """The memories nearest by meaning, nearest first."""
        if not self.query.vector.any():
            return []
        parameters = {**self._parameters(), "limit": POOL}
        if self.held.bank.live > self.large:
            name, reach = vector_index(self.held.slot), 3 * POOL
            if self.version >= FILTERED:
                statement = cypher.NEAREST_FILTERED.replace("{index}", name)
            else:
                statement = cypher.NEAREST_INDEXED
            found = await listed(self.run, statement, **parameters, index=name, reach=reach)
            if len(found) == POOL:
                return found
        return await listed(self.run, cypher.NEAREST_EXACT, **parameters)

    async def _matching(self) -> list[int]:
        """The memories that share most with the query's words, best first."""
        if not self.query.terms:
            return []
        terms = " ".join(self.query.terms[:MAX_TERMS])
        terms = f"+bank_key:{self.held.key}^0 +terms:({terms})"
        return await listed(self.run, cypher.MATCHING, index=TERMS, terms=terms, limit=POOL, key=self.held.key)


def _candidates(rows: Sequence[Sequence[object]], query: Query, live: int) -> Candidates:
    """The cosines come from the server, so the vectors need not: a cosine times one stands in for each."""
    made = [read_index(row) for row in rows]
    cosines = np.array([cosine for _, cosine in made], dtype=np.float32).reshape(len(made), 1)
    return pool([row for row, _ in made], cosines, replace(query, vector=np.ones(1, dtype=np.float32)), live)
