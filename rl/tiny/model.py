"""Policies from scratch: the sizes there are, and what their attention begins with.

Llama's architecture, which every server and trainer knows. Not Qwen2's: transformers 5 replaces the tokenizer of each
folder with that model type by its own (`MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from memory_r1.memory.errors import InputError
from memory_r1.rl.tiny.tokenizer import END, LENGTH, PAD


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a policy is: the width of its hidden state, its layers, and their heads, each `head` wide.

    The feed-forward layers are `widening` times as wide; the output weights are the embeddings.
    """

    width: int
    layers: int
    heads: int
    head: int = 32
    widening: int = 3


SHAPES: Mapping[str, Shape] = {
    "test": Shape(32, 2, 4, 16),
    "tiny": Shape(96, 4, 6),
    "small": Shape(512, 8, 8, 64),
    "medium": Shape(640, 12, 10, 64),
}
"""By name: about 0.08, 0.8, 28 and 60 million parameters with the tokenizer of a closed vocabulary."""

BACK = 6
"""So many tokens at most, the first heads of a model look back."""
LINE = '": "'
"""The token that begins a memory, behind its id."""
THETA = 10_000.0
"""The base of the rotary positions: transformers' default."""
SPREAD, WRITTEN, LOOK = 0.05, 0.3, 5.5
"""Of the first weights: their standard deviation, the share of what a head reads that it writes, and the size of the
biases by which a head looks somewhere."""


def make_model(size: str, tokenizer: PreTrainedTokenizerBase, seed: int = 0) -> LlamaForCausalLM:
    """A policy that has learned nothing yet, the same for the same seed. Raises InputError for an unknown size."""
    if size not in SHAPES:
        raise InputError(f"there is no size {size!r}: choose one of {', '.join(SHAPES)}")
    shape = SHAPES[size]
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.width * shape.widening,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        head_dim=shape.head,
        max_position_embeddings=LENGTH,
        tie_word_embeddings=True,
        eos_token_id=_id(tokenizer, END),
        pad_token_id=_id(tokenizer, PAD),
        bos_token_id=None,
        attention_bias=True,
        initializer_range=SPREAD,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        with torch.no_grad():
            _prepare(model, shape, _id(tokenizer, LINE))
    return model


def _prepare(model: LlamaForCausalLM, shape: Shape, line: int) -> None:
    """Let attention begin with what recalling takes, which random weights need most of a training run to find.

    | layer | heads | look |
    |---|---|---|
    | first | up to `BACK` | one token back, two, three, …: by their biases alone |
    | second | first | one token back |
    | second | second | for the last token `line`, where the memory's id stands one token back |
    | all | the others | for tokens like their own |

    All write a part of what they read (mimetic initialisation: Trockman and Kolter 2023).
    """
    mark = model.model.embed_tokens.weight[line]
    for number, layer in enumerate(model.model.layers):
        for head in range(shape.heads):
            one = _Head(layer.self_attn, slice(head * shape.head, (head + 1) * shape.head), shape.width)
            if head < {0: BACK, 1: 1}.get(number, 0):
                one.look_back(head + 1)
            elif (number, head) == (1, 1):
                one.look_for(mark)
            else:
                one.look_alike()


@dataclass(frozen=True, slots=True)
class _Head:
    """One head of a layer's attention: its `rows` of the projections, which read `width` dimensions."""

    attention: Any
    rows: slice
    width: int

    @property
    def size(self) -> int:
        return self.rows.stop - self.rows.start

    def look_back(self, distance: int) -> None:
        """Attend to the token `distance` back.

        Rotary positions turn the pair of dimensions i and i + size / 2 by an angle that grows with the position; turned
        back by `distance` beforehand, the query meets the key there. The faster half of the pairs is used.
        """
        half = self.size // 2
        fast = (torch.arange(half) < half // 2).float()
        angle = -distance * THETA ** (-torch.arange(half) / half)
        self.attention.q_proj.bias[self.rows] = LOOK * torch.cat([fast * angle.cos(), fast * angle.sin()])
        self.attention.k_proj.bias[self.rows] = LOOK * torch.cat([fast, torch.zeros(half)])
        self._write(WRITTEN)

    def look_for(self, mark: Tensor) -> None:
        """Attend to the last token whose embedding is `mark`: no angle is the best match, so the nearest wins."""
        half = self.size // 2
        pattern = 0.8 * LOOK * torch.cat([torch.ones(half), torch.zeros(half)])
        normed = mark / mark.square().mean().sqrt()
        found = torch.outer(pattern, normed / normed.square().sum())
        self.attention.q_proj.bias[self.rows] = pattern
        self.attention.k_proj.weight[self.rows] = found + 0.02 * torch.randn_like(found)
        self._write(3 * WRITTEN)

    def look_alike(self) -> None:
        """Attend to tokens like the own: query and key are almost the same projection."""
        keys = self._projection()
        self.attention.q_proj.weight[self.rows] = keys
        self.attention.k_proj.weight[self.rows] = keys + 0.1 * self.attention.k_proj.weight[self.rows]
        self._write(WRITTEN)

    def _write(self, share: float) -> None:
        values = self._projection()
        self.attention.v_proj.weight[self.rows] = values
        self.attention.o_proj.weight[:, self.rows] = share * values.T

    def _projection(self) -> Tensor:
        return nn.init.orthogonal_(torch.empty(self.size, self.width))


def _id(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    (found,) = tokenizer.encode(token, add_special_tokens=False)
    return int(found)
