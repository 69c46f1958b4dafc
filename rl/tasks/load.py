"""Opens a task by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from memory_r1.memory.errors import InputError
from memory_r1.rl.tasks.download import OnBytes
from memory_r1.rl.tasks.files import checksum
from memory_r1.rl.tasks.locomo import locomo_task
from memory_r1.rl.tasks.longmemeval import longmemeval_task
from memory_r1.rl.tasks.msc import msc_task
from memory_r1.rl.tasks.personas import personas_task
from memory_r1.rl.tasks.prepare import Prepared, Wanted, check_nltk, prepare, task_file
from memory_r1.rl.tasks.types import Task

TASKS: Mapping[str, Callable[[Path, str], Task]] = {
    "locomo": locomo_task,
    "longmemeval-oracle": longmemeval_task,
    "longmemeval-s": longmemeval_task,
    "msc": msc_task,
    "msc-personas": personas_task,
}
"""What reads a task's file, by the task's name. `sources.SOURCES` says where the files come from."""
WORLD = "world"
"""The task that is made, not read: "world", or with options "world:seed=1,conversations=20" (`rl.world.task`)."""


def load_task(name: str, path: str | Path | None = None) -> Task:
    """The task `name`, read strictly from `path` (its file, or the folder that holds it), or from where
    `memory-r1 data prepare` put it. `WORLD` is made, and has no file.

    Raises InputError for an unknown name, or a task that isn't prepared; FileFormatError naming the place of what is
    malformed.
    """
    if name.partition(":")[0] == WORLD:
        return _made(name, path)
    if name not in TASKS:
        raise InputError(f"there is no task {name!r}: choose one of {', '.join([*TASKS, WORLD])}")
    return _read(name, task_file(name, path))


def prepare_data(wanted: Wanted, on_bytes: OnBytes) -> tuple[Prepared, Task | None]:
    """Put a data set in its place (see `prepare.prepare`), and read the task from it: None for "nltk"."""
    loaded: list[Task] = []

    def check(path: Path) -> None:
        if wanted.name in TASKS:
            loaded.append(_read(wanted.name, path))
        else:
            check_nltk(path)

    done = prepare(wanted, check, on_bytes)
    if not done.fresh:
        check(done.path)
    return done, loaded[0] if loaded else None


def _made(name: str, path: str | Path | None) -> Task:
    from memory_r1.rl.world.task import world_task

    if path is not None:
        raise InputError(f"task {name!r} is made, not read: give it no file ({str(path)!r})")
    return world_task(name.partition(":")[2])


def _read(name: str, file: Path) -> Task:
    task = TASKS[name](file, name)
    return replace(task, sha256=checksum(file))
