"""Folders as a training run leaves them, with made-up curves, for tests of the report."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from random import Random

OPERATIONS = {"add": 0.5, "update": 0.4, "delete": 0.2, "noop": 0.9}
CONFIG = """memory_r1:
  role: manager
  rewards: {em: 1.0, malformed: -0.2}
  control: none
data:
  seed: SEED
  train_files: world.parquet
trainer:
  total_training_steps: 60
  logger: [console, file]
"""


@dataclass(frozen=True)
class Made:
    """How a run is made up. `gain`: what the reward rises by; `every`: steps between validations."""

    steps: int = 60
    seed: int = 1
    gain: float = 0.4
    every: int = 10


def make_run(folder: Path, made: Made = Made()) -> Path:
    """A run's folder: metrics, configuration, best checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = Random(made.seed)
    with (folder / "metrics.jsonl").open("w", encoding="utf-8") as out:
        for step in range(1, made.steps + 1):
            if step % made.every == 0 or step == 1:
                out.write(line(step, validation(step, made, chance)))
            out.write(line(step, training(step, made, chance)))
    (folder / "config.yaml").write_text(CONFIG.replace("SEED", str(made.seed)), encoding="utf-8")
    best = {"step": made.steps, "reward": 0.5 + made.gain, "path": "checkpoints/best"}
    (folder / "best.json").write_text(json.dumps(best), encoding="utf-8")
    return folder


def line(step: int, data: dict[str, float | None]) -> str:
    return json.dumps({"step": step, "data": data}) + "\n"


def validation(step: int, made: Made, chance: Random) -> dict[str, float | None]:
    reward = level(0.5, step, made) + chance.gauss(0, 0.01)
    return {
        "memory_r1/val/reward/mean": reward, "memory_r1/val/baseline/noop": 0.5, "memory_r1/val/baseline/oracle": 0.99,
    }  # fmt: skip


def training(step: int, made: Made, chance: Random) -> dict[str, float | None]:
    data: dict[str, float | None] = {
        "memory_r1/reward/mean": level(0.5, step, made) + chance.gauss(0, 0.04),
        "memory_r1/baseline/noop": 0.5 + chance.gauss(0, 0.02),
        "memory_r1/baseline/oracle": 0.99,
        "memory_r1/groups/with_signal": 0.6 - 0.3 * step / made.steps,
        "memory_r1/part/em": level(0.5, step, made),
        "memory_r1/reward/category/two-hop": level(0.3, step, made),
        "memory_r1/reward/category/still": level(0.6, step, made),
        "memory_r1/malformed": 0.2 * math.exp(-step / 9), "memory_r1/truncated": 0.0, "memory_r1/lost": 0.0,
        "actor/ppo_kl": 1e-4 * chance.random(), "actor/kl_loss": 2e-3 * step, "actor/entropy": 0.4 - 0.004 * step,
        "actor/pg_loss": chance.gauss(0, 0.01), "actor/grad_norm": 0.3 + 0.1 * chance.random(),
        "response_length/mean": 14 - 0.05 * step, "training/rollout_probs_diff_max": 3e-9 * (1 + chance.random()),
        "memory_r1/seconds/generation": 0.7 + 0.1 * chance.random(), "memory_r1/seconds/answering": 0.2,
        "memory_r1/seconds/environment": 0.05, "memory_r1/seconds/environment_cpu": 0.2,
        "memory_r1/seconds/update": 0.5,
        "critic/not_a_number": None,
    }  # fmt: skip
    for name, start in OPERATIONS.items():
        data[f"memory_r1/reward/{name}"] = level(start, step, made) + chance.gauss(0, 0.06)
        data[f"memory_r1/right/{name}"] = min(1.0, max(0.0, level(start, step, made)))
        data[f"memory_r1/operation/{name}"] = 0.25
    return data


def level(start: float, step: int, made: Made) -> float:
    return start + made.gain * (1 - start) * (1 - math.exp(-3 * step / made.steps)) * 1.5
