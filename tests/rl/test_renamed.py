"""Renamed examples say the same of others; the tiny policy's files hold them."""

import asyncio
import re

import pyarrow.parquet as pq
import pytest

from memory_r1.rl.tiny.data import RENAMED, write
from memory_r1.rl.training.rename import kinds_of_words, renamed
from memory_r1.rl.training.sft import Taught, examples
from memory_r1.rl.world.chance import closed_names
from memory_r1.rl.world.make import Size, make_world

WORD = re.compile("drum kit|[A-Za-z]+")


@pytest.fixture(scope="module")
def taught():
    worlds = [make_world(5, "train", number, Size(names=120)) for number in range(2)]
    return [one for world in worlds for one in asyncio.run(examples(world, Taught(asked=4)))]


def words(example):
    said = [one["content"] for one in example.messages if one["role"] != "system"]
    return WORD.findall("\n".join([*said, example.reply]))


def test_a_renamed_example_is_the_same_but_for_one_permutation(taught):
    kinds = {word: number for number, kind in enumerate(sum(kinds_of_words(120), ())) for word in kind}
    changed = 0
    for old, new in zip(taught, renamed(taught, 120), strict=True):
        there = dict(zip(words(old), words(new), strict=True))
        back = dict(zip(words(new), words(old), strict=True))
        assert [there[word] for word in words(old)] == words(new) and [back[word] for word in words(new)] == words(old)
        assert all(kinds.get(word) == kinds.get(other) for word, other in there.items())
        assert (new.role, new.kinds, new.source) == (old.role, old.kinds, old.source)
        assert [one for one in new.messages if one["role"] == "system"] == list(old.messages[:1])
        changed += there != back
    assert changed == len(taught)


def test_a_list_of_towns_stays_in_alphabetical_order(taught):
    towns = closed_names(120)[120:]
    assert len(towns) == 120
    lists = [
        found for one in renamed(taught, 120, 1) if len(found := re.findall("|".join(towns), one.reply)) > 1
        and one.role == "answerer"
    ]  # fmt: skip
    assert lists and all(found == sorted(found) for found in lists)


def test_the_same_seed_gives_the_same_names(taught):
    few = taught[:20]
    assert list(renamed(few, 120, 3)) == list(renamed(few, 120, 3)) != list(renamed(few, 120, 4))


def test_the_tiny_policy_s_files_hold_every_example_again(tmp_path):
    write(tmp_path, worlds=2)
    recalled, worlds = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("recall", "worlds"))
    assert recalled.num_rows == 200 and set(recalled["role"].to_pylist()) == {"answerer"}
    sources = worlds["source"].to_pylist()
    assert worlds.num_rows % (RENAMED + 1) == 0 and set(worlds["role"].to_pylist()) == {"manager", "answerer"}
    assert all(sources.count(source) % (RENAMED + 1) == 0 for source in set(sources))
    write(tmp_path / "open", worlds=2, names=0)
    assert pq.read_table(tmp_path / "open" / "worlds.parquet").num_rows < worlds.num_rows / 2
