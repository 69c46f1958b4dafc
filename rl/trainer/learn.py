"""A whole training in one call: made ready, run to its end, its policy written as a Hugging Face folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memory_r1.rl.trainer.export import export
from memory_r1.rl.trainer.launch import POLICY, OnProgress, train
from memory_r1.rl.trainer.plan import Prepared


@dataclass(frozen=True, slots=True)
class Learned:
    """A finished training.

    `steps`: done in all. `policy`: the folder of the policy, that after step `step` (0: the model it began with) of
    `parameters` weights. `reward`: its validation reward, None where none was measured. `metrics`: the last step's.
    """

    out: Path
    steps: int
    policy: Path
    step: int
    parameters: int
    reward: float | None
    metrics: Mapping[str, float]


def learn(prepared: Prepared, on_progress: OnProgress = lambda _progress, _new: None) -> Learned:
    """Train what `plan.prepare` made ready, from the newest checkpoint if there is one; at once where all is done.

    Raises TrainingError, and what `export` raises.
    """
    progress = train(prepared, on_progress)
    done = export(prepared.out, prepared.out / POLICY)
    return Learned(
        prepared.out, progress.step, done.folder, done.step, done.parameters, done.reward, progress.summary()
    )
