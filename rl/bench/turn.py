"""What the agent's own work on one turn costs, and whether it stays the same as the bank grows."""

from __future__ import annotations

from collections.abc import Sequence

from memory_r1.graphs import Roles, build_agent
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import InputError
from memory_r1.memory.stores.open import redacted
from memory_r1.memory.types import Add, Answer, Fact, Hit, Operation, Turn
from memory_r1.rl.bench.made import Table, made_turns, opened, percentile
from memory_r1.rl.systems.meters import MeteredEmbedder, Stopwatch

EDGE = 20
"""Turns at either end whose median is reported."""


class Echo:
    """Plays every role at no cost: each turn is one fact, each fact is added, nothing is answered."""

    async def extract(self, turn: Turn, context: Sequence[Turn]) -> list[Fact]:
        """The turn's text."""
        return [Fact(turn.text, turn.speaker, (turn.id,))]

    async def decide(self, facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> list[Operation]:
        """Add each."""
        return [Add(fact.text, fact.speaker, fact.turns) for fact in facts]

    async def answer(self, question: str, hits: Sequence[Hit], asked: object) -> Answer:
        """Nothing."""
        return Answer(question, "")


async def turn(store: str = "sqlite", turns: int = 1_000) -> Table:
    """Put `turns` turns of one fact each through `remember` with roles that cost nothing.

    Reports the processor time (of all threads of this process, not of a server) of the first and the last 20 turns,
    without embedding, which is given apart. `store`: "sqlite", "memory", or a URL.
    """
    if turns < 2 * EDGE:
        raise InputError(
            f"{turns} turns are too few to compare the first and the last {EDGE}: give at least {2 * EDGE}"
        )
    embedder, echo, watch = MeteredEmbedder(HashedEmbedder()), Echo(), Stopwatch(counts_cpu=True)
    own: list[float] = []
    wall: list[float] = []
    embed: list[float] = []
    made = made_turns(turns + 1)
    async with opened(store) as held:
        agent = build_agent(held, embedder, roles=Roles(echo, echo, echo))
        await agent.learn(made.pop(), "bench-turn-warm-up")
        try:
            for said in made:
                with watch.lap() as lap:
                    await agent.learn(said, "bench-turn")
                embed.append(1000 * lap.embedding)
                own.append(1000 * (lap.cpu or 0.0))
                wall.append(1000 * lap.wall)
        finally:
            for bank in ("bench-turn-warm-up", "bench-turn"):
                await held.erase_bank(bank)
    rows: list[tuple[str | int | float, ...]] = []
    for name, part in (("first 20", slice(None, EDGE)), ("last 20", slice(-EDGE, None)), ("all", slice(None))):
        times = (percentile(values[part], 0.5) for values in (own, wall, embed))
        rows.append((redacted(store), turns, name, *(round(value, 2) for value in times)))
    columns = ("store", "turns", "part", "own_cpu_p50_ms", "wall_p50_ms", "embedding_cpu_p50_ms")
    return Table("turn", "one turn of one fact through `remember`; own CPU leaves out embedding", columns, rows)
