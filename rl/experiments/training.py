"""Trains one run through the library behind `memory-r1 train`, from files of its own."""

from __future__ import annotations

from pathlib import Path

from memory_r1.rl.experiments.data import steps_of, write_data
from memory_r1.rl.experiments.folder import Folder
from memory_r1.rl.experiments.types import Run
from memory_r1.rl.trainer import launch, plan
from memory_r1.rl.trainer.export import export

CONFIG = "tiny-cpu"
ONCE = 1_000_000
"""More steps than any run has: a checkpoint is written at the end alone."""


def train(run: Run, folder: Folder, seed: int) -> Path:
    """Train `run` with `seed`, or go on with it; the folder of the policy after its last step.

    Not the best by validation: experiments compare what equally many steps do. Raises TrainingError, SettingsError,
    InputError.
    """
    rows = folder.rows(run, seed, steps_of(run, folder.setup) * run.rows)
    made = [rows / name for name in ("train.parquet", "validation.parquet")]
    if not all(path.is_file() for path in made):
        write_data(run, folder.setup, seed, rows)
    prepared = plan.prepare(request(run, folder, seed, made[0]))
    launch.train(prepared)
    return export(prepared.out, folder.policy(run, seed), "last").folder


def request(run: Run, folder: Folder, seed: int, data: Path) -> plan.Request:
    """The training command of `run` with `seed` on `data`."""
    setup, manages = folder.setup, run.role == "manager"
    settings = [f"trainer.save_freq={ONCE}", *run.settings]
    if run.algorithm != "sft":
        own = {part.partition("=")[0] for part in run.settings}
        settings += [part for part in setup.settings if part.partition("=")[0] not in own]
        settings += [f"++memory_r1.distil={str(run.distil).lower()}", "++memory_r1.baselines=false"]
    return plan.Request(
        roles=(run.role,), algorithm=run.algorithm, config=CONFIG, data=str(data), out=folder.run(run, seed),
        model=setup.start(run.role, run.early),
        answerer=setup.answerer if manages and run.algorithm != "sft" else "",
        rewards=run.rewards, steps=steps_of(run, setup), seed=seed, settings=tuple(settings),
    )  # fmt: skip
