"""Where the seconds of a training step go: real steps of verl on this machine, split by phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from memory_r1.memory.errors import InputError
from memory_r1.rl.bench.made import Table, percentile
from memory_r1.rl.trainer import launch, plan
from memory_r1.rl.trainer.metrics import PREFIX
from memory_r1.rl.trainer.progress import FILE, Step, read_metrics

PHASES = ("generation", "answering", "environment", "update")
"""As `trainer.metrics` divides a step: the policy, the frozen answerer, neither model nor update, verl's update."""
COLUMNS = (
    "algorithm", "steps", "decisions", "step_s", *(f"{phase}_s" for phase in PHASES), "environment_percent",
    "environment_cpu_s", "tokens_per_s",
)  # fmt: skip
DECISIONS = 48
WORLD = "world:names=120"
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "grpo": (f"data.train_batch_size={DECISIONS // 8}", "actor_rollout_ref.rollout.n=8"),
    "ppo": (f"data.train_batch_size={DECISIONS}", "actor_rollout_ref.rollout.n=1"),
}
_QUIET = ("trainer.test_freq=-1", "trainer.val_before_train=false", "trainer.save_freq=1000000")


async def train(model: str, answerer: str, steps: int = 8, algorithms: Sequence[str] = ("grpo", "ppo")) -> Table:
    """Train the manager for `steps` steps of 48 decisions by each of `algorithms`, in a folder that goes afterwards.

    Medians over the steps after the first, which also compiles and warms up. `model`: the policy's folder, or "tiny";
    `answerer`: the frozen one, a model string. Raises InputError, SettingsError, TrainingError.
    """
    if steps < 2:
        raise InputError(f"steps={steps} leaves none after the first: ask for 2 or more")
    unknown = [name for name in algorithms if name not in _SETTINGS]
    if unknown:
        raise InputError(f"there is no algorithm {unknown[0]!r} to measure: choose from {', '.join(_SETTINGS)}")
    rows = [row(name, _trained(model, answerer, steps, name)) for name in algorithms]
    note = f"one training step of {DECISIONS} decisions, by phase: median seconds of the steps after the first"
    return Table("train", note, COLUMNS, rows)


def row(algorithm: str, steps: Sequence[Step]) -> tuple[str | int | float, ...]:
    """The line of one run. Raises InputError when there are not two steps, or a step lacks what is measured."""
    later = [step.metrics for step in steps[1:]]
    if not later:
        raise InputError(f"the run of {algorithm} made {len(steps)} steps: two are the least that tell anything")
    try:
        took = [sum(one[f"{PREFIX}seconds/{phase}"] for phase in PHASES) for one in later]
        parts = [percentile([one[f"{PREFIX}seconds/{phase}"] for one in later], 0.5) for phase in PHASES]
        made = [one[f"{PREFIX}decisions"] for one in later]
        tokens = [one[f"{PREFIX}response_tokens"] * count for one, count in zip(later, made, strict=True)]
        shares = [one[f"{PREFIX}seconds/environment"] / whole for one, whole in zip(later, took, strict=True)]
        worked = [one[f"{PREFIX}seconds/environment_cpu"] for one in later]
    except KeyError as error:
        raise InputError(f"the run of {algorithm} told no {error.args[0]!r}: its steps can't be taken apart") from None
    return (
        algorithm, len(later), round(percentile(made, 0.5)), round(percentile(took, 0.5), 2),
        *(round(part, 3) for part in parts), round(100 * percentile(shares, 0.5), 1), round(percentile(worked, 0.5), 3),
        round(percentile([count / whole for count, whole in zip(tokens, took, strict=True)], 0.5)),
    )  # fmt: skip


def _trained(model: str, answerer: str, steps: int, algorithm: str) -> list[Step]:
    with TemporaryDirectory(prefix="memory-r1-bench-") as folder:
        asked = plan.Request(
            roles=("manager",), algorithm="ppo" if algorithm == "ppo" else "grpo", config="tiny-cpu", data=WORLD,
            model=model, out=Path(folder) / "run", answerer=answerer, steps=steps,
            settings=(*_SETTINGS[algorithm], *_QUIET, "++memory_r1.baselines=false"),
        )  # fmt: skip
        prepared = plan.prepare(asked)
        launch.train(prepared)
        return read_metrics(prepared.out / FILE)
