"""Examples once more with other names and words: what is learned is the pattern, not who lives where.

A closed vocabulary is small, and the same people meet the same jobs again and again. A renamed example is as right as
the first: every name changes places with another of its kind, every job with another job, wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from memory_r1.graphs.completers import Message
from memory_r1.rl.training.sft import Example
from memory_r1.rl.world import lexicon
from memory_r1.rl.world.chance import Chance, closed_names

_WORD = re.compile("|".join([*(re.escape(thing) for thing in lexicon.THINGS if " " in thing), "[A-Za-z]+"]))
_LISTED = re.compile(", | and ")


def kinds_of_words(names: int) -> tuple[tuple[Sequence[str], ...], tuple[Sequence[str], ...]]:
    """The words that change places with each other: those that always may, and those that may not in a list.

    An answer that lists towns or things does so in alphabetical order. `names`: of the closed vocabulary.
    """
    every = closed_names(names)
    people, towns = every[: len(every) // 2], every[len(every) // 2 :]
    always = (people, lexicon.JOBS, lexicon.PETS, lexicon.ACTIVITIES)
    return always, (towns, lexicon.COLOURS, lexicon.THINGS)


def renamed(given: Sequence[Example], names: int, seed: int = 0) -> Iterator[Example]:
    """Each of `given` with its words changed by a permutation of its own. Instructions stay; gold answers go."""
    always, unlisted = kinds_of_words(names)
    chance = Chance("renamed", seed, names)
    for example in given:
        replies = [example.reply, *(one["content"] for one in example.messages if one["role"] == "assistant")]
        free = () if any(map(_LISTED.search, replies)) else unlisted
        other = {old: new for words in (*always, *free) for old, new in zip(words, chance.shuffled(words), strict=True)}
        messages = tuple(_renamed(message, other) for message in example.messages)
        yield replace(example, messages=messages, reply=_said(example.reply, other), gold="")


def _renamed(message: Message, other: dict[str, str]) -> Message:
    return message if message["role"] == "system" else {**message, "content": _said(message["content"], other)}


def _said(text: str, other: dict[str, str]) -> str:
    return _WORD.sub(lambda found: other.get(found[0], found[0]), text)
