"""From the name of a row to the system behind it. Libraries are looked up only when their row is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memory_r1.graphs.models import RULES, ModelOptions
from memory_r1.graphs.policies.pinned import pinned
from memory_r1.memory.embedders import Embedder
from memory_r1.memory.embedders.load import load_embedder
from memory_r1.memory.errors import InputError, MemoryR1Error, SettingsError
from memory_r1.memory.settings import ROLES
from memory_r1.memory.stores.open import redacted
from memory_r1.rl.systems.types import System

TRAINED = ("memory-r1-sft", "memory-r1-ppo", "memory-r1-grpo")
"""Our rows whose model was trained: each needs a model of its own."""

SYSTEMS: Mapping[str, str] = {
    "full-context": "the answerer reads the whole conversation",
    "rag": "turns as chunks, the 60 most like the question",
    "rules": "our graph, played by rules",
    "memory-r1": "our graph, played by an untrained model",
    "memory-r1-sft": "our graph, supervised fine-tuning",
    "memory-r1-ppo": "our graph, trained by PPO",
    "memory-r1-grpo": "our graph, trained by GRPO",
    "mem0": "mem0ai, its own library",
    "zep": "graphiti-core on Neo4j, Zep's own library",
    "a-mem": "A-Mem, made here from its paper",
    "langmem": "LangMem, its own library",
}
"""Every row, in the table's order, and what it is."""
WORLD_SYSTEMS: Mapping[str, str] = {
    "oracle": "our graph, always right about the synthetic world: the ceiling",
    "always-add": "our graph, whose manager adds every fact: a floor",
    "always-noop": "our graph, whose manager remembers nothing: a floor",
}
"""The rows that only task `world` has, after all others; "all" is without them."""


@dataclass(frozen=True, slots=True)
class Row:
    """How to make one row, also on another machine: its name, the model string of each role, embedder and secrets.

    `neo4j`: the URL of a Neo4j server, for the row that needs one.
    """

    name: str
    models: Mapping[str, str]
    embedder: str = "hashed"
    neo4j: str = ""
    api_key: str = field(default="", repr=False)
    embedder_api_key: str = field(default="", repr=False)
    neo4j_password: str = field(default="", repr=False)

    @property
    def offline(self) -> bool:
        """Whether no model is asked, so that doing two things at once gains nothing and spoils the times."""
        return set(self.models.values()) == {RULES} and not self.embedder.startswith("openai:")


def row_models(name: str, models: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The model of each role in the row `name`. `models`: the command's; `given`: `--row-model`'s values by key.

    A key is a row's name, or `NAME.ROLE`. `rules` has no other model; a trained row has none but its own. A policy is
    the one in use now. Raises SettingsError and PolicyError where it can't be had.
    """
    if name == "rules" or name in WORLD_SYSTEMS:
        return dict.fromkeys(ROLES, RULES)
    base = dict.fromkeys(ROLES, given.get(name, RULES)) if name in TRAINED or name in given else models
    return dict(pinned({role: given.get(f"{name}.{role}", base.get(role, RULES)) for role in ROLES}))


def read_row_models(values: Sequence[str]) -> dict[str, str]:
    """`NAME=MODEL` and `NAME.ROLE=MODEL` by what stands before "=". Raises SettingsError."""
    given: dict[str, str] = {}
    for value in values:
        key, equals, model = value.partition("=")
        name, dot, role = key.partition(".")
        if not (equals and model) or name not in SYSTEMS or (dot and role not in ROLES):
            raise SettingsError(
                f"--row-model {redacted(value)!r} is not NAME=MODEL or NAME.ROLE=MODEL; "
                f"a NAME is one of {', '.join(SYSTEMS)}, a ROLE one of {', '.join(ROLES)}"
            )
        given[key] = model
    return given


def check_names(names: Sequence[str]) -> list[str]:
    """`names` in the table's order, each once; "all" stands for every row. Raises InputError for an unknown one."""
    known = (*SYSTEMS, *WORLD_SYSTEMS)
    unknown = [name for name in names if name not in known and name != "all"]
    if unknown or not names:
        raise InputError(f"there is no system {(unknown or [''])[0]!r}: choose from {', '.join(known)}, or all")
    return [name for name in known if name in names or ("all" in names and name in SYSTEMS)]


async def make_system(row: Row, embedder: Embedder | None = None) -> System:
    """The system of `row`, ready to open conversations. `embedder`: the row's own, if it is loaded already.

    Raises MemoryR1Error when the row can't run here: no model, no library, no server.
    """
    _need_model(row)
    if embedder is None:
        embedder = await asyncio.to_thread(load_embedder, row.embedder, api_key=row.embedder_api_key)
    options = ModelOptions(api_key=row.api_key)
    if row.name == "full-context":
        from memory_r1.rl.systems.full_context import FullContextSystem
        from memory_r1.rl.systems.readers import make_reader

        return FullContextSystem(make_reader(row.models, options, full=True), row.models["answerer"])
    if row.name == "rag":
        from memory_r1.rl.systems.rag import RagSystem
        from memory_r1.rl.systems.readers import make_reader

        return RagSystem(embedder, make_reader(row.models, options), row.models["answerer"])
    if row.name == "rules" or row.name.startswith("memory-r1"):
        from memory_r1.rl.systems.ours import GraphSystem

        return GraphSystem(row.name, row.models, embedder, options)
    if row.name in WORLD_SYSTEMS:
        from memory_r1.rl.world.system import OracleSystem

        return OracleSystem(row.name, embedder)
    return await _others(row, embedder, options)


async def forget(name: str, banks: Sequence[Path], row: Row) -> None:
    """Delete what the row `name` keeps outside of its folders `banks`, with the Neo4j server that `row` names.

    Raises MemoryR1Error when it can't be deleted; a row that keeps everything in them needs nothing.
    """
    if name != "zep" or not banks:
        return
    from memory_r1.rl.systems.zep import forget_graphs

    try:
        await forget_graphs(banks, row.neo4j, row.neo4j_password)
    except MemoryR1Error as error:
        raise type(error)(
            f"zep's old graphs can't be deleted from Neo4j: {error.message}. Or delete {str(banks[0].parents[1])!r} "
            f"yourself, and they stay there"
        ) from error


def _need_model(row: Row) -> None:
    """Raise SettingsError for a row that is nothing without a language model and has none."""
    if row.name in ("rules", "rag", *WORLD_SYSTEMS):
        return
    learned = [role for role in ROLES if role != "extractor"]
    if row.name in TRAINED and RULES in (row.models[role] for role in learned):
        raise SettingsError(f"{row.name} needs its trained model: give --row-model {row.name}=MODEL")
    needed = {"full-context": ["answerer"], **dict.fromkeys(TRAINED, learned)}.get(row.name, ROLES)
    lacking = [role for role in needed if row.models[role] == RULES]
    if lacking:
        raise SettingsError(f"{row.name} needs a language model ({', '.join(lacking)}): give --model")


async def _others(row: Row, embedder: Embedder, options: ModelOptions) -> System:
    from memory_r1.rl.systems.readers import make_reader

    reader = make_reader(row.models, options)
    if row.name == "a-mem":
        from memory_r1.rl.systems.a_mem import AMemSystem

        return AMemSystem(row.models, embedder, reader, options)
    model = _one_model(row)
    if row.name == "zep":
        from memory_r1.rl.systems.zep import make_zep

        return await make_zep(row.neo4j, row.neo4j_password, model, embedder, reader, api_key=row.api_key)
    from memory_r1.rl.systems.peers import make_peer

    return make_peer(row.name, model, embedder, reader, api_key=row.api_key)


def _one_model(row: Row) -> str:
    """The model that a library remembers with. Raises SettingsError where extractor and manager have two."""
    models = {row.models["extractor"], row.models["manager"]}
    if len(models) > 1:
        raise SettingsError(f"{row.name} remembers with one model: give --row-model {row.name}=MODEL")
    return models.pop()
