"""What each library does itself to remember one turn and to search, side by side: same turns, model, embedder, protocol.

Every library, this one too, runs in a process of its own behind `rl.systems`' bridge, in front of a model that answers
at once (`rl.bench.stub`). So what is left is the library's own work.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from memory_r1.memory.embedders import Embedder
from memory_r1.memory.errors import MemoryR1Error
from memory_r1.memory.types import Turn
from memory_r1.rl.bench.made import SPEAKERS, Table, percentile, plain_turns
from memory_r1.rl.bench.stub import Stub
from memory_r1.rl.systems.bridge import Endpoint
from memory_r1.rl.systems.hosted import HostedLearner, HostedSystem, Hosting
from memory_r1.rl.systems.peers import WORKERS, find_peer
from memory_r1.rl.tasks.types import Conversation

OURS = "memory-r1"
EDGE = 20
"""Turns at either end whose median is reported."""
SEARCHES = 100
MODULES = {OURS: "memory_r1.graphs", "mem0": "mem0", "langmem": "langmem", "zep": "graphiti_core"}
"""What a program imports of each library."""

COLUMNS = (
    "system", "version", "model_calls", "prompt_chars", "texts_embedded", "cpu_p50_ms", "cpu_first_20_ms",
    "cpu_last_20_ms", "search_p50_ms", "search_p95_ms", "search_cpu_p50_ms", "import_s", "note",
)  # fmt: skip


@dataclass(slots=True)
class Measured:
    """What one library was seen to do. `learned`: (model calls, prompt characters, texts, CPU seconds) of each turn.

    `searched`: (wall seconds without the query's embedding, CPU seconds) of each search.
    """

    version: str = ""
    imported: float = 0.0
    learned: list[tuple[int, int, int, float]] = field(default_factory=list[tuple[int, int, int, float]])
    searched: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. `turns`: whose work is measured; `memories`: in the bank when it is searched."""

    turns: int = 200
    memories: int = 1_000
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


async def overhead(
    systems: Sequence[str], embedder: Embedder, plan: Plan = Plan(), tell: Callable[[str], None] = lambda line: None
) -> Table:
    """Measure `systems` one after the other. One that can't run has a row that says why. `tell`: progress."""
    rows: list[tuple[str | int | float, ...]] = []
    for name in systems:
        try:
            rows.append(_row(name, await _measured(name, embedder, plan, tell), plan))
        except MemoryR1Error as error:
            rows.append((name, "", *[""] * (len(COLUMNS) - 3), f"not run: {error}"))
    note = (
        f"one turn of one fact, {plan.turns} turns, model answering at once; CPU is each library's process without "
        f"HTTP client, model and embedding; search of {plan.memories} memories for 60, without the query's embedding; "
        f"embedder {embedder.name}"
    )
    return Table("overhead", note, COLUMNS, rows)


def ratios(table: Table) -> list[tuple[str, ...]]:
    """Every other library's figures as multiples of ours: (system, figure, …), "" where either is missing."""
    names = ("model_calls", "prompt_chars", "texts_embedded", "cpu_p50_ms", "search_p50_ms")
    found = {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    ours = found.pop(OURS, {})
    return [(name, *(_ratio(row[figure], ours.get(figure, "")) for figure in names)) for name, row in found.items()]


def _ratio(theirs: str | int | float, ours: str | int | float) -> str:
    if isinstance(theirs, str) or isinstance(ours, str) or not ours:
        return ""
    return f"{theirs / ours:.1f}x"


async def _measured(name: str, embedder: Embedder, plan: Plan, tell: Callable[[str], None]) -> Measured:
    turns = plain_turns(max(plan.turns, plan.memories))
    hosting = _hosting(name, plan)
    seen = Measured(imported=_imported(hosting))
    async with Stub() as stub:
        system = HostedSystem(hosting, Endpoint("stub", stub.url), embedder, _Unread())
        with TemporaryDirectory(prefix="memory-r1-bench-", ignore_cleanup_errors=True) as folder:
            try:
                learner = await system.open(Conversation("bench", SPEAKERS, tuple(turns), ()), Path(folder))
                try:
                    seen.version = learner.ready["version"]
                    await _learn(learner, stub, turns, seen, lambda line: tell(f"{name}: {line}"))
                    await _search(learner, seen)
                finally:
                    await learner.close()
            finally:
                await system.close()
    return seen


def _imported(hosting: Hosting) -> float:
    """Seconds that a fresh process of its own Python takes to import the library: the median of three."""
    module = MODULES[hosting.name]
    code = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    command = [str(hosting.python), "-I", "-c", code]
    return median(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(3))


async def _learn(
    learner: HostedLearner, stub: Stub, turns: Sequence[Turn], seen: Measured, tell: Callable[[str], None]
) -> None:
    for at, turn in enumerate(turns):
        if at % 100 == 0:
            tell(f"turn {at} of {len(turns)}")
        stub.fact = turn.text
        done = await learner.learn(turn)
        seen.learned.append((done.usage.calls, done.usage.prompt_chars, done.embedded, done.cpu or 0.0))


async def _search(learner: HostedLearner, seen: Measured) -> None:
    for turn in plain_turns(SEARCHES + 1, seed=7):
        found = await learner.search(turn.text)
        seen.searched.append((found.seconds - found.embedding, found.cpu or 0.0))
    del seen.searched[0]  # the first reads the bank


def _hosting(name: str, plan: Plan) -> Hosting:
    if name == OURS:
        return Hosting(OURS, Path(sys.executable), WORKERS / "memory_r1_worker.py")
    peer = find_peer(name)
    return Hosting(name, peer.environment.need(), peer.worker, settings=plan.settings)


def _row(name: str, seen: Measured, plan: Plan) -> tuple[str | int | float, ...]:
    calls, chars, texts, cpu = zip(*seen.learned[: plan.turns], strict=True)
    wall, searching = zip(*seen.searched, strict=True)
    edges = (cpu, cpu[:EDGE], cpu[-EDGE:])
    return (
        name, seen.version, _mean(calls), round(_mean(chars)), _mean(texts),
        *(round(1000 * percentile(part, 0.5), 2) for part in edges),
        *(round(1000 * percentile(wall, share), 2) for share in (0.5, 0.95)),
        round(1000 * percentile(searching, 0.5), 2), round(seen.imported, 2), "",
    )  # fmt: skip


def _mean(values: Sequence[int]) -> float:
    return round(sum(values) / len(values), 2)


class _Unread:
    """A reader for a system that is asked nothing."""

    async def read(self, *_: object) -> Any:
        raise AssertionError("nothing is asked")

    async def close(self) -> None:
        """Nothing to close."""
