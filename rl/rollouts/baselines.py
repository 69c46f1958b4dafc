"""What a row is worth without a policy: the rewards of always-NOOP and of the oracle, to see a policy's between.

And what of it a frozen answerer can tell: a question that it gets wrong about the right bank, too, teaches no manager.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Operation
from memory_r1.rl.rewards.functions import em
from memory_r1.rl.rollouts.clocks import Ledger
from memory_r1.rl.rollouts.play import Player, apply
from memory_r1.rl.rollouts.snapshots import BANK, Place, follow
from memory_r1.rl.rollouts.types import ManagerRow, Outcome, Reply, Seconds, Step


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


async def answerable(player: Player, row: ManagerRow, place: Place, ledger: Ledger) -> ManagerRow | None:
    """`row` without the questions that the frozen answerer gets wrong where the right operations were made.

    None where what is left tells nothing: no question, or a right change that none would miss. Right is an exact match.
    Raises InputError for a row whose right operations are unknown or can't be applied.
    """
    if any(step.right is None for step in row.steps):
        raise InputError(f"row {row.id!r} doesn't say what is right: only rows of the synthetic world do")
    right = [step.right or () for step in row.steps]
    told = [one.replies for one in await _outcomes(player, row, place, right, ledger)]
    kept = replace(row, steps=tuple(_known(step, replies) for step, replies in zip(row.steps, told, strict=True)))
    if not any(step.questions for step in kept.steps):
        return None
    if any(one.kind != "noop" for operations in right for one in operations):
        idle = await _outcomes(player, kept, place, [() for _ in right], ledger)
        if all(em(one) == 1.0 for one in idle if one.replies):
            return None
    return kept


def _known(step: Step, replies: tuple[Reply, ...]) -> Step:
    return replace(step, questions=tuple(one.question for one in replies if em(Outcome((one,))) == 1.0))


async def _earned(
    player: Player, row: ManagerRow, place: Place, decided: Sequence[tuple[Operation, ...]], ledger: Ledger
) -> float | None:
    """The mean reward over the steps of `row` that ask something; None where none does."""
    found = await _outcomes(player, row, place, decided, ledger)
    rewards = [(await player.score(one, ledger)).reward for one in found if one.replies]
    return fmean(rewards) if rewards else None


async def _outcomes(
    player: Player, row: ManagerRow, place: Place, decided: Sequence[tuple[Operation, ...]], ledger: Ledger
) -> list[Outcome]:
    """What comes of each step of `row` where `decided` is done."""
    store, digest, held = place.snapshot.fork(), place.digest, place.held
    found: list[Outcome] = []
    for step, operations in zip(row.steps, decided, strict=True):
        await apply(player.embedder, row, step, operations, store)
        digest = follow(digest, step.turn, operations)
        before, held = held, (await store.bank(BANK)).live
        found.append(Outcome(await player.ask(store, digest, step.questions, ledger), 0, before, held))
    return found
