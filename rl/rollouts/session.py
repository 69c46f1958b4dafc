"""Session episodes: several turns in a row, and credit for each decision.

A reward of a whole session says little about one decision of it. Stock GRPO gives all decisions of a rollout the one
advantage of its end: the good ones share the blame of the bad, and with T decisions a group of G compares G sums of T
choices, made on banks that differ from the second turn on. `credit="broadcast"` does this, for the comparison.

`credit="decision"`, the default, compares like with like. At each turn the policy decides G times from the same bank,
each time on a fork of its own (same-state re-rolls, as Memory-R2 does for a session, arXiv 2605.21768), and each is
rewarded by the questions whose evidence is that turn, and guards (evidence-anchored credit). Then one of the G goes on,
drawn by `seed` and blind to the rewards, so that the next bank is one that the policy itself would have come to. Both
ways make G decisions for each turn and ask the same questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal

from memory_r1.graphs.completers import Completer
from memory_r1.memory.errors import InputError
from memory_r1.rl.rollouts.clocks import Ledger
from memory_r1.rl.rollouts.play import Played, Player, together, whole
from memory_r1.rl.rollouts.types import Decision, ManagerRow

Credit = Literal["decision", "broadcast"]


@dataclass(frozen=True, slots=True)
class Session:
    """How sessions are played. `rolls`: decisions of each turn (G). `seed`: draws the roll that goes on.

    Raises InputError for fewer than one roll, and for a credit that is none.
    """

    rolls: int = 4
    credit: Credit = "decision"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rolls < 1:
            raise InputError(f"rolls={self.rolls!r} is no number of decisions for a turn: give 1 or more")
        if self.credit not in ("decision", "broadcast"):
            raise InputError(f"there is no credit {self.credit!r}: choose 'decision' or 'broadcast'")


async def rerolled(player: Player, row: ManagerRow, policy: Completer, ledger: Ledger, how: Session) -> list[Decision]:
    """For each turn: all rolls from one bank, then one of them goes on."""
    place = await player.start(row)
    decisions: list[Decision] = []
    for number, step in enumerate(row.steps):
        rolls = how.rolls if step.facts else 1  # without facts nobody is asked
        played = await together([player.decide(row, number, place, policy, ledger) for _ in range(rolls)])
        decisions += [one.decision for one in played]
        if number + 1 < len(row.steps):
            place = await player.leave(row, number, place, _drawn(played, f"{how.seed}/{row.id}/{number}"))
    return decisions


async def broadcast(player: Player, row: ManagerRow, policy: Completer, ledger: Ledger, how: Session) -> list[Decision]:
    """Whole sessions, each on its own; every decision has its session's reward, and compares with those at its turn."""
    sessions = await together([player.through(row, policy, ledger) for _ in range(how.rolls)])
    return [
        replace(one, reward=reward, group=f"{row.id}#{one.step}")
        for session, reward in ((session, whole(session)) for session in sessions)
        for one in session
    ]


def _drawn(played: Sequence[Played], seed: str) -> Played:
    """One of `played`. The rolls are alike by chance, so which one is drawn makes no difference on average."""
    return played[int.from_bytes(blake2b(seed.encode(), digest_size=8).digest(), "big") % len(played)]
