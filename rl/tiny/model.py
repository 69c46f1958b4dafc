"""Policies from scratch: the sizes there are.

Llama's architecture, which every server and trainer knows. Not Qwen2's: transformers 5 replaces the tokenizer of each
folder with that model type by its own (`MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from memory_r1.memory.errors import InputError
from memory_r1.rl.tiny.tokenizer import END, LENGTH, PAD


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a policy is. `width`: of the hidden state, in heads of `head` each; embeddings are tied."""

    width: int
    layers: int
    head: int = 32
    widening: int = 3


THETA = 10_000.0
"""The base of the rotary positions: transformers' default."""
SPREAD, WRITTEN, LOOK = 0.05, 0.1, 5.5
"""Of the first weights: their standard deviation, the share of what a head reads that it writes, and the size of the
biases by which a head looks back."""

SHAPES: Mapping[str, Shape] = {
    "test": Shape(32, 1, 16),
    "tiny": Shape(96, 4),
    "small": Shape(512, 8, 64),
    "medium": Shape(640, 12, 64),
}
"""By name: about 0.07, 0.6, 28 and 60 million parameters with the tokenizer of a closed vocabulary."""


def make_model(size: str, tokenizer: PreTrainedTokenizerBase, seed: int = 0) -> LlamaForCausalLM:
    """A policy of random weights, the same for the same seed. Raises InputError for an unknown size."""
    if size not in SHAPES:
        raise InputError(f"there is no size {size!r}: choose one of {', '.join(SHAPES)}")
    shape = SHAPES[size]
    heads = shape.width // shape.head
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.width * shape.widening,
        num_hidden_layers=shape.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
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
            _prepare(model, shape.head)
    return model


def _prepare(model: LlamaForCausalLM, head: int) -> None:
    """Let attention begin with what recalling takes, which random weights need most of a training run to find.

    Head h of the first layer looks h + 1 tokens back, by its biases alone; those of the other layers look for tokens
    like their own; and all write a part of what they read (mimetic initialisation: Trockman and Kolter 2023).
    """
    for number, layer in enumerate(model.model.layers):
        attention = layer.self_attn
        for at in range(0, model.config.hidden_size, head):
            rows = slice(at, at + head)
            values, keys = (nn.init.orthogonal_(torch.empty(head, model.config.hidden_size)) for _ in range(2))
            attention.v_proj.weight[rows] = values
            attention.o_proj.weight[:, rows] = WRITTEN * values.T
            if number == 0:
                attention.q_proj.bias[rows], attention.k_proj.bias[rows] = _looks_back(at // head + 1, head)
            else:
                attention.q_proj.weight[rows] = keys
                attention.k_proj.weight[rows] = keys + 0.1 * attention.k_proj.weight[rows]


def _looks_back(distance: int, head: int) -> tuple[Tensor, Tensor]:
    """Biases of query and key, each (head,), with which a head attends to the token `distance` back.

    Rotary positions turn the pair of dimensions i and i + head / 2 by an angle that grows with the position; turned
    back by `distance` beforehand, the query meets the key there. The fastest half of the pairs is used.
    """
    half = head // 2
    fast = (torch.arange(half) < half // 2).float()
    angle = -distance * THETA ** (-torch.arange(half) / half)
    query = LOOK * torch.cat([fast * angle.cos(), fast * angle.sin()])
    return query, LOOK * torch.cat([fast, torch.zeros(half)])


def _id(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    (found,) = tokenizer.encode(token, add_special_tokens=False)
    return int(found)
