"""The synthetic world as a benchmark: `world`, or `world:seed=1,conversations=20` and so on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256

from memory_r1.memory.errors import InputError
from memory_r1.rl.tasks.types import Conversation, Task
from memory_r1.rl.world.chance import SPLITS
from memory_r1.rl.world.known import CATEGORIES
from memory_r1.rl.world.make import Size, make_world

NAME = "world"
MOST = 100_000
"""So many conversations in a split, at most."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the task's name may say. `conversations`: in each split. Raises InputError for what can't be."""

    seed: int = 0
    conversations: int = 20
    size: Size = field(default_factory=Size)

    def __post_init__(self) -> None:
        if not 1 <= self.conversations <= MOST:
            raise InputError(f"conversations={self.conversations} is outside of 1 to {MOST}")

    @property
    def name(self) -> str:
        """The task's name, which says what is not by default."""
        usual = _plain(Options())
        said = [f"{key}={value}" for key, value in _plain(self).items() if value != usual[key]]
        return f"{NAME}:{','.join(said)}" if said else NAME


def read_options(text: str) -> Options:
    """Options from "seed=1,conversations=20": any of those with a number, in any order. Raises InputError."""
    known = _plain(Options())
    given: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.strip().partition("=")
        if key not in known or key in given or not (value.isascii() and value.isdecimal() and len(value) <= 9):
            raise InputError(
                f"{part.strip()!r} is no option of task {NAME!r}: write {NAME}:KEY=NUMBER,…, each key once, out of "
                f"{', '.join(known)}"
            )
        given[key] = int(value)
    sizes = {one.name for one in fields(Size)}
    size = Size(**{key: value for key, value in given.items() if key in sizes})
    return Options(size=size, **{key: value for key, value in given.items() if key not in sizes})


def world_task(text: str = "") -> Task:
    """The task with the options that `text` gives. The splits share neither names (unless closed) nor dialogues.

    Conversations have the gold facts of their turns. `sha256` is of all that it holds. Raises InputError.
    """
    options = read_options(text)
    made = {
        split: tuple(
            make_world(options.seed, split, number, options.size).conversation
            for number in range(options.conversations)
        )
        for split in SPLITS
    }
    conversations = tuple(one for split in made.values() for one in split)
    ids = {split: tuple(one.id for one in found) for split, found in made.items()}
    categories = {name: name for name in CATEGORIES}
    return Task(options.name, conversations, categories, ids, sha256=digest(conversations))


def digest(conversations: tuple[Conversation, ...]) -> str:
    """The SHA-256 of everything that `conversations` hold."""
    found = sha256()
    for one in conversations:
        found.update(json.dumps(asdict(one), default=str, ensure_ascii=False).encode())
    return found.hexdigest()


def _plain(options: Options) -> dict[str, int]:
    return {"seed": options.seed, "conversations": options.conversations, **asdict(options.size)}
