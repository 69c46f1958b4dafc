"""Policies from scratch: the sizes there are.

Llama's architecture, which every server and trainer knows. Not Qwen2's: transformers 5 replaces the tokenizer of each
folder with that model type by its own (`MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
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
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def _id(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    (found,) = tokenizer.encode(token, add_special_tokens=False)
    return int(found)
