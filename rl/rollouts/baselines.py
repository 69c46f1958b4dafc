"""What a row is worth without a policy: the rewards of always-NOOP and of the oracle, to see a policy's between."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean

from memory_r1.memory.types import Operation
from memory_r1.rl.rollouts.clocks import Ledger
from memory_r1.rl.rollouts.play import Player, apply
from memory_r1.rl.rollouts.snapshots import BANK, Place, follow
from memory_r1.rl.rollouts.types import ManagerRow, Outcome, Seconds


@dataclass(frozen=True, slots=True)
class Baselines:
    """The rewards of always-NOOP and of the oracle on a row; None where unknown. `seconds`: of measuring them."""

    noop: float | None = None
    oracle: float | None = None
    seconds: Seconds = field(default_factory=Seconds)


async def measure(player: Player, row: ManagerRow, place: Place) -> Baselines:
    """Both baselines of `row`, which starts at `place`. Raises InputError for right operations that can't be applied.

    They are applied as they stand, without graph or prompt: also on memories that retrieval would not have shown.
    """
    ledger = Ledger()
    with player.clocks.rollout(ledger):
        noop = await _earned(player, row, place, [() for _ in row.steps], ledger)
        right = [step.right for step in row.steps if step.right is not None]
        oracle = await _earned(player, row, place, right, ledger) if len(right) == len(row.steps) else None
    return Baselines(noop, oracle, ledger.seconds())


async def _earned(
    player: Player, row: ManagerRow, place: Place, decided: list[tuple[Operation, ...]], ledger: Ledger
) -> float | None:
    """The mean reward over the steps of `row` that ask something; None where none does."""
    store, digest, held = place.snapshot.fork(), place.digest, place.held
    rewards: list[float] = []
    for step, operations in zip(row.steps, decided, strict=True):
        await apply(player.embedder, row, step, operations, store)
        digest = follow(digest, step.turn, operations)
        before, held = held, (await store.bank(BANK)).live
        replies = await player.ask(store, digest, step.questions, ledger)
        if replies:
            rewards.append((await player.score(Outcome(replies, 0, before, held), ledger)).reward)
    return fmean(rewards) if rewards else None
