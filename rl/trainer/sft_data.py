"""Supervised examples as verl's trainer takes them: tokenised once, with a loss on the replies alone.

The prompt's tokens are those that the model is asked with when it plays the role, and the reply's are tokenised apart
from them: so what is learned is what is sampled. An example may have several replies, and learns all of them. Batches
hold examples of like length, or most of a batch is padding.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from memory_r1.memory.errors import FileFormatError, InputError, SettingsError
from memory_r1.rl.training.rows import import_parquet

log = logging.getLogger(__name__)

READ = 4_096
"""Rows that are read at once."""
POOL = 64
"""Batches that are sorted by length together: enough for little padding, few enough for mixed epochs."""


class Examples(Dataset[dict[str, torch.Tensor]]):
    """The examples of files that `memory-r1 data build sft` wrote. verl's interface for a data set of one's own.

    `config`: verl's `data`, with ours: `roles` (null: all), `shares` (of the roles, e.g. {manager: 1, answerer: 1};
    null: as they are), `balance` (examples of a kind that is n times as frequent are taken n ** balance times as often;
    1: as they are), `seed`. Each item: input_ids, position_ids, loss_mask, (tokens,) int64.
    Raises FileFormatError, SettingsError for an example longer than `max_length`.
    """

    def __init__(
        self, parquet_files: Any, tokenizer: Any, config: Any, processor: Any = None, max_samples: int = -1
    ) -> None:
        files = [parquet_files] if isinstance(parquet_files, str) else list(parquet_files)
        found = (part for file in files for part in _read(Path(file), config.get("roles")))
        self._items: list[tuple[np.ndarray, np.ndarray]] = []
        kinds: list[tuple[str, tuple[str, ...]]] = []
        longest = int(config.get("max_length", 1 << 30))
        for rows in _first(found, max_samples):
            made = tokenise(rows, tokenizer, longest)
            self._items += [(np.array(ids, np.int32), np.array(replied, np.bool_)) for ids, replied in made]
            kinds += [(str(row["role"]), tuple(sorted(set(row["kinds"])))) for row in rows]
        self._order = resampled(
            kinds, dict(config.get("shares") or {}), float(config.get("balance") or 1), int(config.get("seed") or 0)
        )
        self.lengths = [len(self._items[at][0]) for at in self._order]
        log.info("%d examples, %d tokens, from %s", len(kinds), sum(len(item[0]) for item in self._items), files)

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids, replied = self._items[self._order[index]]
        found = torch.from_numpy(ids.astype(np.int64))
        return {
            "input_ids": found, "position_ids": torch.arange(len(ids)),
            "loss_mask": torch.from_numpy(replied.astype(np.int64)),
        }  # fmt: skip


def tokenise(rows: Sequence[Mapping[str, Any]], tokenizer: Any, longest: int) -> list[tuple[list[int], list[bool]]]:
    """Of each row the token ids, and which of them are a reply's. A reply ends with the tokenizer's end token.

    Raises SettingsError for a chat template that rewrites the prompt when a reply follows, or too long an example.
    """
    parts = [_parts(list(row["messages"]), tokenizer) for row in rows]
    encoded = iter(_encode(tokenizer, [text for row in parts for text, _ in row]))
    made: list[tuple[list[int], list[bool]]] = []
    for row, given in zip(parts, rows, strict=True):
        ids: list[int] = []
        replied: list[bool] = []
        for _, is_reply in row:
            found = next(encoded)
            ids += found
            replied += [is_reply] * len(found)
        if len(ids) > longest:
            raise SettingsError(
                f"an example of {len(ids)} tokens is longer than data.max_length={longest}: {given.get('source')!r}; "
                f"raise it, or show the role less"
            )
        made.append((ids, replied))
    return made


def _parts(messages: list[Any], tokenizer: Any) -> list[tuple[str, bool]]:
    """The text of a conversation, cut into prompts and replies (True), in turn."""
    parts: list[tuple[str, bool]] = []
    done = ""
    for at in (at for at, message in enumerate(messages) if message["role"] == "assistant"):
        asked = tokenizer.apply_chat_template(messages[:at], tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template(messages[: at + 1], tokenize=False)
        if not (whole.startswith(asked) and asked.startswith(done)):
            raise SettingsError("the model's chat template changes a prompt once it is answered: replies can't be cut")
        reply = whole[len(asked) :]
        end = reply.rfind(tokenizer.eos_token)
        reply = reply[: end + len(tokenizer.eos_token)] if end >= 0 else reply + tokenizer.eos_token
        parts += [(asked[len(done) :], False), (reply, True)]
        done = asked + reply
    return parts


def resampled(
    kinds: Sequence[tuple[str, tuple[str, ...]]], shares: Mapping[str, float], balance: float, seed: int
) -> list[int]:
    """As many indices as there are `kinds` (role, kinds of the example), drawn so that the shares come true.

    Without shares, and with balance 1, each index once, in order. Raises InputError for a share of an absent role.
    """
    if not shares and balance == 1:
        return list(range(len(kinds)))
    groups: dict[str, dict[tuple[str, ...], list[int]]] = {}
    for index, (role, kind) in enumerate(kinds):
        groups.setdefault(role, {}).setdefault(kind, []).append(index)
    absent = sorted(shares.keys() - groups.keys())
    if absent:
        raise InputError(f"data.shares names {absent[0]!r}, but the examples' roles are {', '.join(sorted(groups))}")
    chance = random.Random(seed)
    wanted = shares or {role: float(sum(map(len, group.values()))) for role, group in groups.items()}
    pools, weights = [], []
    for role, share in sorted(wanted.items()):
        each = {kind: len(found) ** balance for kind, found in groups[role].items()}
        for kind, weight in each.items():
            pools.append(groups[role][kind])
            weights.append(share * weight / sum(each.values()))
    return [chance.choice(pool) for pool in chance.choices(pools, weights, k=len(kinds))]


class ByLength(Sampler[int]):
    """Indices in shuffled batches of like length: of each batch of all ranks, this rank's share. Drops what is over.

    `batch`: of one rank. The same seed and epoch give the same batches on every rank.
    """

    def __init__(self, lengths: Sequence[int], batch: int, ranks: tuple[int, int] = (0, 1), seed: int = 0) -> None:
        self._lengths = lengths
        self._batch = batch
        self._rank, self._ranks = ranks
        self._seed = seed
        self._epoch = 0
        if len(lengths) < batch * self._ranks:
            raise InputError(f"{len(lengths)} examples don't fill one batch of {batch * self._ranks}: make more")

    def set_epoch(self, epoch: int) -> None:
        """Which epoch's order comes next."""
        self._epoch = epoch

    def __len__(self) -> int:
        whole = self._batch * self._ranks
        return len(self._lengths) // whole * self._batch

    def __iter__(self) -> Iterator[int]:
        chance = random.Random(f"{self._seed}:{self._epoch}")
        whole = self._batch * self._ranks
        order = list(range(len(self._lengths)))
        chance.shuffle(order)
        batches: list[list[int]] = []
        for start in range(0, len(order), POOL * whole):
            pool = sorted(order[start : start + POOL * whole], key=lambda index: self._lengths[index])
            batches += [pool[at : at + whole] for at in range(0, len(pool) - whole + 1, whole)]
        batches = batches[: len(self) // self._batch]
        chance.shuffle(batches)
        for batch in batches:
            yield from batch[self._rank :: self._ranks]


def _encode(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []


def _read(path: Path, roles: Sequence[str] | None) -> Iterator[list[dict[str, Any]]]:
    """The rows of a file, some at a time: as Python's objects they are twenty times as large as their tokens."""
    pyarrow, parquet = import_parquet()
    count = 0
    try:
        with parquet.ParquetFile(path) as file:
            for part in file.iter_batches(READ, columns=["messages", "role", "kinds", "source"]):
                rows = [row for row in part.to_pylist() if roles is None or row["role"] in roles]
                count += len(rows)
                yield rows
    except FileNotFoundError:
        raise FileFormatError(f"there is no file {str(path)!r}: make it with `memory-r1 data build sft`") from None
    except (OSError, KeyError, pyarrow.ArrowInvalid) as error:
        raise FileFormatError(f"{str(path)!r} holds no examples: {error}; see `memory-r1 data build sft`") from error
    if not count:
        raise InputError(f"{str(path)!r} has no example of the roles {', '.join(roles or ())}: build it with them")


def _first(parts: Iterator[list[dict[str, Any]]], most: int) -> Iterator[list[dict[str, Any]]]:
    """The first `most` rows of `parts`, all of them where that is not positive."""
    left = most
    for rows in parts:
        yield rows[:left] if most > 0 else rows
        left -= len(rows)
        if most > 0 and left <= 0:
            return
