"""What the speed benchmarks share: made-up banks of any size, a clock for the embedder, the machine, a table."""

from __future__ import annotations

import os
import platform
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from memory_r1.memory.analysis import index_text
from memory_r1.memory.embedders import Embedder
from memory_r1.memory.store import Dump, Store
from memory_r1.memory.stores.open import open_store, redacted
from memory_r1.memory.types import Add, Bank, Memory, Revision, Turn

START = datetime(2024, 1, 1, 9, 0)
SPEAKERS = ("Anna", "Ben")
_VERBS = ("bought", "painted", "visited", "lost", "found", "repaired", "cooked", "described", "planned", "sold")
_PLACES = ("Lisbon", "Oslo", "Kyoto", "the library", "the market", "a workshop", "her office", "the old mill")
_KINDS = (
    "red", "small", "broken", "wooden", "old", "heavy", "striped", "cheap", "round", "quiet", "green", "borrowed",
    "pale", "blue", "large", "clean", "dusty", "painted", "light", "folding", "plain", "square", "yellow", "tall",
)  # fmt: skip
_THINGS = (
    "kettle", "bicycle", "lamp", "guitar", "rug", "camera", "tent", "clock", "bookshelf", "sweater", "puzzle", "vase",
    "notebook", "drum", "ladder", "mirror", "radio", "suitcase", "teapot", "blanket", "kite", "bench", "pan", "basket",
)  # fmt: skip
_FRIENDS = ("a neighbour", "her brother", "an old friend", "a colleague", "Clara", "Tom", "the children", "nobody")


@dataclass(frozen=True, slots=True)
class Table:
    """A benchmark's result. `note` says what the figures are; each row has a cell for each of `columns`,
    whose names are stable.
    """

    name: str
    note: str
    columns: tuple[str, ...]
    rows: list[tuple[str | int | float, ...]]
    machine: dict[str, str] = field(default_factory=lambda: machine())


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "command": " ".join(["memory-r1", *map(redacted, sys.argv[1:])]),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def made_turns(count: int, seed: int = 0) -> list[Turn]:
    """`count` turns of two people, 20 to a session, each with one fact; no two alike."""
    chance = random.Random(seed)
    words = ["".join(chance.choices("bcdfglmnprst", k=1) + chance.choices("aeiou", k=1)) for _ in range(400)]
    turns: list[Turn] = []
    for at in range(count):
        things = " ".join("".join(chance.sample(words, 3)) for _ in range(5))
        text = f"{SPEAKERS[at % 2]} {chance.choice(_VERBS)} {things} in {chance.choice(_PLACES)}."
        turn = Turn(f"t{at}", f"s{at // 20}", at % 20, SPEAKERS[at % 2], text, START + timedelta(minutes=at))
        turns.append(turn)
    return turns


def plain_turns(count: int, seed: int = 0) -> list[Turn]:
    """As `made_turns`, of everyday words that come again and again, as in people's talk; no two alike."""
    chance = random.Random(seed)
    said: dict[str, None] = {}
    while len(said) < count:
        who, verb, place = SPEAKERS[len(said) % 2], chance.choice(_VERBS), chance.choice(_PLACES)
        thing, friend = f"{chance.choice(_KINDS)} {chance.choice(_THINGS)}", chance.choice(_FRIENDS)
        said[f"{who} {verb} a {thing} in {place} with {friend}."] = None
    return [
        Turn(f"t{at}", f"s{at // 20}", at % 20, SPEAKERS[at % 2], text, START + timedelta(minutes=at))
        for at, text in enumerate(said)
    ]


async def made_bank(bank: str, size: int, embedder: Embedder, seed: int = 0) -> Dump:
    """A bank of `size` live memories, each from one turn."""
    turns = made_turns(size, seed)
    memories = [
        Memory(f"m{n}", t.text, t.speaker, (t.id,), t.session, t.index, t.time, n) for n, t in enumerate(turns, 1)
    ]
    log = [
        Revision(n, f"turn:{t.id}", t.time, (Add(t.text, t.speaker, (t.id,)),), (f"m{n}",), (), (t.id,))
        for n, t in enumerate(turns, 1)
    ]
    texts = [index_text(m.text, m.speaker, m.when, m.recorded) for m in memories]
    vectors = np.concatenate([await embedder.embed(texts[at : at + 256]) for at in range(0, size, 256)])
    state = Bank(bank, embedder.name, embedder.dim, START, size, size, size, size)
    return Dump(state, tuple(turns), tuple(memories), tuple(log), vectors)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """The store at `url`; for "sqlite" and "memory" one of its own, gone afterwards."""
    with TemporaryDirectory(prefix="memory-r1-bench-") as folder:
        known = {"sqlite": f"sqlite:///{Path(folder) / 'bench.db'}", "memory": "memory://"}
        async with await open_store(known.get(url, url)) as store:
            yield store


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of `values` lie."""
    return float(np.quantile(values, share))
