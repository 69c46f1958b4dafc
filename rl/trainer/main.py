"""Training by verl over our environment: `python -m memory_r1.rl.trainer.main --config-name NAME key=value…`.

Hydra composes verl's own config with ours (`config/`). The exit status is 0 only when training reached its end.
"""

from __future__ import annotations

import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig, open_dict
from verl.trainer.main_ppo import run_ppo
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config
from verl.utils.device import auto_set_device

from memory_r1.memory.errors import SettingsError
from memory_r1.rl.trainer.checkpoints import saved
from memory_r1.rl.trainer.environments import rewards_of
from memory_r1.rl.trainer.runner import TaskRunner
from memory_r1.rl.trainer.settings import read_settings

log = logging.getLogger(__name__)

LOOPS = Path(__file__).with_name("agent_loops.yaml")


def prepare(config: DictConfig) -> None:
    """Fill in what every run of ours has, and refuse what can't work. Raises SettingsError, and verl's own errors."""
    settings = read_settings(config)
    rewards_of(settings)
    rollout = config.actor_rollout_ref.rollout
    with open_dict(config):
        rollout.agent.agent_loop_config_path = rollout.agent.agent_loop_config_path or str(LOOPS)
        rollout.calculate_log_probs = True
    mode = config.trainer.v1.trainer_mode
    if not config.trainer.use_v1 or mode != "sync":
        raise SettingsError(
            f"config key trainer.v1.trainer_mode={mode!r}: only verl's synchronous trainer is used here"
        )
    auto_set_device(config)
    validate_config(config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config))


def mend_tracker(checkpoints: Path) -> None:
    """Let the run resume when it was killed while verl wrote down which step is its newest: that file is then empty."""
    tracker = checkpoints / "latest_checkpointed_iteration.txt"
    if not tracker.is_file() or tracker.read_text().strip().isdecimal():
        return
    kept = saved(checkpoints.parent)
    if not kept:
        tracker.unlink()
        return
    draft = tracker.with_suffix(".tmp")
    draft.write_text(str(kept[-1].step))
    draft.replace(tracker)
    log.warning("%s was cut short by the end of the last attempt: going on from step %d", tracker, kept[-1].step)


@hydra.main(config_path="config", config_name="tiny-cpu", version_base=None)
def main(config: DictConfig) -> None:
    """Train as `config` says. Raises what made training fail."""
    prepare(config)
    mend_tracker(Path(config.trainer.default_local_dir))
    run_ppo(config, task_runner_class=TaskRunner)


if __name__ == "__main__":
    main()
