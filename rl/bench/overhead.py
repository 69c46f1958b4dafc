"""What each library does itself to remember one turn and to search: the same turns, model, embedder and protocol.

Every library, this one too, runs in a process of its own behind `rl.systems`' bridge, in front of a model that answers
at once (`rl.bench.stub`). So what is left is the library's own work.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from memory_r1.memory.embedders import Embedder
from memory_r1.memory.errors import MemoryR1Error, ModelError
from memory_r1.memory.types import Turn
from memory_r1.rl.bench.made import SPEAKERS, Table, percentile, plain_turns
from memory_r1.rl.bench.stub import Stub
from memory_r1.rl.systems.bridge import Endpoint
from memory_r1.rl.systems.hosted import HostedLearner, HostedSystem, Hosting
from memory_r1.rl.systems.peers import WORKERS, find_peer
from memory_r1.rl.systems.readers import make_reader
from memory_r1.rl.systems.zep import check_answers, neo4j_settings
from memory_r1.rl.tasks.types import Conversation

OURS = "memory-r1"
EDGE = 20
"""Turns at either end whose median is reported."""
SEARCHES = 100
MODULES = {OURS: "memory_r1.graphs", "mem0": "mem0", "langmem": "langmem", "zep": "graphiti_core"}
"""What a program imports of each library."""

FIGURES = (
    "version", "model_calls", "prompt_chars", "texts_embedded", "cpu_p50_ms", "cpu_first_20_p50_ms",
    "cpu_last_20_p50_ms", "search_p50_ms", "search_p95_ms", "search_cpu_p50_ms", "import_s", "not_run",
)  # fmt: skip
"""What is told of each library: counts per turn, processor time per turn, and so on; `not_run` says why it wasn't."""


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
    """How much is measured.

    `turns`: whose work is measured; `memories`: in the bank when it is searched. `neo4j`, `password`: of the server
    that zep needs.
    """

    turns: int = 200
    memories: int = 1_000
    neo4j: str = ""
    password: str = field(default="", repr=False)


async def overhead(
    systems: Sequence[str], embedder: Embedder, plan: Plan = Plan(), tell: Callable[[str], None] = lambda line: None
) -> Table:
    """Measure `systems` one after the other. One that can't run has a row that says why. `tell`: progress."""
    found: dict[str, dict[str, str | float]] = {}
    for name in systems:
        try:
            found[name] = _figures(await _measured(name, embedder, plan, tell), plan)
        except MemoryR1Error as error:
            found[name] = {"not_run": str(error)}
    note = (
        f"one turn of one fact, {plan.turns} turns, model answering at once; CPU is each library's process without the "
        f"clients of model and embedder; search for 60 of {plan.memories} memories, without the query's embedding; "
        f"embedder {embedder.name}; ratio: to {OURS}"
    )
    others = [name for name in found if name != OURS]
    columns = ("figure", *found, *(f"{name}_ratio" for name in others))
    rows: list[tuple[str | int | float, ...]] = [
        (
            figure,
            *(each.get(figure, "") for each in found.values()),
            *(_ratio(found[name].get(figure, ""), found.get(OURS, {}).get(figure, "")) for name in others),
        )
        for figure in FIGURES
    ]
    return Table("overhead", note, columns, rows)


def _ratio(theirs: str | float, ours: str | float) -> str | float:
    return "" if isinstance(theirs, str) or isinstance(ours, str) or not ours else round(theirs / ours, 2)


async def _measured(name: str, embedder: Embedder, plan: Plan, tell: Callable[[str], None]) -> Measured:
    turns = plain_turns(max(plan.turns, plan.memories))
    hosting = await _hosting(name, plan)
    seen = Measured(imported=_imported(hosting))
    async with Stub() as stub:
        system = HostedSystem(hosting, Endpoint("stub", stub.url), embedder, make_reader())
        with TemporaryDirectory(prefix="memory-r1-bench-", ignore_cleanup_errors=True) as folder:
            try:
                learner = await system.open(Conversation("bench", SPEAKERS, tuple(turns), ()), Path(folder))
                try:
                    seen.version = learner.ready["version"]
                    await _learn(learner, turns, seen, lambda line: tell(f"{name}: {line}"))
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


async def _learn(learner: HostedLearner, turns: Sequence[Turn], seen: Measured, tell: Callable[[str], None]) -> None:
    for at, turn in enumerate(turns):
        if at % 100 == 0:
            tell(f"turn {at} of {len(turns)}")
        done = await learner.learn(turn)
        if done.failures or sum(done.operations.values()) != 1:
            raise ModelError(f"turn {turn.id!r} became {dict(done.operations)!r}, not one memory: {done.failures!r}")
        seen.learned.append((done.usage.calls, done.usage.prompt_chars, done.embedded, done.cpu or 0.0))


async def _search(learner: HostedLearner, seen: Measured) -> None:
    for turn in plain_turns(SEARCHES + 1, seed=7):
        found = await learner.search(turn.text)
        seen.searched.append((found.seconds - found.client, found.cpu or 0.0))
    del seen.searched[0]  # the first reads the bank


async def _hosting(name: str, plan: Plan) -> Hosting:
    if name == OURS:
        return Hosting(OURS, Path(sys.executable), WORKERS / "memory_r1_worker.py")
    peer = find_peer(name)
    settings: Mapping[str, str] = {}
    if name == "zep":
        settings = neo4j_settings(plan.neo4j, plan.password)
        await check_answers(plan.neo4j)
    return Hosting(name, peer.environment.need(), peer.worker, settings=settings)


def _figures(seen: Measured, plan: Plan) -> dict[str, str | float]:
    calls, chars, texts, cpu = zip(*seen.learned[: plan.turns], strict=True)
    wall, searching = zip(*seen.searched, strict=True)
    counts = (_mean(calls), round(_mean(chars)), _mean(texts))
    times = (
        *(percentile(part, 0.5) for part in (cpu, cpu[:EDGE], cpu[-EDGE:])),
        percentile(wall, 0.5), percentile(wall, 0.95), percentile(searching, 0.5),
    )  # fmt: skip
    told = (seen.version, *counts, *(round(1000 * seconds, 2) for seconds in times), round(seen.imported, 2))
    return dict(zip(FIGURES, told, strict=False))


def _mean(values: Sequence[int]) -> float:
    return round(sum(values) / len(values), 2)
