"""verl's synchronous trainer, with decisions as rows: what `PPOTrainerSync` does, and what is ours in its hooks.

A rollout returns one output for each decision. verl copies the last one's reward to all of them and groups by prompt;
so before advantages are computed, every row's reward and group are set from the record of its own decision. The same
records make the step's metrics, tell how many rollouts were lost, and in validation which checkpoint is the best.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
import transfer_queue as tq
from omegaconf import DictConfig
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.padding_utils import upsample_batch_to_divisible_size
from verl.trainer.ppo.v1 import PPOTrainerSync
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
from verl.utils import tensordict_utils as tu
from verl.utils.seqlen_balancing import log_seqlen_unbalance

from memory_r1.rl.rollouts.types import Record
from memory_r1.rl.trainer import metrics as measured
from memory_r1.rl.trainer.advantages import shuffled
from memory_r1.rl.trainer.best import Best
from memory_r1.rl.trainer.buffer import Buffer
from memory_r1.rl.trainer.errors import RolloutsLostError
from memory_r1.rl.trainer.records import of_sample, of_validation
from memory_r1.rl.trainer.settings import read_settings
from memory_r1.rl.trainer.workers import LoopManager

log = logging.getLogger(__name__)

VALIDATION = measured.PREFIX + "val/"


class MemoryTrainer(PPOTrainerSync):
    """The trainer of a memory manager or an answerer. `config`: verl's, with ours under `memory_r1`."""

    def __init__(self, config: DictConfig) -> None:
        self.settings = read_settings(config)
        self.best = Best.of(config)
        self._records: list[Record] = []
        self._rewarded: float | None = None
        super().__init__(config)

    def _build_replay_buffer(self) -> ReplayBuffer:
        """Ours; verl's own where the config names another one or filters groups."""
        sampler = self.config.trainer.v1.sampler
        if sampler.custom_sampler.path or self._resolve_filter_groups_metric():
            return super()._build_replay_buffer()
        return Buffer(
            settled=lambda seconds: cast(LoopManager, self.agent_loop_manager).settled(seconds),
            trainer_mode=self.trainer_mode,
            trainer_config=self.config.trainer.v1.get(self.trainer_mode, {}),
            max_off_policy_threshold=sampler.max_off_policy_threshold,
            max_off_policy_strategy=sampler.max_off_policy_strategy,
            sampler_kwargs=sampler.sampler_kwargs,
            refill_fn=self._add_prompts_to_generate,
        )

    def _fetch_one_gen_batch(self) -> TensorDict:
        """As verl's. A session makes its own attempts, so one rollout of it stands for `rollout.n` rows."""
        batch = super()._fetch_one_gen_batch()
        names = [str(name) for name in batch["agent_name"]]
        if "session" in names:
            each = [1 if name == "session" else self.config.actor_rollout_ref.rollout.n for name in names]
            batch["__rollout_n__"] = torch.tensor(each)
        return batch

    def _get_required_batch_multiple(self, dp_size: int) -> int:
        """As verl's, and one that log-probabilities' micro-batches divide, too: sessions make any number of rows."""
        policy = self.config.actor_rollout_ref
        micros = [policy.rollout] + ([policy.ref] if self.use_reference_policy else [])
        sizes = [one.log_prob_micro_batch_size_per_gpu * dp_size for one in micros if not one.log_prob_use_dynamic_bsz]
        if self.use_critic and not self.config.critic.use_dynamic_bsz:
            sizes.append(self.config.critic.forward_micro_batch_size_per_gpu * dp_size)
        return math.lcm(super()._get_required_batch_multiple(dp_size), *sizes)

    def _balance_batch(
        self,
        batch: KVBatchMeta,
        metrics: dict[str, Any],
        logging_prefix: str = "global_seqlen",
        keep_minibatch: bool = False,
    ) -> KVBatchMeta:
        """As verl's, which shares out rows (n log n, in Python) also where one rank gets all, in the order they had."""
        group: Any = self.actor_rollout_wg
        ranks = group._dispatch_info.get("actor") or group._query_dispatch_info("actor")
        if max(ranks) > 0:
            return super()._balance_batch(batch, metrics, logging_prefix, keep_minibatch)
        multiple = self._get_required_batch_multiple(1)
        batch = upsample_batch_to_divisible_size(batch, multiple, self.tokenizer.eos_token_id)
        lengths = [tag["seq_len"] for tag in batch.tags]
        metrics.update(log_seqlen_unbalance(lengths, [list(range(len(lengths)))], logging_prefix))
        return batch

    def _compute_advantage(self, batch: KVBatchMeta, metrics: dict[str, Any]) -> KVBatchMeta:
        """As verl's, of each decision's own reward within its own group. Raises RolloutsLostError."""
        fields = ["extra_fields", "response_mask"]
        data: Any = tq.kv_batch_get(keys=batch.keys, partition_id=str(batch.partition_id), select_fields=fields)
        padding = [bool(tag.get("is_padding")) for tag in batch.tags]
        records = [
            None if padded else of_sample(extra)
            for padded, extra in zip(padding, list(data["extra_fields"]), strict=True)
        ]
        self._records = [record for record in records if record is not None]
        self._check_lost(batch.keys, records, metrics)
        self._credit(batch, records, data["response_mask"])
        return super()._compute_advantage(batch, metrics)

    def _check_lost(self, keys: Sequence[str], records: Sequence[Record | None], metrics: dict[str, Any]) -> None:
        """Count the rollouts, and fail the run when too many were lost; what is known of the step is logged first."""
        runs, gone = set[str](), set[str]()
        for key, record in zip(keys, records, strict=True):
            if record is not None:
                run = key.rsplit("_", 1)[0]
                runs.add(run)
                if record.lost:
                    gone.add(run)
        metrics.update(measured.step_metrics(self._records, len(runs), len(gone)))
        if len(gone) > self.settings.max_lost * len(runs):
            self.logger.log(data=metrics, step=self.global_steps)
            raise RolloutsLostError(
                f"step {self.global_steps}: {len(gone)} of {len(runs)} rollouts were lost, more than "
                f"memory_r1.max_lost={self.settings.max_lost:g} allows: see 'rollout of row' in the run's log",
                step=self.global_steps, lost=len(gone), rollouts=len(runs),
            )  # fmt: skip

    def _credit(self, batch: KVBatchMeta, records: Sequence[Record | None], mask: Any) -> None:
        """Set every row's reward and group, on its last token as verl has it; padding and lost rows stay alone."""
        groups = [None if record is None or record.lost else record.group for record in records]
        rewards = [0.0 if record is None else record.reward for record in records]
        if self.settings.control == "shuffled":
            rewards = shuffled(rewards, groups, f"{self.settings.seed}:{self.global_steps}")
        scores: list[torch.Tensor] = []
        for length, reward in zip(mask.offsets().diff().tolist(), rewards, strict=True):
            row = torch.zeros(length)
            row[-1] = reward
            scores.append(row)
        names = [f"alone:{row}" if group is None else f"group:{group}" for row, group in enumerate(groups)]
        fields = {
            "rm_scores": torch.nested.as_nested_tensor(scores, layout=torch.jagged),
            "uid": np.array(names, dtype=object),
        }
        tq.kv_batch_put(keys=batch.keys, partition_id=str(batch.partition_id), fields=tu.get_tensordict(fields))

    def _compute_metrics(
        self, batch: KVBatchMeta, metrics: dict[str, Any], timing_raw: dict[str, float], global_steps: int, epoch: int
    ) -> None:
        """verl's, and where the seconds went."""
        super()._compute_metrics(batch, metrics, timing_raw, global_steps=global_steps, epoch=epoch)
        workers = self.config.actor_rollout_ref.rollout.agent.num_workers
        metrics.update(measured.second_metrics(self._records, timing_raw, workers))
        metrics[measured.PREFIX + "response_tokens"] = metrics["response_length/mean"]

    def _val_metrics_update(
        self,
        data_sources: list[str],
        sample_uids: list[str],
        reward_extra_infos_dict: dict[str, list[Any]],
        sample_turns: Any,
        expected_acc_counts: dict[tuple[str, str], int] | None = None,
    ) -> dict[str, float]:
        """The validation metrics: verl's, and ours of the records: the mean reward over decisions that were not lost.

        Raises RolloutsLostError.
        """
        told = reward_extra_infos_dict.pop("records", [])
        runs = [of_validation(text) for text in told if text]
        lost = sum(any(record.lost for record in run) for run in runs)
        found = super()._val_metrics_update(
            data_sources, sample_uids, reward_extra_infos_dict, sample_turns, expected_acc_counts
        )
        records = [record for run in runs for record in run]
        found |= measured.step_metrics(records, len(runs), lost, VALIDATION)
        if lost > self.settings.max_lost * len(runs):
            self.logger.log(data=found, step=self.global_steps)
            raise RolloutsLostError(
                f"validation at step {self.global_steps}: {lost} of {len(runs)} rollouts were lost: see "
                "'rollout of row' in the run's log"
            )
        self._rewarded = found.get(VALIDATION + "reward/mean")
        return found

    def on_validate_end(self) -> None:
        """Keep the checkpoint of this step if its validation reward is the best so far."""
        super().on_validate_end()
        if self._rewarded is not None and self.best.beaten_by(self._rewarded):
            if self.global_steps and not self.best.saved(self.global_steps):
                self._save_checkpoint()
            self.best.keep(self.global_steps, self._rewarded)
        self._rewarded = None
