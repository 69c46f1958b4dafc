"""What a policy earns on held-out rows, greedily: exact match through the environment that trained it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from memory_r1.graphs.local.completer import LocalCompleter
from memory_r1.memory.errors import InputError
from memory_r1.rl.experiments.types import Role, Scored, Setup, TestName
from memory_r1.rl.rollouts.environment import Environment
from memory_r1.rl.rollouts.types import AnswererRow, ManagerRow, Row
from memory_r1.rl.trainer.environments import Policy, build_environment
from memory_r1.rl.trainer.settings import LimitSettings, TrainingSettings
from memory_r1.rl.training.world_rows import KINDS, Choice, world_rows

AT_ONCE = 64
"""Episodes that are played at the same time."""
TURNS = 4
"""Of a session."""
SPREAD = 5
"""So many rows are made for each that is used, so that few are of one world: intervals draw worlds."""
LIMITS = LimitSettings(candidates=5, hits=8, per_speaker=8, answer_chars=2_000)
"""What policies are shown that state no limits of their own, as in the config `tiny-cpu`."""

R = TypeVar("R")
T = TypeVar("T")
Rows = Sequence[Row]


@dataclass(frozen=True, slots=True)
class Players:
    """Who plays a test: the folder of the policy that is measured, and the model string of who answers beside it."""

    policy: Path
    answerer: str
    distil: bool = True


def role_of(test: TestName) -> Role:
    """Whom a test measures."""
    return "answerer" if test == "answerer" else "manager"


def held_out(test: TestName, setup: Setup) -> Rows:
    """The rows of a test, from worlds of the test split, shuffled: the same for the same setup."""
    session = test == "session"
    wanted = max(1, setup.held // 5) if session else setup.held
    if test == "answerer":
        return world_rows("answerer", setup.world, "test", SPREAD * wanted, chosen(setup, None))[:wanted]
    rows = Wanted(setup.world, "test", wanted, TURNS if session else 1, natural=session)
    return answerable_rows(setup, rows, SPREAD)


def chosen(setup: Setup, shares: Mapping[str, float] | None) -> Choice:
    """Which moments of the worlds become rows."""
    return Choice(questions=setup.questions, guards=setup.guards, shares=shares)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of the manager are wanted, of what task and split: `count` of `turns` steps, see `Run.natural`."""

    world: str
    split: str
    count: int
    turns: int = 1
    natural: bool = False


def answerable_rows(setup: Setup, wanted: Wanted, spread: int = 2) -> list[ManagerRow]:
    """Rows of the manager, with the questions that the frozen answerer gets right about the right bank.

    They are the first of `spread` times as many, or more where those don't give enough: kinds that the answerer knows
    less about are fewer. Raises InputError where it knows next to nothing.
    """
    choice = chosen(setup, {} if wanted.natural else None)
    environment = _environment(Players(Path(setup.policy), setup.answerer), "manager")
    most = 4 * spread * wanted.count
    for count in (spread * wanted.count, 2 * spread * wanted.count, most):
        rows = world_rows("manager", wanted.world, wanted.split, count, choice, wanted.turns)
        told = asyncio.run(_each([row for row in rows if isinstance(row, ManagerRow)], environment.answerable))
        made = [row for row in told if row is not None]
        if len(made) >= wanted.count:
            return made[: wanted.count]
    raise InputError(f"of {most} rows the answerer {setup.answerer!r} can tell about {len(made)}: name a better one")


async def _each(rows: Sequence[R], play: Callable[[R], Awaitable[T]]) -> list[T]:
    """What `play` makes of each of `rows`, so many at the same time."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(row: R) -> T:
        async with turn:
            return await play(row)

    return list(await asyncio.gather(*map(one, rows)))


def _environment(players: Players, role: Role) -> Environment:
    settings = TrainingSettings(
        role=role, rewards={"em": 1.0}, answerer=players.answerer, limits=LIMITS, distil=players.distil
    )
    return build_environment(settings, Policy.at(str(players.policy)))


async def measure(rows: Rows, players: Players, role: Role) -> list[Scored]:
    """What the policy earns on each of `rows`, by exact match. Raises SettingsError, RolloutLostError."""
    environment = _environment(players, role)
    completer = LocalCompleter(players.policy)
    try:
        return await _each(rows, lambda row: _played(environment, row, completer))
    finally:
        await completer.aclose()


async def _played(environment: Environment, row: Row, policy: LocalCompleter) -> Scored:
    if isinstance(row, AnswererRow):
        decision = (await environment.answer(row, policy)).decisions[0]
        return Scored(row.id, row.conversation, row.question.category, decision.reward, decision.outcome.malformed)
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
