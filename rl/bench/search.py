"""How long a search takes, by the size of the bank."""

from __future__ import annotations

import time
from collections.abc import Sequence

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.ranking import Query
from memory_r1.memory.stores.open import redacted
from memory_r1.rl.bench.made import Table, TimedEmbedder, made_bank, made_turns, opened, percentile

QUERIES = 100


async def search(store: str = "sqlite", sizes: Sequence[int] = (300, 1_000, 10_000)) -> Table:
    """Search banks of `sizes` memories for 60 hits, 100 times each after one warm-up.

    Embedding the query is measured apart. `store`: "sqlite", "memory", or a URL, whose bank is erased afterwards.
    """
    embedder = TimedEmbedder(HashedEmbedder())
    rows: list[tuple[str | int | float, ...]] = []
    async with opened(store) as held:
        for size in sizes:
            dump = await made_bank(f"bench-search-{size}", size, embedder)
            await held.load(dump)
            try:
                embedder.seconds = 0.0
                queries = [
                    Query.of(turn.text, (await embedder.embed([turn.text], query=True))[0])
                    for turn in made_turns(QUERIES + 1, seed=7)
                ]
                embed = 1000 * embedder.seconds / len(queries)
                wall, cpu = [], []
                for query in queries:
                    start, used = time.perf_counter(), time.process_time()
                    await held.search_vector(dump.bank.id, query)
                    wall.append(1000 * (time.perf_counter() - start))
                    cpu.append(1000 * (time.process_time() - used))
                times = (percentile(wall[1:], 0.5), percentile(wall[1:], 0.95), percentile(cpu[1:], 0.5))
                rows.append((redacted(store), size, *(round(value, 2) for value in (*times, embed))))
            finally:
                await held.erase_bank(dump.bank.id)
    columns = ("store", "memories", "p50_ms", "p95_ms", "cpu_p50_ms", "embedding_ms")
    return Table("search", "one search for 60 memories, without embedding the query", columns, rows)
