"""Makes training rows of a task as the settings say: with the oracle's banks, or with banks that the agent builds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from memory_r1.graphs.models import RULES, ModelOptions
from memory_r1.memory.settings import Settings, make_embedder
from memory_r1.rl.tasks import load_task
from memory_r1.rl.tasks.types import Task
from memory_r1.rl.training.banks import Builder, OnTurn
from memory_r1.rl.training.build import Wanted, build_task, build_world
from memory_r1.rl.training.tuples import Linking, Summary
from memory_r1.rl.training.world_rows import Choice
from memory_r1.rl.world.task import NAME


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows to make. `data`: the task's file, None for the prepared one. `banks`: where banks are kept, None:
    beside the file, until it is written. `gold`: a world's facts are the gold ones.

    `count`, `turns`, `choice` are of the oracle's rows; `linking` of those over banks that the agent builds.
    """

    wanted: Wanted
    task: str
    data: Path | None = None
    count: int = 1_000
    turns: int = 1
    choice: Choice = field(default_factory=Choice)
    linking: Linking = field(default_factory=Linking)
    banks: Path | None = None
    gold: bool = True


def by_oracle(settings: Settings, task: str) -> bool:
    """Whether the banks are the oracle's: of the world, where no model is named."""
    return is_world(task) and set(settings.models.values()) == {RULES}


def is_world(task: str) -> bool:
    """Whether `task` names the synthetic world."""
    return task.partition(":")[0] == NAME


def build_rows(asked: Rows, settings: Settings, on_turn: OnTurn | None = None) -> Summary:
    """Write the rows; what was built before an interruption is gone on with.

    Raises InputError, LeakError, StoreUnavailableError, and what the graph and its models raise.
    """
    if by_oracle(settings, asked.task):
        return build_world(asked.wanted, asked.task, asked.count, asked.choice, asked.turns)
    return asyncio.run(_build(asked, load_task(asked.task, asked.data), settings, on_turn))


async def _build(asked: Rows, task: Task, settings: Settings, on_turn: OnTurn | None) -> Summary:
    folder = asked.banks or asked.wanted.out.with_name(asked.wanted.out.name + ".banks")
    how = ModelOptions(api_key=settings.api_key.get_secret_value())
    gold = asked.gold and is_world(asked.task)
    builder = Builder(folder, settings.models, await make_embedder(settings), how, gold)
    return await build_task(asked.wanted, task, builder, asked.linking, on_turn, keep=asked.banks is not None)
