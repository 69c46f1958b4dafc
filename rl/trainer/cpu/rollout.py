"""The rollout "local" of verl: one Ray actor with a Hugging Face model, which all agent loops ask for tokens.

LocalReplica   verl's handle on the actor
LocalServer    the actor: `graphs.local.Engine` behind verl's calls
Pusher         in the training worker: sends the trained weights to the actor
"""

# ruff: noqa: D102  verl documents what each of its calls is for

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import ray
import torch
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.config import HFModelConfig, RolloutConfig
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, TokenOutput

from memory_r1.graphs.local.engine import Engine, Sampling
from memory_r1.memory.errors import InputError
from memory_r1.rl.trainer.cpu.environment import ROLLOUT


def server_name(rank: int, suffix: str = "") -> str:
    """The Ray name of the actor of replica `rank`."""
    return f"memory_r1_local_server_{rank}{suffix}"


class LocalServer:
    """Answers verl's server manager with tokens as sampled and their log probabilities."""

    def __init__(self, config: Any, model_config: Any, rank: int) -> None:
        self._config: RolloutConfig = omega_conf_to_dataclass(config, dataclass_type=RolloutConfig)
        model: HFModelConfig = omega_conf_to_dataclass(model_config, dataclass_type=HFModelConfig)
        seed = (int(self._config.seed) + rank) << 32
        self._engine = Engine.load(str(model.local_path), seed=seed, batch=self._config.max_num_seqs)
        self._stop = _stop_ids(model)
        self._global_steps: int | None = None

    async def generate(
        self, prompt_ids: list[int], sampling_params: dict[str, Any], request_id: str, **_unused: Any
    ) -> TokenOutput:
        """The reply to one prompt, and which step's weights said it."""
        longest = self._config.max_model_len or self._config.prompt_length + self._config.response_length
        wanted = sampling_params.get("max_tokens") or sampling_params.get("max_new_tokens")
        limit = min(wanted or self._config.response_length, longest - len(prompt_ids))
        reply = await self._engine.generate(prompt_ids, sampling(sampling_params, max(1, limit), self._stop))
        return TokenOutput(
            token_ids=list(reply.token_ids),
            log_probs=list(reply.log_probs) if sampling_params.get("logprobs") is not None else None,
            stop_reason="completed",
            extra_fields={"global_steps": self._global_steps, "ended": reply.ended},
        )

    async def load_weights(self, weights: dict[str, torch.Tensor], global_steps: int | None = None) -> int:
        """Takes the weights of step `global_steps`; the number of tensors."""
        taken = await self._engine.load_weights(weights)
        self._global_steps = global_steps
        return taken

    async def set_global_steps(self, global_steps: int | None) -> None:
        self._global_steps = global_steps

    async def _nothing(self, *_args: Any, **_kwargs: Any) -> None:
        """What a server that shares an accelerator with the trainer does to make room; here each has its own memory."""

    clear_kv_cache = release_kv_cache = resume_kv_cache = _nothing
    abort_all_requests = resume_generation = start_profile = stop_profile = _nothing


def sampling(params: dict[str, Any], limit: int, stop: tuple[int, ...]) -> Sampling:
    """The sampling parameters of verl (vLLM's names, `top_k` -1 for none) as the engine's."""
    return Sampling(
        temperature=float(params.get("temperature", 1.0)),
        top_k=max(0, int(params.get("top_k") or 0)),
        top_p=float(params.get("top_p", 1.0)),
        max_tokens=limit,
        stop=tuple({*stop, *(params.get("stop_token_ids") or ())}),
        seed=params.get("seed"),
    )


def _stop_ids(model: HFModelConfig) -> tuple[int, ...]:
    """The ids that end a reply: the tokenizer's, and those of the model's generation settings."""
    settings = getattr(model.generation_config, "eos_token_id", None)
    several = settings if isinstance(settings, list) else [settings]
    return tuple({int(found) for found in (model.tokenizer.eos_token_id, *several) if found is not None})


class LocalReplica(RolloutReplica):
    """Starts the actor, beside the training worker and not in its slot."""

    async def launch_servers(self) -> None:
        name = server_name(self.replica_rank, self.name_suffix)
        options: dict[str, Any] = {"name": name, "num_cpus": 0, "max_concurrency": self.max_concurrency}
        actor: Any = ray.remote(LocalServer)
        server = actor.options(**options).remote(self.config, self.model_config, self.replica_rank)
        await server.set_global_steps.remote(None)
        self.servers = [server]
        self._server_handle = server
        self._server_address = f"memory-r1-local://{name}"

    async def sleep(self) -> None:
        """Nothing to make room for, so the actor isn't even asked."""

    async def wake_up(self) -> None:
        """It never slept."""


class Pusher(BaseRollout):
    """Sends the weights of the training worker to the actor of its replica."""

    def __init__(self, config: Any, model_config: Any, device_mesh: Any, replica_rank: int = -1) -> None:
        super().__init__(config, model_config, device_mesh)
        rank = int(os.environ["RANK"])
        size = self.config.tensor_model_parallel_size
        size *= self.config.data_parallel_size * self.config.pipeline_model_parallel_size
        self.replica_rank = rank // size if replica_rank == -1 else replica_rank
        self.is_leader_rank = rank % size == 0
        self._server: Any = None

    async def resume(self, tags: list[str]) -> None:
        """Nothing was put aside."""

    async def release(self) -> None:
        """The actor keeps its weights: they are in main memory."""

    @torch.no_grad()
    async def update_weights(
        self,
        weights: Iterable[tuple[str, torch.Tensor]],
        wire_format: str = "named_tensors",
        global_steps: int | None = None,
        **_unused: Any,
    ) -> None:
        """Gathers all tensors (every rank must: they are collectives) and sends them from the first rank."""
        if wire_format != "named_tensors":
            raise InputError(f"the rollout {ROLLOUT!r} takes whole tensors, not {wire_format!r}: use the naive backend")
        state = {name: tensor.detach().to("cpu").clone() for name, tensor in weights}
        if self.is_leader_rank:
            if self._server is None:
                self._server = ray.get_actor(server_name(self.replica_rank))
            await self._server.load_weights.remote(state, global_steps)
