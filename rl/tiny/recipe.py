"""How the shipped policy was made: `python -m memory_r1.rl.tiny.recipe --out FOLDER`; goes on where it stopped.

FOLDER/made      a policy of random weights (`rl.tiny.make`)
FOLDER/data      what it is taught (`rl.tiny.data`)
FOLDER/recall    taught to recall: 900 steps
FOLDER/start     then both roles: 3,500 steps. Experiments start from start/policy and, as it was at step 1,000,
                 start/early
FOLDER/longer    then both roles for longer: 9,000 steps
FOLDER/longest   and again, 14,000 steps, at a rate that rises and falls once more
FOLDER/tiny      and once more, 14,000 steps at three quarters of that rate; tiny/policy is what is shipped

Each stage is a training command of `tiny-cpu`: supervised fine-tuning of about 2,000 tokens a step.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from memory_r1.rl.tiny import data
from memory_r1.rl.tiny.make import make
from memory_r1.rl.trainer import launch, plan
from memory_r1.rl.trainer.export import export
from memory_r1.rl.trainer.progress import Progress

EARLY = 1_000
"""The step of `start` whose policy managers start from in the experiments: it has much to learn."""
TOLD = 100
"""So many steps between two lines that tell how far it is."""
_ALWAYS = ("optim.lr=2e-3", "trainer.test_freq=-1")
_WORLDS = ("data.train_batch_size=24", "data.balance=0.5")
_LONG = (*_WORLDS, "data.shares={manager:1,answerer:1.5}")


@dataclass(frozen=True, slots=True)
class Stage:
    """One training. `file`: of `rl.tiny.data`; `after`: the stage whose policy it begins with, "" for random weights.

    `keep`: a step whose policy is kept as well, in `early`; 0 for none.
    """

    name: str
    file: str
    after: str
    roles: tuple[str, ...]
    steps: int
    settings: tuple[str, ...]
    seed: int = 0
    keep: int = 0


STAGES = (
    Stage(
        "recall", "recall.parquet", "", ("answerer",), 900,
        ("data.train_batch_size=12", "optim.lr_scheduler_type=constant"),
    ),
    Stage(
        "start", "worlds.parquet", "recall", data.ROLES, 3_500, (*_WORLDS, "data.shares={manager:1,answerer:2}"),
        keep=EARLY,
    ),
    Stage("longer", "worlds.parquet", "start", data.ROLES, 9_000, _LONG, 1),
    Stage("longest", "worlds.parquet", "longer", data.ROLES, 14_000, _LONG, 2),
    Stage("tiny", "worlds.parquet", "longest", data.ROLES, 14_000, (*_LONG, "optim.lr=1.5e-3"), 3),
)  # fmt: skip


def request(stage: Stage, out: Path) -> plan.Request:
    """The training command of `stage` in the folder `out`."""
    start = out / stage.after / launch.POLICY if stage.after else out / "made"
    kept = (f"trainer.save_freq={stage.keep}", "trainer.max_ckpt_to_keep=null") if stage.keep else ()
    return plan.Request(
        stage.roles, "sft", "tiny-cpu", str(out / "data" / stage.file), str(start), out / stage.name,
        steps=stage.steps, seed=stage.seed, settings=(*_ALWAYS, *stage.settings, *kept),
    )  # fmt: skip


def follow(out: Path) -> Path:
    """Make what is missing in `out`; the folder of the last stage's policy. Raises as training does."""
    if not (out / "made" / "config.json").is_file():
        make(out / "made")
    if not (out / "data" / "worlds.parquet").is_file():
        sys.stderr.write("data: some 10 minutes\n")
        data.write(out / "data")
    policy = out
    for stage in STAGES:
        policy = out / stage.name / launch.POLICY
        if not (policy / "config.json").is_file():
            run = plan.prepare(request(stage, out))
            launch.train(run, _teller(stage.name))
            if stage.keep:
                export(run.out, run.out / "early", str(stage.keep))
            export(run.out, policy)
    return policy


def _teller(name: str) -> launch.OnProgress:
    def tell(now: Progress, new: bool) -> None:
        if new and not now.step % TOLD:
            sys.stderr.write(f"{name}: {now.line(time.monotonic())}\n")

    return tell


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    sys.stdout.write(f"{follow(given.out.resolve())}\n")


if __name__ == "__main__":
    main()
