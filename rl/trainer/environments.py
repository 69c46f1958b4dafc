"""The environment that a training config describes: made once in each process that rolls out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from memory_r1.graphs.local.folder import LOCAL, FolderLimits, read_limits
from memory_r1.graphs.models import ModelOptions, load_limits, load_roles
from memory_r1.graphs.remember import Limits
from memory_r1.graphs.roles import Answerer
from memory_r1.memory.embedders.load import load_embedder
from memory_r1.memory.errors import SettingsError
from memory_r1.memory.settings import load_settings
from memory_r1.rl.judge.judge import Judge
from memory_r1.rl.rewards.compose import Rewards
from memory_r1.rl.rewards.functions import JUDGE
from memory_r1.rl.rollouts.environment import Environment, Rules
from memory_r1.rl.trainer.settings import TrainingSettings
from memory_r1.rl.world.oracle import OracleAnswerer

ORACLE = "oracle"
"""The answerer that reads the synthetic world's sentences: right about any bank, and no model."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The model that is trained: what its folder states (`graphs.local.folder`) goes before the config, as in use."""

    stated: FolderLimits = field(default_factory=FolderLimits)
    model: str = ""

    @classmethod
    def at(cls, path: str) -> Policy:
        """The model at `path`; one that is no folder here states nothing. Raises SettingsError."""
        folder = Path(path).expanduser()
        return cls(read_limits(folder), f"{LOCAL}{folder}") if folder.is_dir() else cls()

    def max_tokens(self, settings: TrainingSettings, most: int) -> int:
        """Tokens of a reply, at most `most`."""
        return min(self.stated.max_tokens or settings.max_tokens or most, most)


def build_environment(settings: TrainingSettings, policy: Policy = Policy()) -> Environment:
    """The environment of `settings` for `policy`. Raises SettingsError, InputError, MissingExtraError, ModelError."""
    return Environment(
        load_embedder(settings.embedder),
        frozen_answerer(settings),
        rewards_of(settings),
        Rules(
            limits=_limits(settings, policy),
            answer_chars=policy.stated.answer_chars or settings.limits.answer_chars,
            distil=settings.distil,
            retries=settings.retries,
        ),
    )


def frozen_answerer(settings: TrainingSettings) -> Answerer:
    """Who answers while the manager is trained, greedily."""
    if settings.answerer == ORACLE:
        return OracleAnswerer()
    return load_roles({"answerer": settings.answerer}, _options(settings)).answerer


def rewards_of(settings: TrainingSettings) -> Rewards:
    """The rewards that the config composes. Raises InputError, and SettingsError for a judge that it doesn't name."""
    if JUDGE in settings.rewards and not settings.judge:
        raise SettingsError("the reward 'judge' needs a model: set memory_r1.judge=openai:MODEL@URL")
    return Rewards.of(settings.rewards, Judge(settings.judge, options=_options(settings)) if settings.judge else None)


def _limits(settings: TrainingSettings, policy: Policy) -> Limits:
    given = settings.limits
    limits = Limits(candidates=given.candidates, hits=given.hits, per_speaker=given.per_speaker)
    roles = {} if settings.answerer == ORACLE else {"answerer": settings.answerer}
    if policy.model:
        roles[settings.role] = policy.model
    return load_limits(roles, limits)


def _options(settings: TrainingSettings) -> ModelOptions:
    secrets = load_settings({})
    return ModelOptions(api_key=secrets.api_key.get_secret_value(), answer_chars=settings.limits.answer_chars)
