"""Batched generation with a Hugging Face causal model: read the prompts once, then one token for all rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from memory_r1.graphs.local.sampling import Generation, Prompt


@torch.inference_mode()
def decode(model: Any, prompts: Sequence[Prompt]) -> list[Generation]:
    """The replies to `prompts`, in their order. Rows that have ended leave the batch once they are half of it."""
    draw = Draws(prompts, model.device)
    rows = len(prompts)
    longest = max(prompt.limit for prompt in prompts)
    limits = torch.tensor([prompt.limit for prompt in prompts], device=model.device)
    tokens = torch.zeros((rows, longest), dtype=torch.long, device=model.device)
    log_probs = torch.zeros((rows, longest), dtype=torch.float32, device=model.device)
    lengths, ended = torch.zeros_like(limits), torch.zeros_like(limits, dtype=torch.bool)
    logits, reader = _read(model, prompts, longest)
    row, alive = torch.arange(rows, device=model.device), torch.ones(rows, dtype=torch.bool, device=model.device)
    for step in range(longest):
        chosen, log_prob = draw(logits, row, step)
        tokens[row, step], log_probs[row, step] = chosen, log_prob
        stopped = (chosen[:, None] == draw.stops[row]).any(-1)
        lengths[row] += alive
        ended[row] |= stopped & alive
        alive &= ~stopped & (lengths[row] < limits[row])
        left = int(alive.sum())
        if not left:
            break
        if 2 * left <= len(row):
            kept = alive.nonzero()[:, 0]
            row, alive, chosen = row[kept], alive[kept], chosen[kept]
            reader.keep(kept)
        logits = reader.next(chosen)
    return [
        Generation(_values(tokens[index, :length]), _values(log_probs[index, :length]), bool(ended[index]))
        for index, length in enumerate(map(int, lengths))
    ]


class Draws:
    """Draws one token for each row of a batch, by numbers that each row's own seed gives.

    `stops`: (rows, s) int64, the stop ids of each row, filled up by -1.
    """

    def __init__(self, prompts: Sequence[Prompt], device: torch.device) -> None:
        kinds = [prompt.sampling for prompt in prompts]
        self.stops = _padded([kind.stop or (-1,) for kind in kinds], -1).to(device)
        self._temperature = torch.tensor([kind.temperature for kind in kinds], device=device)
        self._top_k = torch.tensor([kind.top_k for kind in kinds], device=device)
        self._top_p = torch.tensor([kind.top_p for kind in kinds], device=device)
        self._greedy = all(kind.temperature == 0 for kind in kinds)
        self._cut = any(kind.top_k or kind.top_p < 1 for kind in kinds)
        longest = max(prompt.limit for prompt in prompts)
        self._uniform = torch.zeros((len(prompts), longest), dtype=torch.float64)
        generator = torch.Generator()
        for index, prompt in enumerate(prompts):
            if prompt.sampling.temperature:
                generator.manual_seed(prompt.seed)
                self._uniform[index, : prompt.limit] = torch.rand(
                    prompt.limit, dtype=torch.float64, generator=generator
                )
        self._uniform = self._uniform.to(device)

    def __call__(self, logits: Tensor, row: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Token (n,) int64 and its log probability (n,) float32 from `logits` (n, vocabulary) for the rows `row`."""
        temperature = self._temperature[row]
        logits = logits.float() / torch.where(temperature == 0, 1.0, temperature)[:, None]
        if self._cut:
            logits = cut(logits, self._top_k[row], self._top_p[row])
        log_probs = logits.log_softmax(-1)
        chosen = log_probs.argmax(-1)
        if not self._greedy:
            rising = log_probs.double().exp().cumsum(-1)
            target = self._uniform[row, step, None] * rising[:, -1:]
            drawn = torch.searchsorted(rising, target, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
            chosen = torch.where(temperature == 0, chosen, drawn)
        return chosen, log_probs.gather(-1, chosen[:, None])[:, 0]


def cut(logits: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """`logits` (n, vocabulary), -inf for what the cuts leave out.

    `top_k` (n,): the likeliest stay (0: all); then `top_p` (n,): the fewest that together reach that probability.
    """
    ordered, order = logits.sort(-1, descending=True)
    rank = torch.arange(logits.shape[-1], device=logits.device)
    ordered = ordered.masked_fill((top_k[:, None] > 0) & (rank >= top_k[:, None]), -torch.inf)
    probs = ordered.softmax(-1)
    before = probs.cumsum(-1) - probs
    ordered = ordered.masked_fill((top_p[:, None] < 1) & (before >= top_p[:, None]), -torch.inf)
    return torch.empty_like(logits).scatter(-1, order, ordered)


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer in room set aside for `room` tokens: a token more copies that token alone.

    Where `DynamicLayer` copies all that it holds for each token. Beyond the room it raises, as PyTorch does.
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._held = 0
        self._keys = self._values = torch.empty(0)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Adds (rows, heads, tokens, dimensions); all keys and all values so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._keys, self._values = self._wide(key_states), self._wide(value_states)
        start, self._held = self._held, self._held + key_states.shape[-2]
        self._keys[:, :, start : self._held] = key_states
        self._values[:, :, start : self._held] = value_states
        return self._shown()

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keeps, or repeats, the rows of `indices`."""
        keys, values = (states[:, :, : self._held][indices] for states in (self._keys, self._values))
        self._keys, self._values = self._wide(keys), self._wide(values)
        self._keys[:, :, : self._held], self._values[:, :, : self._held] = keys, values
        self._shown()

    def _wide(self, states: Tensor) -> Tensor:
        return states.new_empty((*states.shape[:-2], self._room, states.shape[-1]))

    def _shown(self) -> tuple[Tensor, Tensor]:
        keys, values = self._keys[:, :, : self._held], self._values[:, :, : self._held]
        self.keys, self.values = keys, values
        return keys, values


def roomy_cache(model: Any, room: int) -> DynamicCache:
    """A cache for `model`, with room for `room` tokens where the model attends to all that it has read."""
    cache = DynamicCache(config=model.config)
    cache.layers = [RoomyLayer(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class _Reader:
    """The model with what it has read: `next` feeds one more token to each row, `keep` drops rows."""

    def __init__(self, model: Any, cache: DynamicCache, mask: Tensor, width: int) -> None:
        self._model = model
        self._cache = cache
        self._mask = mask
        self._width = width
        self._position = mask[:, :width].sum(-1, keepdim=True)

    def next(self, tokens: Tensor) -> Tensor:
        """Logits (rows, vocabulary) behind `tokens` (rows,)."""
        self._width += 1
        output = self._model(
            input_ids=tokens[:, None],
            attention_mask=self._mask[:, : self._width],
            position_ids=self._position,
            past_key_values=self._cache,
            use_cache=True,
        )
        self._position = self._position + 1
        return output.logits[:, -1]

    def keep(self, rows: Tensor) -> None:
        self._cache.batch_select_indices(rows)
        self._mask, self._position = self._mask[rows], self._position[rows]


def _read(model: Any, prompts: Sequence[Prompt], room: int) -> tuple[Tensor, _Reader]:
    """Logits (rows, vocabulary) behind the prompts, and the reader with room for `room` more tokens."""
    distinct = {ids: index for index, ids in enumerate(dict.fromkeys(prompt.ids for prompt in prompts))}
    width = max(map(len, distinct))
    ids = torch.zeros((len(distinct), width), dtype=torch.long)
    mask = torch.ones((len(distinct), width + room), dtype=torch.long)
    for index, prompt in enumerate(distinct):
        ids[index, width - len(prompt) :] = torch.tensor(prompt)
        mask[index, : width - len(prompt)] = 0
    ids, mask = ids.to(model.device), mask.to(model.device)
    cache = roomy_cache(model, width + room)
    output = model(
        input_ids=ids,
        attention_mask=mask[:, :width],
        position_ids=(mask[:, :width].cumsum(-1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    rows = torch.tensor([distinct[prompt.ids] for prompt in prompts], device=model.device)
    if len(distinct) < len(prompts):
        cache.batch_select_indices(rows)
    return output.logits[rows, -1], _Reader(model, cache, mask[rows], width)


def _values(tensor: Any) -> tuple[Any, ...]:
    return tuple(tensor.tolist())


def _padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])
