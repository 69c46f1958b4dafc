"""How long a rollout's own bank takes: fork a snapshot, apply one operation, search it."""

from __future__ import annotations

import time

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.ranking import Query
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.types import Add, Write
from memory_r1.rl.bench.made import Table, made_bank, made_turns, percentile


async def fork(size: int = 300, count: int = 500) -> Table:
    """Fork a snapshot of `size` memories `count` times; in each fork write one Add and search once for 60 hits."""
    embedder = HashedEmbedder()
    store = InMemoryStore()
    await store.load(await made_bank("bench", size, embedder))
    snapshot = store.snapshot()
    turn = made_turns(size + 1, seed=5)[-1]
    vectors = await embedder.embed([turn.text])
    query = Query.of(turn.text, vectors[0])
    change = Write("turn:new", turn.time, (turn,), (Add(turn.text, turn.speaker, (turn.id,)),), size)
    steps: dict[str, list[float]] = {"fork": [], "apply": [], "search": [], "together": []}
    for _ in range(count):
        times = [time.process_time()]
        mine = snapshot.fork()
        times.append(time.process_time())
        await mine.write("bench", change, vectors)
        times.append(time.process_time())
        await mine.search_vector("bench", query)
        times.append(time.process_time())
        for name, start, end in zip(steps, times, times[1:], strict=False):
            steps[name].append(1e6 * (end - start))
        steps["together"].append(1e6 * (times[-1] - times[0]))
    rows = [
        (name, size, round(percentile(took, 0.5), 1), round(percentile(took, 0.95), 1)) for name, took in steps.items()
    ]
    columns = ("step", "memories", "cpu_p50_us", "cpu_p95_us")
    return Table("fork", "one rollout's own bank: fork, one Add, one search for 60", columns, rows)
