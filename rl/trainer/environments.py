"""The environment that a training config describes: made once in each process that rolls out."""

from __future__ import annotations

from memory_r1.graphs.models import ModelOptions, load_roles
from memory_r1.graphs.remember import Limits
from memory_r1.graphs.roles import Answerer
from memory_r1.memory.embedders.load import load_embedder
from memory_r1.memory.settings import load_settings
from memory_r1.rl.rewards.compose import Rewards
from memory_r1.rl.rollouts.environment import Environment
from memory_r1.rl.trainer.settings import TrainingSettings
from memory_r1.rl.world.oracle import OracleAnswerer

ORACLE = "oracle"
"""The answerer that reads the synthetic world's sentences: right about any bank, and no model."""


def build_environment(settings: TrainingSettings) -> Environment:
    """The environment of `settings`. Raises SettingsError, InputError, MissingExtraError and ModelError."""
    limits = settings.limits
    return Environment(
        embedder=load_embedder(settings.embedder),
        answerer=frozen_answerer(settings),
        rewards=Rewards.of(settings.rewards),
        limits=Limits(candidates=limits.candidates, hits=limits.hits, per_speaker=limits.per_speaker),
    )


def frozen_answerer(settings: TrainingSettings) -> Answerer:
    """Who answers while the manager is trained, greedily."""
    if settings.answerer == ORACLE:
        return OracleAnswerer()
    secrets = load_settings({})
    options = ModelOptions(api_key=secrets.api_key.get_secret_value(), answer_chars=settings.limits.answer_chars)
    return load_roles({"answerer": settings.answerer}, options).answerer
