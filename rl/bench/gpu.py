"""Where a GPU's time goes in training: tokens a second and utilisation by phase.

    python -m memory_r1.rl.bench.gpu --out FOLDER

makes a model from scratch, teaches it by SFT, trains it with GRPO (config `gpu-small`), and asks `nvidia-smi` twice a
second meanwhile. The phases of a step are verl's, one after the other up to the moment when the step was logged.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from memory_r1.memory.errors import MissingExtraError
from memory_r1.rl.bench.made import Table
from memory_r1.rl.trainer import launch, plan
from memory_r1.rl.trainer.export import export
from memory_r1.rl.trainer.progress import Progress

PHASES = ("gen", "old_log_prob", "ref", "adv", "update_actor", "update_weights")
"""verl's, in their order within a step."""
COLUMNS = ("phase", "seconds", "share_percent", "tokens_per_s", "gpu_percent")
_QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Logged:
    """A step as it was logged. `at`: seconds of the clock that the samples have, too."""

    at: float
    metrics: Mapping[str, float]


@dataclass(slots=True)
class Watch:
    """Samples of the GPUs' utilisation, (seconds, percent), from `begin` to `end`. Raises MissingExtraError."""

    samples: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    _ended: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Look twice a second, in a thread."""
        self._look()
        threading.Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        try:
            told = subprocess.run(_QUERY, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise MissingExtraError(f"nvidia-smi tells nothing ({error}): this benchmark needs a GPU") from error
        self.samples.append((time.monotonic(), fmean(float(line) for line in told.split())))


def split(steps: Sequence[Logged], samples: Sequence[tuple[float, float]]) -> Table:
    """Seconds, share, tokens a second and mean utilisation of each phase, over all steps.

    "gen" makes the response's tokens; the other phases read prompts and responses. "other": the rest of the step.
    """
    seconds: dict[str, float] = dict.fromkeys((*PHASES, "other"), 0.0)
    used: dict[str, list[float]] = {phase: [] for phase in seconds}
    made = read = 0.0
    for step in steps:
        took = {phase: step.metrics.get(f"timing_s/{phase}", 0.0) for phase in PHASES}
        whole = step.metrics.get("timing_s/step", sum(took.values()))
        took["other"] = max(0.0, whole - sum(took.values()))
        moment = step.at - whole
        for phase, long in took.items():
            seconds[phase] += long
            used[phase] += [percent for at, percent in samples if moment <= at < moment + long]
            moment += long
        rows = step.metrics.get("memory_r1/decisions", 0.0)
        made += rows * step.metrics.get("response_length/mean", 0.0)
        read += step.metrics.get("perf/total_num_tokens", 0.0)
    whole = sum(seconds.values()) or 1.0
    rows_ = [
        (
            phase, round(long, 2), round(100 * long / whole, 1),
            round((made if phase == "gen" else read) / long) if long and phase not in ("other", "adv") else "",
            round(fmean(used[phase]), 1) if used[phase] else "",
        )
        for phase, long in seconds.items()
    ]  # fmt: skip
    return Table("gpu", f"{len(steps)} training steps by phase", COLUMNS, rows_)


def measure(out: Path, size: str, steps: int, sft_steps: int) -> Table:
    """Make, teach, train and measure in the folder `out`; a run that was there goes on."""
    from memory_r1.rl.tiny.make import make

    start = out / "start"
    if not (start / "config.json").is_file():
        make(start, size, names=0)
    world = "world:conversations=400"
    roles = ("extractor", "manager", "answerer")
    taught = plan.prepare(plan.Request(roles, "sft", "gpu-small", world, str(start), out / "sft", steps=sft_steps))
    launch.train(taught)
    export(taught.out, taught.out / launch.POLICY)
    policy = str(taught.out / launch.POLICY)
    run = plan.prepare(plan.Request(("manager",), "grpo", "gpu-small", "world", policy, out / "grpo", steps=steps))
    logged: list[Logged] = []

    def on_progress(progress: Progress, new: bool) -> None:
        if new:
            logged.append(Logged(time.monotonic(), progress.metrics))

    watch = Watch()
    watch.begin()
    try:
        launch.train(run, on_progress)
    finally:
        watch.end()
    return split(logged[2:], watch.samples)


def main() -> None:
    """The command. Prints one line for each phase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", default="small")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--sft-steps", type=int, default=10_000)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    table = measure(given.out, given.size, given.steps, given.sft_steps)
    for row in (table.columns, *table.rows):
        sys.stdout.write("\t".join(map(str, row)) + "\n")


if __name__ == "__main__":
    main()
