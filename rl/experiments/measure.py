"""What a policy earns on held-out rows, greedily: exact match through the environment that trained it."""

from __future__ import annotations

from statistics import fmean

from memory_r1.graphs.local.completer import LocalCompleter
from memory_r1.rl.experiments.players import Players, each
from memory_r1.rl.experiments.rows import Rows
from memory_r1.rl.experiments.types import Role, Scored, TestName
from memory_r1.rl.rewards.functions import wrong
from memory_r1.rl.rollouts.environment import Environment
from memory_r1.rl.rollouts.types import AnswererRow, ManagerRow, Row
from memory_r1.rl.training.world_rows import KINDS


def role_of(test: TestName) -> Role:
    """Whom a test measures."""
    return "answerer" if test == "answerer" else "manager"


async def measure(rows: Rows, players: Players, role: Role) -> list[Scored]:
    """What the policy earns on each of `rows`, by exact match. Raises SettingsError, RolloutLostError."""
    environment = players.environment(role)
    completer = LocalCompleter(players.policy)
    try:
        return await each(rows, lambda row: _played(environment, row, completer))
    finally:
        await completer.aclose()


async def _played(environment: Environment, row: Row, policy: LocalCompleter) -> Scored:
    if isinstance(row, AnswererRow):
        decision = (await environment.answer(row, policy)).decisions[0]
        outcome = decision.outcome
        return Scored(
            row.id, row.conversation, row.question.category, decision.reward, outcome.malformed, wrong=wrong(outcome)
        )
    episode, base = await environment.manage(row, policy), await environment.baselines(row)
    told = [one for one in episode.decisions if one.outcome.replies or one.outcome.malformed]
    malformed = sum(one.outcome.malformed > 0 for one in episode.decisions)
    reward = fmean(one.reward for one in told) if told else 0.0
    return Scored(row.id, row.conversation, _kind(row), reward, malformed, base.noop, base.oracle)


def _kind(row: ManagerRow) -> str:
    """The rarest right operation of a row of one step; "session" of several."""
    if len(row.steps) > 1:
        return "session"
    right = {operation.kind for step in row.steps for operation in step.right or ()}
    return next((kind for kind in KINDS if kind in right), "")
