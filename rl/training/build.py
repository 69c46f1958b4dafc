"""Makes a file of training rows: banks built where they must be, rows made, checked for leaks, and written whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from memory_r1.rl.rollouts.types import AnswererRow, ManagerRow
from memory_r1.rl.tasks.types import Task
from memory_r1.rl.training.banks import Builder, OnTurn, building, pasts
from memory_r1.rl.training.leaks import check_rows
from memory_r1.rl.training.rows import write_rows
from memory_r1.rl.training.tuples import Linking, Summary, answerer_rows, manager_rows, summarise
from memory_r1.rl.training.world_rows import Choice, Role, world_rows


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows, and the file that they go to."""

    role: Role
    split: str
    out: Path


async def build_task(
    wanted: Wanted,
    task: Task,
    builder: Builder,
    linking: Linking = Linking(),  # noqa: B008 - a frozen value
    on_turn: OnTurn | None = None,
    keep: bool = False,
) -> Summary:
    """Write the rows of a task's split, over banks that the agent builds. `keep`: the banks, for another build.

    What was built before an interruption is gone on with. Raises InputError for a split that the task lacks, LeakError,
    StoreUnavailableError, and what the graph raises.
    """  # fmt: skip
    conversations = task.split(wanted.split)
    with building(builder, task, keep):
        found = await pasts(builder, conversations, on_turn)
        rows: list[ManagerRow] | list[AnswererRow]
        if wanted.role == "manager":
            rows = [row for past in found for row in manager_rows(task, wanted.split, past, linking)]
        else:
            rows = [row for past in found for row in answerer_rows(task, wanted.split, past)]
        check_rows(rows, conversations, linking.link)
        _write(wanted, rows, {**builder.describe(task), **_plain(linking)})
    return summarise(rows, found, linking.link)


def build_world(
    wanted: Wanted,
    name: str,
    count: int,
    choice: Choice = Choice(),  # noqa: B008 - a frozen value
    turns: int = 1,
) -> Summary:
    """Write `count` rows of the synthetic world that task `name` names, over the oracle's banks.

    Raises InputError, LeakError and StoreUnavailableError.
    """
    rows = world_rows(wanted.role, name, wanted.split, count, choice, turns)
    check_rows(rows)
    _write(wanted, rows, {"task": name, "banks": "oracle", "count": str(count), "turns": str(turns), **_plain(choice)})
    return summarise(rows)


def _write(wanted: Wanted, rows: Sequence[ManagerRow] | Sequence[AnswererRow], made: Mapping[str, object]) -> None:
    write_rows(wanted.out, rows, {"role": wanted.role, "split": wanted.split, **made})


def _plain(value: Linking | Choice) -> dict[str, object]:
    return {name: setting for name, setting in asdict(value).items() if setting is not None}
