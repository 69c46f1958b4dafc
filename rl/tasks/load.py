"""Opens a task by its name."""

from __future__ import annotations

from pathlib import Path

from memory_r1.memory.errors import InputError
from memory_r1.rl.tasks.locomo import locomo_task
from memory_r1.rl.tasks.types import Task

LOADERS = {"locomo": locomo_task}
"""What reads a task's file, by the task's name."""


def load_task(name: str, path: str | Path | None = None) -> Task:
    """The task `name`, read strictly from `path`, or from where `memory-r1 data prepare` put it.

    Raises InputError for an unknown name, or a task that isn't prepared; FileFormatError naming the place of what is
    malformed.
    """
    if name not in LOADERS:
        raise InputError(f"there is no task {name!r}: choose one of {', '.join(LOADERS)}")
    if path is None:
        raise InputError(f"task {name!r} is not prepared: `memory-r1 data prepare {name}` fetches it, or give its file")
    return LOADERS[name](path)
