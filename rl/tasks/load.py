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


def load_task(name: str, path: str | Path | None = None) -> Task:
    """The task `name`, read strictly from `path` (its file, or the folder that holds it), or from where
    `memory-r1 data prepare` put it.

    Raises InputError for an unknown name, or a task that isn't prepared; FileFormatError naming the place of what is
    malformed.
    """
    if name not in TASKS:
        raise InputError(f"there is no task {name!r}: choose one of {', '.join(TASKS)}")
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


def _read(name: str, file: Path) -> Task:
    task = TASKS[name](file, name)
    return replace(task, sha256=checksum(file))
