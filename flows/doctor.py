"""Examines an installation: what is there, what is missing, and how to get it."""

from __future__ import annotations

import asyncio
import platform
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from memory_r1.graphs.endpoint import say
from memory_r1.graphs.local.folder import TINY_FOLDER, checked
from memory_r1.graphs.policies.pinned import is_policy, parse, pinned
from memory_r1.memory.errors import InputError, MemoryR1Error, SettingsError
from memory_r1.memory.settings import BUILT_IN, Settings, make_embedder
from memory_r1.memory.stores.open import open_store, redacted

EXTRAS = {
    "neo4j": (("neo4j",), "memories in a Neo4j server"),
    "openai": (("langchain-openai",), "models behind an OpenAI-compatible endpoint, as vLLM"),
    "embed": (("sentence-transformers", "torch"), "embeddings by meaning, from a sentence-transformers model"),
    "serve": (("langgraph-cli", "langgraph-api"), "memory-r1 serve, langgraph dev, Studio and the SDK"),
    "flows": (("typer", "rich"), "this command line"),
    "otel": (("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"), "spans and metrics by OpenTelemetry"),
    "rl": (("nltk",), "scoring answers: memory-r1 score"),
    "local": (("torch", "transformers"), "models in this process: --model tiny, --model local:PATH"),
    "train": (("verl", "TransferQueue", "pyarrow", "tensorboard"), "training by verl: memory-r1 train"),
}
"""What each optional extra brings."""

CORE = ("memory-r1", "langgraph", "langchain-core", "numpy", "pydantic")
PATIENCE = 20.0
"""Seconds that a model endpoint has to reply."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `state`: "ok", "missing" (optional, not there) or "failed" (asked for, doesn't work).

    `advice` says how to get or mend it.
    """

    topic: str
    name: str
    state: Literal["ok", "missing", "failed"]
    found: str
    advice: str = ""


async def examine(settings: Settings) -> list[Check]:
    """Look at everything the settings name. Changes nothing; asks each model in use for one word."""
    checks = [*_packages(), await _store(settings), await _embedder(settings)]
    policy, models = await _policy(settings)
    checks += policy
    for name in dict.fromkeys(models.values()):
        roles = [role for role in models if models[role] == name]
        checks.append(await _model(roles, name, settings))
    return [*checks, _tiny(), *_tools()]


async def _policy(settings: Settings) -> tuple[list[Check], Mapping[str, str]]:
    """The policy in use, where a model is one, and the model of each role; no models where it can't be had."""
    checks: list[Check] = []
    for name in dict.fromkeys(filter(is_policy, settings.models.values())):

        async def look(name: str = name) -> str:
            registry, _ = parse(name)
            await asyncio.to_thread(pinned, {"default": name})
            found = await asyncio.to_thread(registry.in_use)
            return f"{found.id}, published {found.created:%Y-%m-%d}" if found else ""

        checks.append(await _tried("policy", redacted(name), look))
    if any(check.state == "failed" for check in checks):
        return checks, {}
    return checks, pinned(settings.models)


def _packages() -> list[Check]:
    checks = [Check("python", "python", "ok", platform.python_version())]
    checks += [Check("core", name, "ok", _version(name)) for name in CORE]
    for extra, (packages, brings) in EXTRAS.items():
        lacking = [name for name in packages if not _version(name)]
        found = ", ".join(f"{name} {_version(name)}" for name in packages if _version(name))
        if lacking:
            advice = f"for {brings}: pip install 'memory-r1[{extra}]'"
            checks.append(Check("extra", extra, "missing", f"without {', '.join(lacking)}", advice))
        else:
            checks.append(Check("extra", extra, "ok", found))
    return checks


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


async def _store(settings: Settings) -> Check:
    url, path = redacted(settings.store_url), settings.store_path
    if path is not None and not path.exists():
        return Check("store", url, "ok", "not made yet", "memory-r1 ingest makes it")

    async def look() -> str:
        async with await open_store(settings.store_url, password=settings.store_password.get_secret_value()) as store:
            banks = await store.banks()
            kind = f"SQLite {sqlite3.sqlite_version}" if path is not None else await _kind(store)
            return f"{kind}, {len(banks)} bank(s), {sum(bank.live for bank in banks)} memories"

    return await _tried("store", url, look)


async def _kind(store: Any) -> str:
    described = getattr(store, "server", None)
    return str(described) if described else type(store).__name__


async def _embedder(settings: Settings) -> Check:
    spec = settings.embedder or BUILT_IN

    async def look() -> str:
        embedder = await make_embedder(settings)
        return f"{embedder.name}, {embedder.dim} dimensions"

    check = await _tried("embedder", redacted(spec), look)
    if spec.startswith(BUILT_IN) and check.state == "ok":
        advice = (
            "built in: words, parts of words and a small English lexicon. A sentence-transformers model also knows "
            "other ways to say a thing, and other languages: pip install 'memory-r1[embed]', then reembed with "
            "--embedder sentence:NAME; bench recall compares"
        )
        return Check(check.topic, check.name, check.state, check.found, advice)
    return check


async def _model(roles: list[str], name: str, settings: Settings) -> Check:
    topic = "model" if len(roles) == len(settings.models) else f"{' and '.join(roles)} model"
    if name == "rules":
        return Check(topic, name, "ok", "built in, no model: a baseline", "for a model: --model openai:NAME@URL")

    async def look() -> str:
        from memory_r1.graphs import ModelOptions, load_model
        from memory_r1.graphs.models import check_role, connections

        for role in roles:
            check_role(name, role)
        model = load_model(name, ModelOptions(max_tokens=16, api_key=settings.api_key.get_secret_value()))
        try:
            reply = await asyncio.wait_for(_word(model), PATIENCE)
        finally:
            for connection in connections([model]):
                await connection.aclose()
        return f"replies {reply.strip()[:40]!r}"

    return await _tried(topic, redacted(name), look)


def _tiny() -> Check:
    """The policy that the package brings, and what it needs."""
    name, lacking = "the tiny policy", [package for package in EXTRAS["local"][0] if not _version(package)]
    try:
        size = sum(path.stat().st_size for path in checked(TINY_FOLDER).iterdir())
    except SettingsError as error:
        return Check("model", name, "missing", error.message, "name the folder of another policy: --model local:PATH")
    found = f"{size / 1e6:.1f} MB, trained from scratch in the synthetic world"
    if lacking:
        return Check(
            "model", name, "missing", f"{found}; without {', '.join(lacking)}", "pip install 'memory-r1[local]'"
        )
    return Check("model", name, "ok", found, "memory-r1 demo --model tiny")


async def _word(model: Any) -> str:
    """What a chat model or completer replies when asked for one word."""
    asked = "Reply with the word ready."
    if hasattr(model, "complete"):
        return (await model.complete([{"role": "user", "content": asked}])).text
    return str((await model.ainvoke(asked)).content)


async def _tried(topic: str, name: str, look: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(topic, name, "ok", await look())
    except TimeoutError:
        return Check(topic, name, "failed", f"no reply within {PATIENCE:.0f} s", "start its server, or name another")
    except MemoryR1Error as error:
        return Check(topic, name, "failed", error.message)
    except Exception as error:  # noqa: BLE001 a model library may raise anything, and the finding is that it did
        return Check(topic, name, "failed", say(error), "see that its server runs and that the name is right")


def _tools() -> list[Check]:
    java = shutil.which("java")
    return [
        _punkt(),
        Check("tool", "java", "ok", java)
        if java
        else Check("tool", "java", "missing", "not on the path", "only to run a Neo4j server: install Java 21"),
    ]


def _punkt() -> Check:
    name = "NLTK's punkt_tab"
    if not _version("nltk"):
        return Check("tool", name, "missing", "nltk is not installed", "pip install 'memory-r1[rl]'")
    from memory_r1.rl.metrics.mem0 import find_punkt

    try:
        return Check("tool", name, "ok", find_punkt())
    except InputError:
        return Check("tool", name, "missing", "not found", "for BLEU-1: memory-r1 data prepare nltk")
