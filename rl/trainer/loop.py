"""Rollouts as verl's agent loops: one row in, the samples of one run of it through the compiled graphs out.

    manager     a turn, or several, remembered; rewarded by the questions asked afterwards
    session     several turns, with same-state attempts at each decision
    answerer    a question, answered

A rollout never raises: what fails for good becomes one masked sample whose record says `lost`, so its group stays
whole, and the trainer counts it. Loops are registered by `agent_loops.yaml`.
"""

from __future__ import annotations

import gc
import json
import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

from omegaconf import OmegaConf
from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopOutput

from memory_r1.graphs.completers import Completion
from memory_r1.rl.rollouts.environment import Baselines, Environment, Session
from memory_r1.rl.rollouts.errors import RolloutLostError
from memory_r1.rl.rollouts.types import AnswererRow, Episode, ManagerRow, Row
from memory_r1.rl.trainer.environments import Policy, build_environment
from memory_r1.rl.trainer.policy import ServerPolicy
from memory_r1.rl.trainer.records import RECORD, RECORDS
from memory_r1.rl.trainer.samples import Sample, lost_record, samples_of
from memory_r1.rl.trainer.settings import KEY, TrainingSettings, read_settings
from memory_r1.rl.training.rows import from_json

log = logging.getLogger(__name__)

LOCAL = "local"
"""The rollout (`trainer.cpu.rollout`) that takes a seed for each reply without loss of speed."""


@lru_cache(maxsize=512)
def _row(text: str) -> Row:
    return from_json(text)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rollouts of a process play. `max_tokens`: of a reply; `seeded`: whether each reply has its own seed."""

    settings: TrainingSettings
    environment: Environment
    max_tokens: int
    seeded: bool


class RolloutLoop(AgentLoopBase):
    """What the three loops share. The environment is made once for each process and config; a loop keeps no rollout."""

    _places: ClassVar[dict[str, Place]] = {}

    async def run(  # pyright: ignore[reportIncompatibleMethodOverride] - verl takes a list, too
        self, sampling_params: dict[str, Any], **kwargs: Any
    ) -> list[AgentLoopOutput]:
        """Run the row in `kwargs["row"]` once. Every decision that the policy was asked for is one output.

        `kwargs["validate"]`: whether the records go with the outputs for validation, too.
        """
        version = int(kwargs["global_steps"]) - 1
        try:
            place = self._place
            with place.environment.floor.seat():
                await place.environment.floor.take()
                policy = ServerPolicy(self, sampling_params, place.max_tokens, self._seed(place, kwargs))
                row = _row(kwargs["row"])
                episode = await self._play(place, row, policy, kwargs["global_steps"])
                samples = samples_of(row, episode, await _baselines(place, row))
        except Exception as error:
            name = str(kwargs["extra_info"].get("index"))
            if isinstance(error, RolloutLostError):
                log.error("rollout of row %s lost: %s", name, error)
            else:
                log.exception("rollout of row %s lost by a defect", name)
            return self._outputs([Sample(None, lost_record(name))], (version, version), kwargs.get("validate", False))
        return self._outputs(samples, policy.versions or (version, version), kwargs.get("validate", False))

    @abstractmethod
    async def _play(self, place: Place, row: Row, policy: ServerPolicy, step: int) -> Episode:
        """One run of `row` at training step `step`."""

    @cached_property
    def _place(self) -> Place:
        path = self.config.actor_rollout_ref.model.path
        key = json.dumps([OmegaConf.to_container(self.config[KEY], resolve=True), path], sort_keys=True)
        if key not in self._places:
            settings, trained = read_settings(self.config), Policy.at(path)
            most = trained.max_tokens(settings, self.rollout_config.response_length)
            seeded = self.rollout_config.name == LOCAL
            self._places[key] = Place(settings, build_environment(settings, trained), most, seeded)
            # What a process has loaded by now stays: collecting garbage need not walk over it between rollouts.
            gc.collect()
            gc.freeze()
        return self._places[key]

    def _seed(self, place: Place, kwargs: dict[str, Any]) -> str:
        """Names this rollout among all of the run; "" where the servers' own order of sampling is good enough."""
        if not place.seeded:
            return ""
        one = (place.settings.seed, kwargs["global_steps"], kwargs["extra_info"]["index"], kwargs["session_id"])
        return "/".join(map(str, one))

    def _outputs(self, samples: Sequence[Sample], versions: tuple[int, int], validate: bool) -> list[AgentLoopOutput]:
        told = {RECORDS: json.dumps([asdict(sample.record) for sample in samples])} if validate else {}
        return [self._output(sample, told, versions) for sample in samples]

    def _output(self, sample: Sample, told: dict[str, str], versions: tuple[int, int]) -> AgentLoopOutput:
        """The sample as verl wants it; one without tokens has a single one, masked."""
        tokenizer: Any = self.tokenizer
        record, end = sample.record, int(tokenizer.eos_token_id)
        call = sample.call or Completion("", (end,), (end,), (0.0,))
        return AgentLoopOutput(
            prompt_ids=list(call.prompt_ids),
            response_ids=list(call.token_ids),
            response_mask=[0 if sample.call is None else 1] * len(call.token_ids),
            response_logprobs=list(call.log_probs),
            reward_score=record.reward,
            num_turns=2,
            metrics={"generate_sequences": record.generation_s},  # pyright: ignore[reportArgumentType] - pydantic
            extra_fields={
                RECORD: asdict(record),
                "reward_extra_info": told,
                "min_global_steps": versions[0],
                "max_global_steps": versions[1],
                "turn_scores": [],
                "tool_rewards": [],
            },
        )


class ManagerLoop(RolloutLoop):
    """The manager's episode (paper, algorithm 1)."""

    async def _play(self, place: Place, row: Row, policy: ServerPolicy, step: int) -> Episode:
        assert isinstance(row, ManagerRow), f"agent_name is 'manager', the row's kind {row.kind!r}"
        return await place.environment.manage(row, policy)


class SessionLoop(RolloutLoop):
    """A session of several turns; greedy sampling has nothing to compare, so it tries each decision once."""

    async def _play(self, place: Place, row: Row, policy: ServerPolicy, step: int) -> Episode:
        assert isinstance(row, ManagerRow), f"agent_name is 'session', the row's kind {row.kind!r}"
        said = place.settings.session
        how = Session(1 if policy.greedy else said.rolls, said.credit, place.settings.seed + step)
        return await place.environment.session(row, policy, how)


class AnswererLoop(RolloutLoop):
    """The answerer's episode (paper, algorithm 2)."""

    async def _play(self, place: Place, row: Row, policy: ServerPolicy, step: int) -> Episode:
        assert isinstance(row, AnswererRow), f"agent_name is 'answerer', the row's kind {row.kind!r}"
        return await place.environment.answer(row, policy)


async def _baselines(place: Place, row: Row) -> Baselines:
    return await place.environment.baselines(row) if place.settings.baselines else Baselines()
