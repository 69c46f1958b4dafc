"""Starts a prepared run as a process of its own, follows it, and leaves nothing of it behind (`guard.py`).

OUT/config.yaml       the run's config, every reference resolved
OUT/run.json          what the command asked for
OUT/data/             rows made of the synthetic world
OUT/log.txt           what the trainer and its workers print
OUT/lock              held by the command that trains
OUT/metrics.jsonl     {"step", "data"} a line, over all attempts
OUT/tensorboard/      the same for TensorBoard
OUT/checkpoints/      as `checkpoints.py` tells
OUT/best.json         the best by validation reward
OUT/policy/           the policy as a Hugging Face folder, when the run is done
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from memory_r1.rl.trainer import guard
from memory_r1.rl.trainer.checkpoints import saved
from memory_r1.rl.trainer.errors import TrainingError
from memory_r1.rl.trainer.plan import CONFIG, Prepared
from memory_r1.rl.trainer.progress import ATTEMPT, Follower, Progress

LOG, LOCK, POLICY, TENSORBOARD = "log.txt", "lock", "policy", "tensorboard"
POLL = 0.25
"""Seconds between looks at the metrics."""
_ERROR = re.compile(r"(?:^|\s)((?:[A-Za-z_][\w.]*\.)?([A-Za-z_]\w*(?:Error|Exception|Failure))(?:\(\w+\))?: .+)$")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

OnProgress = Callable[[Progress, bool], None]
"""Told where the run stands, and whether a step is new."""


def train(run: Prepared, on_progress: OnProgress = lambda _progress, _new: None) -> Progress:
    """Run to the end, resuming from the newest checkpoint; how it ended. At once where all steps are done.

    Raises TrainingError with what the log says last, or where another command trains in the same folder. When
    interrupted, everything is ended before this returns.
    """
    try:
        with FileLock(run.out / LOCK, timeout=0):
            return _train(run, on_progress)
    except Timeout:
        raise TrainingError(
            f"another command is training in {str(run.out)!r}: wait until it ends, or name another --out"
        ) from None


def _train(run: Prepared, on_progress: OnProgress) -> Progress:
    progress = Progress(run.steps)
    kept = saved(run.out)
    if kept and kept[-1].step >= run.steps:
        progress.step = kept[-1].step
        return progress
    follower = Follower(run.out)
    follower.begin()
    log = run.out / LOG
    start = log.stat().st_size if log.is_file() else 0
    with log.open("ab") as file:
        process = _start(run, file.fileno())
        try:
            while process.poll() is None:
                _follow(follower, progress, on_progress)
                time.sleep(POLL)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            status = process.wait()
            _follow(follower, progress, on_progress)
    if status:
        raise TrainingError(
            f"training ended with status {status} after step {progress.step} of {run.steps}: "
            f"{why(log, start)}; the log is {str(log)!r}, and the same command goes on from the newest checkpoint",
            step=progress.step, log=str(log),
        )  # fmt: skip
    return progress


def command(run: Prepared) -> list[str]:
    """What is run: verl's trainer for RL, torch's launcher with verl's SFT trainer otherwise."""
    where = ["--config-path", str(run.out), "--config-name", Path(CONFIG).stem]
    quiet = ["hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout"]
    if not run.supervised:
        return [sys.executable, "-m", "memory_r1.rl.trainer.main", *where, *quiet]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(run.gpus)]
    return [sys.executable, *launcher, "-m", "memory_r1.rl.trainer.sft", *where, *quiet]


def why(log: Path, start: int = 0) -> str:
    """The last error that the log tells after `start`, as one line; what it says last where it tells none."""
    with log.open("rb") as file:
        file.seek(start)
        lines = _ANSI.sub("", file.read().decode("utf-8", "replace")).splitlines()
    for line in reversed(lines):
        found = _ERROR.search(line)
        if found and found[2] not in ("ChildFailedError", "RayTaskError"):
            return found[1].strip()[:500]
    return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "it printed nothing")


def _start(run: Prepared, log: int) -> subprocess.Popen[bytes]:
    env = {
        **os.environ, "PYTHONUNBUFFERED": "1", "VERL_FILE_LOGGER_PATH": str(run.out / ATTEMPT),
        "TENSORBOARD_DIR": str(run.out / TENSORBOARD), **run.env,
    }  # fmt: skip
    guarded = [sys.executable, guard.__file__, uuid.uuid4().hex, *command(run)]
    return subprocess.Popen(
        guarded, cwd=run.out, env=env, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
    )


def _follow(follower: Follower, progress: Progress, on_progress: OnProgress) -> None:
    steps = follower.new()
    for step in steps:
        progress.take(step, time.monotonic())
        on_progress(progress, True)
    if not steps:
        on_progress(progress, False)
