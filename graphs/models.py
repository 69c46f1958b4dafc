"""Model strings become models and roles. A model string is one of

    "rules"                                  no model at all (the default)
    "openai:MODEL@http://host:port/v1"       any OpenAI-compatible endpoint: vLLM, llama.cpp, Ollama
    "openai:MODEL"                           OpenAI itself, with OPENAI_API_KEY
    "PROVIDER:MODEL"                         what LangChain's init_chat_model knows
    "local:PATH"                             a Hugging Face model folder, run in this process
    "tiny"                                   such a folder that the package brings
    "served:PATH@http://host:port/v1"        such a folder, run by an OpenAI-compatible server under its absolute path
    "policy", "policy:DIR", "policy:DIR@URL" the policy in use in a registry (`graphs.policies.pinned`)

and stands for all roles, or for one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast, get_args

from langchain_core.language_models import BaseChatModel

from memory_r1.graphs.completers import Completer
from memory_r1.graphs.endpoint import Patience, say
from memory_r1.graphs.local.folder import SERVED, FolderLimits, find_folder, read_limits, served_at
from memory_r1.graphs.policies.pinned import is_policy, pinned
from memory_r1.graphs.prompts import ANSWER_CHARS
from memory_r1.graphs.remember import Limits
from memory_r1.graphs.roles import Answerer, Closable, Extractor, Manager, Role, Roles
from memory_r1.memory.errors import MissingExtraError, SettingsError
from memory_r1.memory.stores.open import redacted

RULES = "rules"

Model = str | BaseChatModel | Completer
Models = Model | Mapping[str, Model]
"""One model for all roles, or one for each of "extractor", "manager", "answerer" ("default" for the others)."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How models are called.

    `max_tokens`: of a reply; `api_key`: for an endpoint given by URL; `patience`: retries; `answer_chars`: characters
    of the memories that the answerer is shown. What a model's folder states goes before these: it was trained so.
    """

    temperature: float = 0.0
    max_tokens: int = 1_024
    api_key: str = ""
    patience: Patience = field(default_factory=Patience)
    answer_chars: int = ANSWER_CHARS


def load_model(name: str, options: ModelOptions = ModelOptions()) -> BaseChatModel | Completer:
    """The model that `name` says. Raises SettingsError, and MissingExtraError naming what to install.

    Retries and back-off are `Patience`'s; the client's own are off. A key from the environment is sent to the
    provider that it belongs to, never to an endpoint given by URL.
    """
    folder = find_folder(name)
    if folder is not None:
        return _in_folder(name, folder, options)
    provider, colon, rest = name.partition(":")
    model, at, url = rest.partition("@")
    if is_policy(name) or not (provider and colon and model):
        raise SettingsError(
            "a policy has a model for each role, and a single one was asked for: name that one"
            if is_policy(name)
            else f"model {redacted(name)!r} is unknown: write rules, openai:MODEL@URL, local:PATH or PROVIDER:MODEL"
        )
    common = _common(options)
    if provider != "openai":
        return _any_provider(name, common)
    if at and not url.startswith(("http://", "https://")):
        raise SettingsError(
            f"the endpoint of model {redacted(name)!r} is no URL: write openai:MODEL@http://host:port/v1"
        )
    if at:
        common |= _at(url, options)
    elif options.api_key:
        common["api_key"] = options.api_key
    return _openai(model, common)


def load_roles(models: Models, options: ModelOptions = ModelOptions()) -> Roles:
    """The roles that `models` play. Raises SettingsError for an unknown role, and what `load_model` raises."""
    models = by_role(models)
    unknown = set(models) - {*get_args(Role), "default"}
    if unknown:
        raise SettingsError(f"there is no role {sorted(unknown)[0]!r}: the roles are {', '.join(get_args(Role))}")
    made: dict[str, BaseChatModel | Completer] = {}
    players = [cast(Any, _role(role, models, options, made)) for role in get_args(Role)]
    return Roles(*players, owned=connections(made.values()))


def load_limits(models: Models, limits: Limits = Limits()) -> Limits:  # noqa: B008 - a frozen value
    """`limits`, but for what the folders of `models` state: the manager's of candidates, the answerer's of hits.

    A model sees as much in use as in its training. Raises SettingsError for a folder's file that can't be read.
    """
    models = by_role(models)
    manager, answerer = _stated(models, "manager"), _stated(models, "answerer")
    return replace(
        limits,
        candidates=manager.candidates or limits.candidates,
        hits=answerer.hits or limits.hits,
        per_speaker=answerer.per_speaker or limits.per_speaker,
    )


def learned(model: Model) -> tuple[Role, ...]:
    """The roles that `model` plays: all, unless its folder says otherwise."""
    return _stated({"default": model}, "manager").roles


def check_role(model: Model, role: str) -> None:
    """Raise SettingsError where `model` was not trained to play `role`."""
    roles = learned(model)
    if role not in roles:
        plays = " and ".join(roles) or "nothing"
        raise SettingsError(f"model {redacted(str(model))!r} plays no {role}, but {plays}: name another for that role")


def connections(models: Iterable[BaseChatModel | Completer]) -> tuple[Closable, ...]:
    """What `load_model` opened for `models`: whoever loaded them closes these."""
    clients = [
        getattr(model, "http_async_client", None) if isinstance(model, BaseChatModel) else model for model in models
    ]
    return tuple(client for client in clients if isinstance(client, Closable))


def by_role(models: Models) -> Mapping[str, Model]:
    """`models` by role, "default" for the others, the policy in use looked up (`graphs.policies.pinned`).

    Look it up once where roles and limits are loaded apart: both must be of the same policy.
    """
    return pinned(models if isinstance(models, Mapping) else {"default": models})


def _stated(models: Mapping[str, Model], role: Role) -> FolderLimits:
    """What the folder of the role's model states; nothing for a model of another kind."""
    model = models.get(role, models.get("default", RULES))
    folder = find_folder(model) if isinstance(model, str) else None
    return read_limits(folder) if folder else FolderLimits()


def _role(
    role: Role, models: Mapping[str, Model], options: ModelOptions, made: dict[str, BaseChatModel | Completer]
) -> Extractor | Manager | Answerer:
    model = models.get(role, models.get("default", RULES))
    if isinstance(model, str) and model == RULES:
        from memory_r1.graphs.rules import RulesAnswerer, RulesExtractor, RulesManager

        return {"extractor": RulesExtractor, "manager": RulesManager, "answerer": RulesAnswerer}[role]()
    from memory_r1.graphs.chat_roles import ChatAnswerer, ChatExtractor, ChatManager

    check_role(model, role)
    stated = _stated(models, role)
    patience = options.patience if stated.repair else replace(options.patience, repair=False)
    if isinstance(model, str):
        if model not in made:
            made[model] = load_model(model, options)
        model = made[model]
    if role == "answerer":
        return ChatAnswerer(model, patience, stated.answer_chars or options.answer_chars, stated.distil)
    return {"extractor": ChatExtractor, "manager": ChatManager}[role](model, patience)


def _in_folder(name: str, folder: Path, options: ModelOptions) -> BaseChatModel | Completer:
    """The model in `folder`: in this process, or the client of the server that runs it, within the folder's limits."""
    if not name.startswith(SERVED):
        from memory_r1.graphs.local.completer import LocalCompleter

        return LocalCompleter(folder, options.max_tokens, options.temperature)
    if not folder.is_dir():
        raise SettingsError(f"there is no folder {str(folder)!r}: served:PATH@URL reads what the model was trained for")
    stated = replace(options, max_tokens=read_limits(folder).max_tokens or options.max_tokens)
    return _openai(str(folder.absolute()), _common(stated) | _at(served_at(name)[1], options))


def _common(options: ModelOptions) -> dict[str, Any]:
    return {
        "temperature": options.temperature, "max_tokens": options.max_tokens,
        "timeout": options.patience.timeout, "max_retries": 0,
    }  # fmt: skip


def _at(url: str, options: ModelOptions) -> dict[str, Any]:
    return {"base_url": url, "api_key": options.api_key or "none"}


def _openai(model: str, common: dict[str, Any]) -> BaseChatModel:
    try:
        from langchain_openai import ChatOpenAI
        from openai import DefaultAsyncHttpxClient
    except ImportError:
        raise MissingExtraError.of("openai", "langchain-openai") from None
    client = DefaultAsyncHttpxClient(timeout=common["timeout"])  # its own: LangChain's is shared by all event loops
    try:
        return ChatOpenAI(model=model, http_async_client=client, **common)
    except Exception as error:
        raise SettingsError(f"model 'openai:{model}' can't be used: {error}") from error


def _any_provider(name: str, common: dict[str, Any]) -> BaseChatModel:
    try:
        from langchain.chat_models import init_chat_model  # pyright: ignore
    except ImportError:
        raise MissingExtraError.of("openai", "langchain, which makes the model that you named,") from None
    try:
        return cast(BaseChatModel, init_chat_model(name, **common))
    except ImportError as error:
        raise MissingExtraError(f"model {redacted(name)!r} needs its provider's package: {error}") from None
    except Exception as error:
        shown = redacted(name)
        why = say(error) if shown == name else type(error).__name__  # its text may repeat the name
        raise SettingsError(f"model {shown!r} can't be used: {why}") from error
