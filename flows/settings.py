"""Settings: command-line options first, then the environment (`MEMORY_R1_STORE`, …), then the defaults."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from memory_r1.memory.errors import SettingsError

if TYPE_CHECKING:
    from memory_r1.memory.embedders import Embedder

ROLES = ("extractor", "manager", "answerer")
"""The three roles of the agent, each with a model of its own if wished."""

BUILT_IN = "hashed"
"""The embedder that needs nothing."""


class Settings(BaseSettings):
    """Where memories are kept and who decides about them. Every field is an option and a variable `MEMORY_R1_<FIELD>`.

    `model` answers for every role that has none of its own. Without `embedder` a bank keeps the one that it was made
    with, and a new bank gets the built-in one. `api_key` goes to models that are given by URL.
    """

    model_config = SettingsConfigDict(env_prefix="MEMORY_R1_", extra="ignore", frozen=True)

    store: str = ""
    store_password: SecretStr = SecretStr("")
    model: str = "rules"
    extractor_model: str = ""
    manager_model: str = ""
    answerer_model: str = ""
    api_key: SecretStr = SecretStr("")
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


def data_dir() -> Path:
    """Where this user's programs keep data: `$XDG_DATA_HOME`, `~/.local/share`, or what the system has instead."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "memory-r1"


def default_store() -> str:
    """The store used when none is named: one SQLite file in `data_dir()`."""
    return f"sqlite:///{data_dir() / 'memory.db'}"


async def make_embedder(settings: Settings, fallback: str = "") -> Embedder:
    """The embedder that the settings name, else `fallback`, else the built-in one. Raises as `load_embedder` does."""
    from memory_r1.memory.embedders.load import load_embedder

    spec = settings.embedder or fallback or BUILT_IN
    return await asyncio.to_thread(load_embedder, spec, api_key=settings.embedder_api_key.get_secret_value())
