"""Endpoints and secrets: options first, then the environment (`MEMORY_R1_STORE`, …), then the defaults.

Read when asked for, by the command line and by the agent server alike. Names of models pass through as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_data_path
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from memory_r1.memory.errors import SettingsError, StoreUnavailableError

if TYPE_CHECKING:
    from memory_r1.memory.embedders import Embedder
    from memory_r1.memory.store import Store

ROLES = ("extractor", "manager", "answerer")
"""The three roles of the agent, each with a model of its own if wished."""

BUILT_IN = "hashed"
"""The embedder that needs nothing."""


class Settings(BaseSettings):
    """Where memories are kept and who decides about them. Every field is an option and a variable `MEMORY_R1_<FIELD>`.

    `model` answers for every role that has none of its own. Without `embedder` a bank keeps the one that it was made
    with, and a new bank gets the built-in one. `api_key` goes to models that are given by URL, `judge_api_key` to the
    judges of answers.
    """

    model_config = SettingsConfigDict(env_prefix="MEMORY_R1_", extra="ignore", frozen=True)

    store: str = ""
    store_password: SecretStr = SecretStr("")
    model: str = "rules"
    extractor_model: str = ""
    manager_model: str = ""
    answerer_model: str = ""
    api_key: SecretStr = SecretStr("")
    judge_api_key: SecretStr = SecretStr("")
    embedder: str = ""
    embedder_api_key: SecretStr = SecretStr("")

    @property
    def models(self) -> dict[str, str]:
        """The model of each role."""
        return {role: getattr(self, f"{role}_model") or self.model for role in ROLES}

    @property
    def store_url(self) -> str:
        """The store in use: the one asked for, else the user's own SQLite file."""
        return self.store or default_store()

    @property
    def store_path(self) -> Path | None:
        """The file of a SQLite store; None for another."""
        scheme, _, rest = self.store_url.partition(":///")
        return Path(rest).expanduser().absolute() if scheme == "sqlite" and rest else None


def load_settings(options: Mapping[str, str | None]) -> Settings:
    """The settings in force. `options` holds what the command line says; None leaves it to the environment.

    Raises SettingsError.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SettingsError(f"setting {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def default_store() -> str:
    """The store used when none is named: one SQLite file in the folder where this user's programs keep data."""
    return f"sqlite:///{user_data_path('memory-r1', appauthor=False) / 'memory.db'}"


async def make_store(settings: Settings) -> Store:
    """The store that the settings name, open; the folder of the default one is made. Raises as `open_store` does."""
    from memory_r1.memory.stores.open import open_store

    if not settings.store and settings.store_path is not None:
        folder = settings.store_path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreUnavailableError(f"can't make {str(folder)!r} ({error.strerror}): give --store") from error
    return await open_store(settings.store_url, password=settings.store_password.get_secret_value())


async def make_embedder(settings: Settings, fallback: str = "") -> Embedder:
    """The embedder that the settings name, else `fallback`, else the built-in one. Raises as `load_embedder` does."""
    from memory_r1.memory.embedders.load import load_embedder

    spec = settings.embedder or fallback or BUILT_IN
    return await asyncio.to_thread(load_embedder, spec, api_key=settings.embedder_api_key.get_secret_value())
