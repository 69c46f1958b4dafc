"""Our part of a training run's config: what stands under `memory_r1:`, read strictly.

role        manager or answerer: who is trained
rewards     weights by name (`memory_r1.rl.rewards`), e.g. {em: 1.0, malformed: -0.5}
judge       the model that judges answers, for the reward "judge"
answerer    the frozen answerer: oracle, or a model string (rules, tiny, local:PATH, openai:…)
embedder    as `memory_r1.memory.embedders.load_embedder` names it
limits      what the graphs look at: candidates per fact, hits per question, characters shown to the answerer
distil      the answerer selects memories before it answers; false: it answers from all of them
session     rolls: same-state attempts at each decision of a session; credit: decision, or broadcast
retries     more attempts at a rollout whose infrastructure failed
max_lost    the share of a step's rollouts that may be lost; above it the run fails
control     shuffled: rewards are permuted within each group, so nothing can be learned from them
baselines   measure always-NOOP and the oracle on every row
max_tokens  of a reply; null: data.max_response_length
seed        of all that is chosen here by chance
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory_r1.memory.errors import SettingsError

KEY = "memory_r1"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LimitSettings(_Strict):
    """What the graphs look at (`graphs.remember.Limits`), and the characters of memories shown to the answerer."""

    candidates: int = Field(default=5, ge=1)
    hits: int = Field(default=60, ge=1)
    per_speaker: int | None = Field(default=30, ge=1)
    answer_chars: int = Field(default=24_000, ge=1)


class SessionSettings(_Strict):
    """How a session of several turns is rolled out."""

    rolls: int = Field(default=4, ge=1)
    credit: Literal["decision", "broadcast"] = "decision"


class TrainingSettings(_Strict):
    """All of `memory_r1:`. The fields are told above."""

    role: Literal["manager", "answerer"] = "manager"
    rewards: dict[str, float] = Field(default={"em": 1.0}, min_length=1)
    judge: str = ""
    answerer: str = "oracle"
    embedder: str = "hashed"
    limits: LimitSettings = LimitSettings()
    distil: bool = True
    session: SessionSettings = SessionSettings()
    retries: int = Field(default=2, ge=0)
    max_lost: float = Field(default=0.01, ge=0, le=1)
    control: Literal["none", "shuffled"] = "none"
    baselines: bool = True
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int = 0


def read_settings(config: DictConfig | Mapping[str, Any]) -> TrainingSettings:
    """What `config`, the whole of a run's, says under `memory_r1`. Raises SettingsError naming the key."""
    node = config.get(KEY) or {}
    plain = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else node
    try:
        return TrainingSettings.model_validate(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join([KEY, *map(str, first["loc"])])
        raise SettingsError(f"config key {where}={first['input']!r}: {first['msg']}") from None
