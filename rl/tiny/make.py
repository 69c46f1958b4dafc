"""Make a policy of random weights as a Hugging Face folder: `python -m memory_r1.rl.tiny.make --out FOLDER`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path

from memory_r1.graphs.local.folder import FolderLimits
from memory_r1.rl.tiny.model import SHAPES, make_model
from memory_r1.rl.tiny.tokenizer import build
from memory_r1.rl.training.sft import Taught, examples
from memory_r1.rl.world.chance import closed_names
from memory_r1.rl.world.make import Size, make_world

LIMITS = FolderLimits(
    roles=("manager", "answerer"), hits=8, per_speaker=8, candidates=5, answer_chars=2_000, max_tokens=96, repair=False
)  # fmt: skip
"""What a tiny policy plays (`rl.tiny.data`), how much it is shown, and how long its replies may be. It has never seen a
reply to mend."""
SEED = 1_000_003
"""Of the worlds whose texts the tokenizer is made of: no training or test world has it."""


def texts(size: Size, worlds: int) -> Iterator[str]:
    """The prompts without their constants, and the replies, of some worlds."""
    for number in range(worlds):
        for example in asyncio.run(examples(make_world(SEED, "train", number, size), Taught(spoiled=0.1))):
            yield example.messages[-1]["content"]
            yield example.reply


def make(out: Path, size: str = "tiny", names: int = 120, seed: int = 0, worlds: int = 24) -> None:
    """Write model, tokenizer and limits to the folder `out`. `names`: of the closed vocabulary, 0 for an open one.

    `worlds`: so many are read for the tokenizer.
    """
    tokenizer = build(texts(Size(names=names), worlds), closed_names(names))
    out.mkdir(parents=True, exist_ok=True)
    make_model(size, tokenizer, seed).save_pretrained(out)
    tokenizer.save_pretrained(out)
    LIMITS.save(out)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", choices=tuple(SHAPES), default="tiny")
    parser.add_argument("--names", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    make(given.out, given.size, given.names, given.seed)


if __name__ == "__main__":
    main()
