"""Files of supervised examples: what `data build sft` writes, and verl's supervised trainer reads.

| column | type | what it says |
|---|---|---|
| `messages` | list of {role, content} | what the role is asked, and as the last message the right reply |
| `role` | string | "extractor", "manager" or "answerer" |
| `kinds` | list of string | the right operations' kinds, or the question's category |
| `source` | string | the world, and the turn or question |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import get_args

from memory_r1.graphs.roles import Role
from memory_r1.memory.errors import InputError
from memory_r1.rl.evaluation.files import write_whole, written
from memory_r1.rl.training.rows import MADE, import_parquet
from memory_r1.rl.training.sft import Example, Taught, examples
from memory_r1.rl.world.make import make_world
from memory_r1.rl.world.task import NAME, Options, read_options


def read_roles(text: str) -> tuple[str, ...]:
    """The roles that `text` lists, as "manager,answerer". Raises InputError."""
    roles = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [role for role in roles if role not in get_args(Role)]
    if unknown or not roles:
        raise InputError(f"there is no role {(unknown or [''])[0]!r}: choose from {', '.join(get_args(Role))}")
    return roles


def world_options(name: str) -> Options:
    """What a task's name says about its worlds. Raises InputError for a task that is not made: it has no oracle."""
    kind, _, given = name.partition(":")
    if kind != NAME:
        raise InputError(f"nobody knows the right replies in task {name!r}: only {NAME} has an oracle")
    return read_options(given)


async def world_examples(options: Options, split: str, taught: Taught, roles: Iterable[str]) -> list[Example]:
    """The examples of `roles` in the worlds that `options` name, in their order; the same for the same arguments."""
    wanted = set(roles)
    made: list[Example] = []
    for number in range(options.conversations):
        world = make_world(options.seed, split, number, options.size)
        made += [one for one in await examples(world, taught) if one.role in wanted]
    return made


def write_examples(path: str | Path, made: Sequence[Example], how: Mapping[str, object] | None = None) -> None:
    """Write examples as a Parquet file, whole or not at all. `how`: how they were made, kept in the file's metadata.

    Raises InputError for no examples; StoreUnavailableError when the disk refuses; MissingExtraError.
    """
    path = Path(path)
    if not made:
        raise InputError(f"there are no examples to write to {str(path)!r}: ask for more conversations, or other roles")
    pyarrow, parquet = import_parquet()
    lines = [
        {
            "messages": [*one.messages, {"role": "assistant", "content": one.reply}],
            "role": one.role,
            "kinds": list(one.kinds),
            "source": one.source,
        }
        for one in made
    ]
    table = pyarrow.Table.from_pylist(lines).replace_schema_metadata({MADE: json.dumps(dict(how or {})).encode()})
    packed = BytesIO()
    parquet.write_table(table, packed, compression="zstd")
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, packed.getvalue())
