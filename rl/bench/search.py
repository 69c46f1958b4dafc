"""How long a search takes, by the size of the bank."""

from __future__ import annotations

from collections.abc import Sequence

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.ranking import Query
from memory_r1.memory.stores.open import redacted
from memory_r1.rl.bench.made import Table, made_bank, made_turns, opened, percentile
from memory_r1.rl.systems.meters import MeteredEmbedder, Stopwatch

QUERIES = 100


async def search(store: str = "sqlite", sizes: Sequence[int] = (300, 1_000, 10_000)) -> Table:
    """Search banks of `sizes` memories for 60 hits, 100 times each after one warm-up.

    Embedding the query is measured apart. `store`: "sqlite", "memory", or a URL, whose bank is erased afterwards.
    """
    embedder, watch = MeteredEmbedder(HashedEmbedder()), Stopwatch(counts_cpu=True)
    rows: list[tuple[str | int | float, ...]] = []
    async with opened(store) as held:
        for size in sizes:
            dump = await made_bank(f"bench-search-{size}", size, embedder)
            await held.load(dump)
            try:
                with watch.lap() as asking:
                    queries = [
                        Query.of(turn.text, (await embedder.embed([turn.text], query=True))[0])
                        for turn in made_turns(QUERIES + 1, seed=7)
                    ]
                embed = 1000 * asking.embedding / len(queries)
                wall: list[float] = []
                cpu: list[float] = []
                for query in queries:
                    with watch.lap() as lap:
                        await held.search_vector(dump.bank.id, query)
                    wall.append(1000 * lap.wall)
                    cpu.append(1000 * (lap.cpu or 0.0))
                times = (percentile(wall[1:], 0.5), percentile(wall[1:], 0.95), percentile(cpu[1:], 0.5))
                rows.append((redacted(store), size, *(round(value, 2) for value in (*times, embed))))
            finally:
                await held.erase_bank(dump.bank.id)
    columns = ("store", "memories", "p50_ms", "p95_ms", "cpu_p50_ms", "embedding_ms")
    return Table("search", "one search for 60 memories, without embedding the query", columns, rows)
