"""What the tiny policy is taught, as two files of examples: `python -m memory_r1.rl.tiny.data --out FOLDER`.

recall.parquet   exercises in recalling, for a policy that knows nothing yet
worlds.parquet   manager's and answerer's calls in worlds of split "train", every second with mistakes in its bank;
                 exercises of several questions to one list, in other worlds; and all of it again with other names
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path

from memory_r1.rl.training.drills import recall, several
from memory_r1.rl.training.rename import renamed
from memory_r1.rl.training.sft import Example, Taught, examples
from memory_r1.rl.training.sft_file import write_examples
from memory_r1.rl.world.make import Size, make_world

ROLES = ("manager", "answerer")
RECALLED = 30_000
"""Exercises in recalling."""
SPOILED = 0.12
"""The share of wrong decisions in every second world."""
ASKED = 3
"""Questions after each turn that tells something."""

RENAMED = 3
"""So often each example comes again, with other names and words."""


def taught(worlds: int, names: int, roles: tuple[str, ...] = ROLES) -> Iterator[Example]:
    """The oracle's replies in the first `worlds` worlds of seed 0."""
    for number in range(worlds):
        how = Taught(asked=ASKED, spoiled=0.0 if number % 2 else SPOILED)
        found = asyncio.run(examples(make_world(0, "train", number, Size(names=names)), how))
        yield from (one for one in found if one.role in roles)


def exercises(worlds: int, names: int) -> Iterator[Example]:
    """Several questions to one list, in the first `worlds` worlds of seed 1."""
    for number in range(worlds):
        yield from several(make_world(1, "train", number, Size(names=names)))


def write(out: Path, worlds: int = 500, names: int = 120, roles: tuple[str, ...] = ROLES) -> None:
    """Write both files into the folder `out`. An open vocabulary (`names` 0) is not renamed: its names are all new."""
    how = {"worlds": worlds, "names": names, "roles": roles}
    write_examples(out / "recall.parquet", recall(min(RECALLED, 100 * worlds), names), how)
    made = [*taught(worlds, names, roles), *exercises(worlds, names)]
    again = (one for seed in range(RENAMED if names else 0) for one in renamed(made, names, seed))
    write_examples(out / "worlds.parquet", [*made, *again], how)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--names", type=int, default=120, help="of the closed vocabulary; 0: an open one")
    parser.add_argument("--roles", default=",".join(ROLES))
    given = parser.parse_args()
    write(given.out, given.worlds, given.names, tuple(given.roles.split(",")))


if __name__ == "__main__":
    main()
