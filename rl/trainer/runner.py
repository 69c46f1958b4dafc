"""The process that holds the trainer: a Ray actor which verl's `run_ppo` starts and waits for."""

from __future__ import annotations

import logging
from typing import Any, cast

import ray
import transfer_queue as tq
from omegaconf import DictConfig, OmegaConf
from verl.utils.logging_utils import configure_verl_logging

log = logging.getLogger(__name__)


@ray.remote
class TaskRunner:
    """Builds `MemoryTrainer` and trains. Mirrors verl's `TaskRunnerV1.run`: a Ray actor class can't be subclassed."""

    def run(self, config: DictConfig) -> None:
        """Train to the end. Raises what made training fail; the loggers are closed either way."""
        from memory_r1.rl.trainer.trainer import MemoryTrainer

        configure_verl_logging()
        logging.getLogger("memory_r1").setLevel(logging.INFO)
        config.transfer_queue.enable = True
        OmegaConf.resolve(config)
        tq.init(config.transfer_queue)
        trainer: Any = None
        succeeded = False
        try:
            trainer = cast(Any, MemoryTrainer)(config)  # verl's registry hides that its class is no abstract one
            trainer.init()
            trainer.fit(_rollouts(config, trainer))
            succeeded = True
        finally:
            try:
                if getattr(trainer, "logger", None) is not None:
                    trainer.logger.finish(exit_code=0 if succeeded else 1)
            finally:
                tq.close()


def _rollouts(config: DictConfig, trainer: Any) -> Any:
    from memory_r1.rl.trainer.workers import LoopManager

    return LoopManager.create(
        config=config,
        llm_client=trainer.get_llm_client(),
        teacher_client=trainer.get_teacher_client(),
        reward_loop_worker_handles=trainer.get_reward_handles(),
    )
