"""Which rows of the world an experiment trains on, and which it holds out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from memory_r1.memory.errors import InputError
from memory_r1.rl.experiments.players import Players, each
from memory_r1.rl.experiments.types import Setup, TestName
from memory_r1.rl.rollouts.types import ManagerRow, Row
from memory_r1.rl.training.world_rows import Choice, world_rows

TURNS = 4
"""Of a session."""
SPREAD = 5
"""So many rows are made for each that is used, so that few are of one world: intervals draw worlds."""
PARTS: Mapping[TestName, int] = {"manager": 1, "answerer": 1, "session": 5, "together": 2}
"""A test has this part of `Setup.held` rows."""

Rows = Sequence[Row]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of the manager are wanted, of what task and split: `count` of `turns` steps, see `Run.natural`."""

    world: str
    split: str
    count: int
    turns: int = 1
    natural: bool = False


def held_out(test: TestName, setup: Setup) -> Rows:
    """The rows of a test, from worlds of the test split, shuffled: the same for the same setup."""
    wanted = max(1, setup.held // PARTS[test])
    if test == "answerer":
        return world_rows("answerer", setup.world, "test", SPREAD * wanted, chosen(setup, None))[:wanted]
    if test == "together":
        return world_rows("manager", setup.world, "test", SPREAD * wanted, chosen(setup, {}), TURNS)[:wanted]
    session = test == "session"
    rows = Wanted(setup.world, "test", wanted, TURNS if session else 1, natural=session)
    return answerable_rows(setup, rows, SPREAD)


def chosen(setup: Setup, shares: Mapping[str, float] | None) -> Choice:
    """Which moments of the worlds become rows."""
    return Choice(questions=setup.questions, guards=setup.guards, shares=shares)


def answerable_rows(setup: Setup, wanted: Wanted, spread: int = 2) -> list[ManagerRow]:
    """Rows of the manager, with the questions that the frozen answerer gets right about the right bank.

    They are the first of `spread` times as many, or more where those don't give enough: kinds that the answerer knows
    less about are fewer. Raises InputError where it knows next to nothing.
    """
    choice = chosen(setup, {} if wanted.natural else None)
    environment = Players(Path(setup.policy), setup.answerer).environment("manager")
    most = 4 * spread * wanted.count
    for count in (spread * wanted.count, 2 * spread * wanted.count, most):
        rows = world_rows("manager", wanted.world, wanted.split, count, choice, wanted.turns)
        told = asyncio.run(each([row for row in rows if isinstance(row, ManagerRow)], environment.answerable))
        made = [row for row in told if row is not None]
        if len(made) >= wanted.count:
            return made[: wanted.count]
    raise InputError(f"of {most} rows the answerer {setup.answerer!r} can tell about {len(made)}: name a better one")
