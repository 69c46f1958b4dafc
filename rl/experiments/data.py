"""The files that a run learns from: rows of the world for RL, the oracle's replies for SFT."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from math import ceil
from pathlib import Path

from memory_r1.graphs.prompts import PLAIN_ANSWERER
from memory_r1.rl.experiments.rows import Wanted, answerable_rows, chosen
from memory_r1.rl.experiments.types import Run, Setup
from memory_r1.rl.training.rows import write_rows
from memory_r1.rl.training.sft import Example, Taught, examples
from memory_r1.rl.training.sft_file import world_options, write_examples
from memory_r1.rl.training.world_rows import world_rows
from memory_r1.rl.world.make import make_world

VALIDATION = 24
"""Rows of the validation file: a trainer wants one; experiments measure their policies themselves."""


def write_data(run: Run, setup: Setup, seed: int, folder: Path) -> tuple[Path, Path]:
    """Write what `run` learns from with `seed`, and a validation file: for RL no row comes twice.

    Seeds have worlds of their own. Raises InputError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train, validation = folder / "train.parquet", folder / "validation.parquet"
    wanted = steps_of(run, setup) * run.rows
    if run.algorithm == "sft":
        write_examples(train, asyncio.run(_examples(run, setup, seed, "train", wanted)))
        write_examples(validation, asyncio.run(_examples(run, setup, seed, "validation", VALIDATION)))
        return train, validation
    name = _seeded(setup.world, seed)
    for path, split, most in ((train, "train", wanted), (validation, "validation", VALIDATION)):
        if run.role == "manager":
            rows = answerable_rows(setup, Wanted(name, split, most, run.turns, run.natural))
        else:
            rows = world_rows("answerer", name, split, most, chosen(setup, None))
        write_rows(path, rows)
    return train, validation


def steps_of(run: Run, setup: Setup) -> int:
    """The steps of `run` in this setup, at least one."""
    return max(1, ceil(run.steps * setup.scale))


def plain(example: Example) -> Example:
    """An answerer's example as it is without selecting: the same memories, its own instruction, the answer alone."""
    first, *rest = example.messages
    reply = json.dumps({"answer": json.loads(example.reply)["answer"]}, ensure_ascii=False, separators=(",", ":"))
    return replace(example, messages=({**first, "content": PLAIN_ANSWERER}, *rest), reply=reply)


def _seeded(world: str, seed: int) -> str:
    kind, _, given = world.partition(":")
    kept = [part for part in given.split(",") if part and not part.startswith("seed=")]
    return f"{kind}:{','.join([*kept, f'seed={seed}'])}"


async def _examples(run: Run, setup: Setup, seed: int, split: str, wanted: int) -> Sequence[Example]:
    size, made = world_options(setup.world).size, list[Example]()
    for number in count():
        found = await examples(make_world(seed, split, number, size), Taught())
        made += [one for one in found if one.role == run.role]
        if len(made) >= wanted:
            return [one if run.distil else plain(one) for one in made[:wanted]]
    raise AssertionError("unreachable")
