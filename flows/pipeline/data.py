"""The flow `prepare-data`: training rows of a task, for both splits that training needs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from prefect import flow, get_run_logger, task

from memory_r1.flows.pipeline.artifacts import show_rows
from memory_r1.flows.pipeline.rows_made import Built, Prepared
from memory_r1.flows.pipeline.work import by_inputs, may_pass, place, signature
from memory_r1.flows.rows import Rows, build_rows, is_world
from memory_r1.graphs.models import RULES
from memory_r1.graphs.policies.pinned import pinned
from memory_r1.memory.settings import ROLES, load_settings
from memory_r1.rl.tasks.files import checksum
from memory_r1.rl.tasks.load import load_task
from memory_r1.rl.tasks.load import prepare_data as fetch_data
from memory_r1.rl.tasks.prepare import Wanted as WantedData
from memory_r1.rl.training.build import Wanted
from memory_r1.rl.training.sft import Taught
from memory_r1.rl.training.sft_file import world_examples, world_options, write_examples

Kind = Literal["sft", "manager", "answerer"]
SPLITS = ("train", "validation")
HELD_OUT = 5
"""Validation has one row where training has so many."""


@flow(name="prepare-data", persist_result=True)
def prepare_data(
    task: str = "world:names=120",
    kinds: Sequence[Kind] = ("sft", "manager", "answerer"),
    rows: int = 1_000,
    data: str = "",
    manager_model: str = "",
) -> Prepared:
    """Make training rows of a task, checked for leaks; what is there is not made again.

    Args:
        task: world:…, locomo, longmemeval-s, …; a published data set is fetched first.
        kinds: which rows: of the manager, of the answerer, right replies for SFT (of the world only).
        rows: of the world, for training; a fifth of it for validation.
        data: the task's own file, instead of the published one.
        manager_model: who builds the banks, such as a trained manager; "": the oracle of the world, else the settings'.
    """
    if not is_world(task) and not data:
        fetch(task)
    built = tuple(_built(task, kind, split, rows, data, manager_model) for kind in kinds for split in SPLITS)
    show_rows(built)
    return Prepared(built)


@task(name="fetch-data", retries=3, retry_delay_seconds=[10, 60, 300], retry_condition_fn=may_pass)
def fetch(name: str) -> None:
    """Put a published data set in its place."""
    fetch_data(WantedData(name), lambda _done, _total: None)


@task(
    name="make-rows", cache_key_fn=by_inputs, persist_result=True,
    retries=3, retry_delay_seconds=[10, 60, 300], retry_condition_fn=may_pass,
)  # fmt: skip
def make(kind: Kind, asked: Rows, models: dict[str, str]) -> Built:
    """Make one file of rows."""
    log, settings = get_run_logger(), load_settings({f"{role}_model": name for role, name in models.items()})

    def on_turn(conversation: str, done: int, total: int) -> None:
        if done == total:
            log.info("%s: %d turns read", conversation, total)

    count = _examples(asked) if kind == "sft" else build_rows(asked, settings, on_turn).rows
    return Built(kind, asked.wanted.split, asked.wanted.out, count, checksum(asked.wanted.out))


def _built(task: str, kind: Kind, split: str, rows: int, data: str, manager_model: str) -> Built:
    models, settings = _builders(task, manager_model), load_settings({})
    count = rows if split == "train" else max(1, rows // HELD_OUT)
    inputs = {"task": _content(task, data), "kind": kind, "split": split, "models": models, "rows": count}
    inputs |= {"embedder": settings.embedder, "extractor": settings.extractor_model}
    inputs |= {name: signature(name.partition(":")[2]) for name in models.values()}
    out = place("rows", inputs) / f"{kind}-{split}.parquet"
    asked = Rows(Wanted(_role(kind), split, out), task, Path(data) if data else None, count)
    return make.with_options(refresh_cache=not out.is_file())(kind, asked, models)


def _builders(task: str, manager_model: str) -> dict[str, str]:
    """Who builds the banks: all rules stand for the oracle in the world, whatever the agent of this machine runs."""
    if is_world(task):
        return {**dict.fromkeys(ROLES, RULES), "manager": manager_model or RULES}
    named = {"manager": manager_model} if manager_model else {}
    return dict(pinned({**load_settings({}).models, **named}))


def _role(kind: Kind) -> Literal["manager", "answerer"]:
    return "answerer" if kind == "answerer" else "manager"


def _content(task: str, data: str) -> str:
    """The task by what it holds: another file of the same name is another task."""
    return task if is_world(task) else f"{task}:{load_task(task, data or None).sha256}"


def _examples(asked: Rows) -> int:
    """Right replies of the manager and of the answerer, of as many worlds as give about so many."""
    roles = ("manager", "answerer")
    options = world_options(asked.task)
    options = replace(options, conversations=max(1, asked.count // PER_WORLD))
    made = asyncio.run(world_examples(options, asked.wanted.split, Taught(), roles))
    write_examples(asked.wanted.out, made, {"task": asked.task, "split": asked.wanted.split, "roles": roles})
    return len(made)


PER_WORLD = 100
"""Examples that a world gives, about."""
