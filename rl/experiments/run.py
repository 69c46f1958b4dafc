"""Runs experiments: trains what is missing, measures what is missing, in the order of the catalogue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from memory_r1.memory.errors import MemoryR1Error
from memory_r1.rl.experiments.catalogue import EARLY, EXPERIMENTS, SEEDS, START, experiment, needed, start_of
from memory_r1.rl.experiments.data import steps_of
from memory_r1.rl.experiments.folder import Folder
from memory_r1.rl.experiments.measure import measure, role_of
from memory_r1.rl.experiments.players import Players
from memory_r1.rl.experiments.rows import Rows, held_out
from memory_r1.rl.experiments.table import pair_name
from memory_r1.rl.experiments.types import Experiment, Role, Run, TestName
from memory_r1.rl.training.rows import read_rows, write_rows

log = logging.getLogger(__name__)

Train = Callable[[Run, Folder, int], Path]
"""Trains a run with a seed and returns the folder of its policy; raises MemoryR1Error."""
Tell = Callable[[str], None]


class Runner:
    """Makes what is missing in `folder`. `train`: see `training.train`; `tell` gets a line for each thing done."""

    def __init__(self, folder: Folder, train: Train, tell: Tell) -> None:
        self._folder = folder
        self._train = train
        self._tell = tell
        self._rows: dict[TestName, Rows] = {}

    def run(self, names: Sequence[str] = (), seeds: Sequence[int] = SEEDS) -> bool:
        """Train and measure the experiments called so, all by default; whether none failed.

        A run that fails is kept in the folder with its error, and the others go on. Raises InputError for an unknown
        name.
        """
        chosen = [experiment(name) for name in names] or list(EXPERIMENTS)
        fine = True
        for one in chosen:
            self._start(one)
            for seed in seeds:
                for run in needed((one.name,)):
                    fine &= self._made(run, seed)
                    if run.name in one.runs and self._folder.done(run, seed):
                        for test in one.tests:
                            name = f"{run.name}-s{seed}"
                            self._measured(test, name, self._players(run, seed))
                for pair in one.pairs:
                    self._together(one, pair, seed)
        return fine

    def _made(self, run: Run, seed: int) -> bool:
        """Train `run` with `seed`, unless that is done; whether it is done."""
        name = f"{run.name}-s{seed}"
        if self._folder.done(run, seed):
            return True
        started = time.monotonic()
        self._tell(f"{name}: {steps_of(run, self._folder.setup)} steps")
        try:
            self._train(run, self._folder, seed)
        except MemoryR1Error as error:
            log.warning("%s failed: %s", name, error)
            self._folder.fail(name, str(error))
            self._tell(f"{name}: failed: {error}")
            return False
        self._folder.fail(name, "")
        self._tell(f"{name}: trained in {time.monotonic() - started:.0f} s")
        return True

    def _start(self, one: Experiment) -> None:
        """Measure the policy that the runs of `one` start from."""
        setup = self._folder.setup
        for test in one.tests:
            if one.pairs:
                both = Players(Path(setup.policy), f"local:{setup.answerer_policy}")
                self._measured(test, pair_name(START, START), both)
            else:
                name, role = start_of(one), role_of(test)
                self._measured(test, name, Players(Path(setup.start(role, name == EARLY)), setup.answerer))

    def _players(self, run: Run, seed: int) -> Players:
        return Players(self._folder.policy(run, seed), self._folder.setup.answerer, run.distil)

    def _together(self, one: Experiment, pair: tuple[str, str], seed: int) -> None:
        """Measure a manager beside an answerer, where both are there."""
        if pair == (START, START):
            return
        manager, answerer = self._policy(pair[0], "manager", seed), self._policy(pair[1], "answerer", seed)
        if manager is None or answerer is None:
            return
        for test in one.tests:
            self._measured(test, f"{pair_name(*pair)}-s{seed}", Players(manager, f"local:{answerer}"))

    def _policy(self, name: str, role: Role, seed: int) -> Path | None:
        """The policy of a run, or the one that training started from; None for a run that is not done."""
        if name == START:
            return Path(self._folder.setup.start(role))
        (run,) = [one for one in needed(tuple(e.name for e in EXPERIMENTS)) if one.name == name]
        return self._folder.policy(run, seed) if self._folder.done(run, seed) else None

    def _held_out(self, test: TestName) -> Rows:
        """The rows of `test`, which are made once in a folder."""
        path = self._folder.held(test)
        if not path.is_file():
            write_rows(path, held_out(test, self._folder.setup))
        return read_rows(path)

    def _measured(self, test: TestName, name: str, players: Players) -> None:
        """Measure, unless that is done."""
        if self._folder.scores(test, name) is not None:
            return
        if test not in self._rows:
            self._rows[test] = self._held_out(test)
        started = time.monotonic()
        scores = asyncio.run(measure(self._rows[test], players, role_of(test)))
        self._folder.keep(test, name, scores)
        mean = sum(one.em for one in scores) / len(scores)
        self._tell(f"{name}: {test} test {100 * mean:.1f} % in {time.monotonic() - started:.0f} s")
