"""Runs an evaluation on a Ray cluster: a task for each row and conversation, on whichever machine is free.

Each task does what `run.run_conversation` does in one process, into the same files: the evaluation's folder must be on
a file system that all machines share, under the same path, and each needs `memory-r1[rl,cluster]` and what the rows
need. A task whose machine is lost starts again elsewhere and goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

from memory_r1.memory.errors import InputError, MemoryR1Error, MissingExtraError, ModelUnavailableError
from memory_r1.rl.evaluation.evaluate import Failures, Runner
from memory_r1.rl.evaluation.files import RUN_FILE, Place
from memory_r1.rl.evaluation.plan import Plan
from memory_r1.rl.evaluation.run import OnStep, Step, run_conversation
from memory_r1.rl.systems.registry import Row, make_system
from memory_r1.rl.systems.types import System
from memory_r1.rl.tasks.types import Conversation

LOCAL = re.compile(r"local(?::([1-9]\d{0,3}))?")
"""Instead of an address: a cluster on this machine, gone at the end, of so many workers (default: its processors)."""
_ADDRESS = re.compile(r"(?:ray://)?\[?([^\[\]]+)\]?:(\d+)")
PATIENCE = 5.0
"""Seconds in which a cluster must take a connection."""
WAIT = 0.2
"""Seconds between two looks at what the tasks have done."""
OBJECTS = 100 << 20
"""Bytes of the local cluster's object store; only conversations pass through it."""


class Reports:
    """What the tasks have done since it was last asked: an actor on the cluster."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def add(self, steps: list[Step]) -> None:
        """Add what was done."""
        self._steps += steps

    def take(self) -> list[Step]:
        """What was added since the last call."""
        steps, self._steps = self._steps, []
        return steps


def on_cluster(address: str) -> Runner:
    """A runner for `evaluate.evaluate` on the cluster at `address`, or one of its own for "local" or "local:N".

    Raises MissingExtraError without Ray. The runner raises InputError when there is no such cluster, or when one of its
    machines doesn't see the evaluation's folder.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtraError.of("cluster", "ray") from None

    async def run(plan: Plan, systems: Mapping[str, System], on_step: OnStep) -> Failures:
        with _connected(ray, address):
            return await _Cluster(ray, replace(plan, out=plan.out.resolve()), on_step).run(set(systems))

    return run


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with ExitStack() as closing:
        if local := LOCAL.fullmatch(address):
            folder = closing.enter_context(TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
            options |= {"num_cpus": int(local[1]) if local[1] else None, "object_store_memory": OBJECTS}
            options |= {"include_dashboard": False, "_temp_dir": folder}
        else:
            _check_answers(address)
            options["address"] = address
        try:
            closing.callback(ray.shutdown)
            ray.init(**options)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise _no_cluster(address, error) from None
        yield


def _check_answers(address: str) -> None:
    """Raise InputError unless something takes connections at `address`: Ray itself would try for minutes."""
    parts = _ADDRESS.fullmatch(address)
    if parts:
        try:
            socket.create_connection((parts[1], int(parts[2])), timeout=PATIENCE).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(address, error) from None


def _no_cluster(address: str, error: Exception) -> InputError:
    return InputError(f"--ray {address!r}: no cluster can be had there ({error}): give its address, or local")


class _Cluster:
    """One evaluation's tasks."""

    def __init__(self, ray: Any, plan: Plan, on_step: OnStep) -> None:
        self.ray = ray
        self.plan = plan
        self.on_step = on_step
        self.failures: Failures = {}

    async def run(self, names: set[str]) -> Failures:
        reports = self.ray.remote(num_cpus=0)(Reports).remote()
        rows = [row for row in self.plan.rows if row.name in names]
        waiting = self._submitted(rows, reports)
        try:
            while waiting:
                done, _ = await asyncio.to_thread(self.ray.wait, list(waiting), timeout=WAIT)
                self._tell(reports)
                for task in done:
                    self._note(waiting.pop(task), task)
                if any(isinstance(error, ModelUnavailableError) for error in self.failures.values()):
                    break
        finally:
            for task in waiting:
                self.ray.cancel(task, force=True)
            self.ray.kill(reports)
        return {row.name: self.failures[row.name] for row in rows if row.name in self.failures}

    def _submitted(self, rows: list[Row], reports: Any) -> dict[Any, str]:
        """The tasks, with the row of each; what is finished already is told at once."""
        work = self.ray.remote(num_cpus=1)(_work)
        tasks: dict[Any, str] = {}
        for row in rows:
            place = Place(self.plan.out, row.name)
            for conversation in self.plan.conversations:
                if place.finished(conversation.id):
                    turns, questions = len(conversation.turns), len(conversation.questions)
                    self.on_step(Step(row.name, conversation.id, turns, questions, known=True))
                else:
                    task = work.remote(row, conversation, place, self.plan.at_once, reports)
                    tasks[task] = row.name
        return tasks

    def _tell(self, reports: Any) -> None:
        for step in self.ray.get(reports.take.remote()):
            self.on_step(step)

    def _note(self, row: str, task: Any) -> None:
        try:
            error = self.ray.get(task)
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as lost:
            error = MemoryR1Error(f"a task of the cluster was lost ({lost}); the same command goes on there")
        if error is not None:
            self.failures.setdefault(row, error)


def _work(row: Row, conversation: Conversation, place: Place, at_once: int, reports: Any) -> MemoryR1Error | None:
    """One row, one conversation, on some machine; its error, if any, as a value: typed, whatever Ray makes of one."""
    if not (place.out / RUN_FILE).exists():
        host = socket.gethostname()
        return InputError(
            f"{host} doesn't see {str(place.out)!r}: give an --out on a file system that all machines share"
        )
    try:
        asyncio.run(_run(row, conversation, place, at_once, reports))
    except MemoryR1Error as error:
        return error
    return None


async def _run(row: Row, conversation: Conversation, place: Place, at_once: int, reports: Any) -> None:
    told: list[Any] = []

    def on_step(step: Step) -> None:
        told[:] = [reports.add.remote([step])]

    system = await make_system(row)
    slots = asyncio.Semaphore(1 if row.offline else at_once)
    try:
        await run_conversation(system, conversation, place, slots, on_step)
    finally:
        await system.close()
        for last in told:  # reports come in order: with the last one all have come
            await last
