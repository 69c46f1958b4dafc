"""Runs an evaluation: every row of the plan over every conversation, what is done already left out."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from memory_r1.memory.embedders import Embedder
from memory_r1.memory.errors import InputError, MemoryR1Error, ModelUnavailableError
from memory_r1.rl.evaluation.files import Place, read_run, write_run, written
from memory_r1.rl.evaluation.plan import Plan, merged
from memory_r1.rl.evaluation.records import RowInfo, RunInfo, slug
from memory_r1.rl.evaluation.run import OnStep, Step, all_or_first, run_conversation
from memory_r1.rl.judge.judge import public_name
from memory_r1.rl.systems.registry import Row, forget, make_system
from memory_r1.rl.systems.types import System
from memory_r1.rl.tasks.types import Conversation

LOCK = "run.lock"
"""Held by the evaluation that writes into a folder."""
SAVE = 10.0
"""Seconds after which the time spent is written down again, which a crash would lose."""

Failures = dict[str, MemoryR1Error]
"""What stopped a row, by its name."""

Runner = Callable[[Plan, Mapping[str, System], OnStep], Awaitable[Failures]]
"""Runs the rows of a plan that have a system, and tells of each step."""

Make = Callable[..., Awaitable[System]]
"""As `make_system`: the system of a row, with an embedder that is loaded already."""


async def evaluate(
    plan: Plan, on_step: OnStep, runner: Runner, embedder: Embedder | None = None, make: Make = make_system
) -> Failures:
    """Do what is left of `plan`; `run.json` says what was run, and which rows could not be. `make`: as `make_system`.

    Call it while `held` holds the folder. Returns the errors that stopped rows; whatever they did is kept, and the same
    plan goes on there. Raises InputError when the folder holds results of something else, or when no row can run.
    """
    old = read_run(plan.out)
    async with AsyncExitStack() as closing:
        systems, lacking = await _systems(plan, partial(make, embedder=embedder), closing)
        rows = {row.name: _row_info(row, systems.get(row.name), lacking.get(row.name)) for row in plan.rows}
        run = merged(old, plan.info(rows, ()), plan.out)
        if old is None or dict(old.rows) != dict(run.rows):
            write_run(plan.out, run)
        if all(run.rows[row.name].not_run for row in plan.rows):
            raise InputError("nothing of it can run here: " + "; ".join(error.message for error in lacking.values()))
        begun = {name: error for name, error in lacking.items() if not _finished(plan, run, [name])}
        failures = {name: error for name, error in begun.items() if not run.rows[name].not_run}
        clock = _Clock(on_step, lambda: write_run(plan.out, _timed(run, clock, done=False)))
        try:
            return {**failures, **await runner(plan, systems, clock.step)}
        finally:
            run = _timed(run, clock, _finished(plan, run, run.rows))
            if clock.worked or old is None or old.finished != run.finished:
                write_run(plan.out, run)


async def _systems(
    plan: Plan, make: Callable[[Row], Awaitable[System]], closing: AsyncExitStack
) -> tuple[dict[str, System], Failures]:
    """The system of each row that can run here, and why the others can't."""
    systems: dict[str, System] = {}
    lacking: Failures = {}
    for row in plan.rows:
        try:
            systems[row.name] = system = await make(row)
        except MemoryR1Error as error:
            lacking[row.name] = error
        else:
            closing.push_async_callback(system.close)
    return systems, lacking


def _row_info(row: Row, system: System | None, error: MemoryR1Error | None) -> RowInfo:
    """What `run.json` says of a row: what it is made of, or why it can't run."""
    if system is None:
        return RowInfo({}, not_run=error.message if error is not None else "")
    return RowInfo({"answerer": public_name(row.models["answerer"]), **system.describe()})


async def run_here(plan: Plan, systems: Mapping[str, System], on_step: OnStep) -> Failures:
    """Run the rows in this process, one after another, each with several turns and questions at once.

    A row that asks no model does one thing at a time, since more would gain nothing and spoil its times. A row that
    fails leaves the others alone, unless a model can't be reached: the next rows would fail like it.
    """
    failures: Failures = {}
    for row in plan.rows:
        if row.name not in systems:
            continue
        try:
            await _run_row(plan, systems[row.name], 1 if row.offline else plan.at_once, on_step)
        except MemoryR1Error as error:
            failures[row.name] = error
            if isinstance(error, ModelUnavailableError):
                break
    return failures


async def _run_row(plan: Plan, system: System, at_once: int, on_step: OnStep) -> None:
    opened, slots = asyncio.Semaphore(at_once), asyncio.Semaphore(at_once)
    place = Place(plan.out, system.name)

    async def one(conversation: Conversation) -> None:
        async with opened:
            await run_conversation(system, conversation, place, slots, on_step)

    await all_or_first(one(conversation) for conversation in plan.conversations)


@dataclass
class _Clock:
    """Notes when each row was worked on, has it saved now and then, and passes each step on."""

    on_step: OnStep
    save: Callable[[], None]
    began: float = field(default_factory=time.monotonic)
    worked: bool = False
    spent: dict[str, float] = field(default_factory=dict[str, float])
    last: float = field(default_factory=time.monotonic)
    saved: float = field(default_factory=time.monotonic)

    def step(self, step: Step) -> None:
        """Count the time since the step before to the row of this one."""
        now = time.monotonic()
        if not step.known:
            self.worked = True
            self.spent[step.system] = self.spent.get(step.system, 0.0) + now - self.last
        self.last = now
        if self.worked and now - self.saved > SAVE:
            self.saved = now
            self.save()
        self.on_step(step)


def _timed(run: RunInfo, clock: _Clock, done: bool) -> RunInfo:
    rows = {name: replace(row, wall=row.wall + clock.spent.get(name, 0.0)) for name, row in run.rows.items()}
    wall = run.wall + (time.monotonic() - clock.began if clock.worked else 0.0)
    return replace(run, rows=rows, wall=wall, finished=done)


def _finished(plan: Plan, run: RunInfo, names: Iterable[str]) -> bool:
    """Whether every row of `names` that can run has answered everything."""
    able = [name for name in names if not run.rows[name].not_run]
    return all(Place(plan.out, name).finished(id) for name in able for id in run.conversations)


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Keep the folder `out`, which is made, for this process. Raises InputError while another one has it."""
    with written(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(f"another evaluation is writing into {str(out)!r}: wait until it ends") from None
    try:
        yield
    finally:
        lock.release()


async def clear(plan: Plan) -> None:
    """Throw away the evaluation where `plan` goes: what its `run.json` names, and nothing else.

    Raises MemoryR1Error when what a row keeps elsewhere can't be deleted; nothing is thrown away then.
    """
    out = plan.out
    run = read_run(out)
    if run is None:
        return
    for name in run.rows:
        await forget(name, Place(out, name).banks, plan.rows[0])
    with written(out):
        for name in ("judges", *map(slug, run.rows)):
            shutil.rmtree(out / name, ignore_errors=True)
        (out / "run.json").unlink()
