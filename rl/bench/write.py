"""How long a durable write takes."""

from __future__ import annotations

import time

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.stores.open import redacted
from memory_r1.memory.types import Add, Write
from memory_r1.rl.bench.made import Table, made_bank, made_turns, opened, percentile


async def write(store: str = "sqlite", count: int = 200, size: int = 1_000) -> Table:
    """Write `count` turns of one Add each, one by one, to a bank of `size` memories. Vectors are made beforehand."""
    embedder = HashedEmbedder()
    dump = await made_bank("bench-write", size, embedder)
    fresh = made_turns(size + count, seed=3)[size:]
    vectors = await embedder.embed([turn.text for turn in fresh])
    wall: list[float] = []
    cpu: list[float] = []
    async with opened(store) as held:
        await held.load(dump)
        try:
            for at, turn in enumerate(fresh):
                add = Add(turn.text, turn.speaker, (turn.id,))
                start, used = time.perf_counter(), time.process_time()
                await held.write(
                    "bench-write", Write(f"turn:{turn.id}", turn.time, (turn,), (add,), size + at), vectors[at : at + 1]
                )
                wall.append(1000 * (time.perf_counter() - start))
                cpu.append(1000 * (time.process_time() - used))
        finally:
            await held.erase_bank("bench-write")
    times = (percentile(wall, 0.5), percentile(wall, 0.95), percentile(cpu, 0.5))
    row = (redacted(store), size, count, *(round(value, 2) for value in times))
    columns = ("store", "memories", "writes", "p50_ms", "p95_ms", "cpu_p50_ms")
    return Table("write", "one durable write of a turn with one Add, without embedding", columns, [row])
