"""The variables of a run on CPUs; imports nothing of verl, so that a launcher may ask for them."""

MODULE = "memory_r1.rl.trainer.cpu.plugin"
"""What verl imports in every process."""
PLATFORM = "cpu"
ROLLOUT = "local"
"""The names in verl's registries."""


def environment() -> dict[str, str]:
    """What a training process, and all that it starts, needs in its environment to run on CPUs."""
    return {"VERL_PLATFORM": PLATFORM, "VERL_USE_EXTERNAL_MODULES": MODULE, "OMP_NUM_THREADS": "1"}
