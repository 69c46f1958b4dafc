"""Endpoints and secrets: options first, then the environment (`MEMORY_R1_STORE`, …), then the defaults.

Read when asked for, by the command line and by the agent server alike. Names of models pass through as they are. A
secret may stand in a file instead, which `MEMORY_R1_<FIELD>_FILE` names.
"""

from __future__ import annotations

import asyncio
import os
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

PREFIX = "MEMORY_R1_"


class Settings(BaseSettings):
    """Where memories are kept and who decides about them. Every field is an option and a variable `MEMORY_R1_<FIELD>`.

    `model` answers for every role that has none of its own. Without `embedder` a bank keeps the one that it was made
    with, and a new bank gets the built-in one. `api_key` goes to models that are given by URL, `judge_api_key` to the
    judges of answers. `policies`: the registry of policies (`graphs.policies`); `runs`: where flows keep what they
    make.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

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
    policies: str = ""
    runs: str = ""

    @property
    def runs_path(self) -> Path:
        """The folder in which flows keep what they make; by default beside the default store."""
        return Path(self.runs or _data_folder() / "runs").expanduser().absolute()

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

    @property
    def policies_path(self) -> Path:
        """The folder of the policy registry: the one asked for, else one beside the user's own SQLite file."""
        return Path(self.policies).expanduser().absolute() if self.policies else _data_folder() / "policies"


def load_settings(options: Mapping[str, str | None]) -> Settings:
    """The settings in force. `options` holds what the command line says; None leaves it to the environment.

    Raises SettingsError.
    """
    given: dict[str, Any] = {**_secrets(), **{name: value for name, value in options.items() if value is not None}}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SettingsError(f"setting {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _secrets() -> dict[str, SecretStr]:
    """The secrets that stand in files: each `MEMORY_R1_<FIELD>_FILE` that is set names one.

    A newline at the end is no part of the secret.
    """
    found: dict[str, SecretStr] = {}
    for name, field in Settings.model_fields.items():
        variable = f"{PREFIX}{name.upper()}"
        path = os.environ.get(f"{variable}_FILE", "")
        if field.annotation is not SecretStr or not path:
            continue
        if os.environ.get(variable):
            raise SettingsError(f"{variable} and {variable}_FILE are both set: unset one of them")
        found[name] = SecretStr(_read_secret(f"{variable}_FILE", Path(path)))
    return found


def _read_secret(variable: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{variable}={str(path)!r} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}={str(path)!r} is no UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")


def default_tokens() -> Path:
    """Where the tokens of an agent server stand when no file is named."""
    return user_data_path("memory-r1", appauthor=False) / "tokens.json"


def default_store() -> str:
    """The store used when none is named: one SQLite file in the folder where this user's programs keep data."""
    return f"sqlite:///{_data_folder() / 'memory.db'}"


def _data_folder() -> Path:
    return user_data_path("memory-r1", appauthor=False)


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
