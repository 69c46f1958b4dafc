"""What is asked of a local model and what it gives back; plain values, without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from memory_r1.memory.errors import InputError


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. `temperature` 0: always the likeliest. `top_k` 0 and `top_p` 1: no cut.

    `stop`: token ids that end a reply (and belong to it). `seed`: the draws depend on nothing else; None: on the
    engine's seed and the number of requests before this one. Raises InputError for what can't be sampled from.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[int, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1 or self.max_tokens < 1:
            raise InputError(
                f"{self!r} can't be sampled from: temperature and top_k from 0, top_p in (0, 1], max_tokens from 1"
            )


@dataclass(frozen=True, slots=True)
class Generation:
    """One reply. `ended`: by a stop token, which is the last of `token_ids`; False: at the limit of tokens.

    `log_probs`: of each token, natural, under the distribution that it was drawn from: softmax(logits / temperature)
    after the cuts of top_k and top_p; at temperature 0, softmax(logits).
    """

    token_ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row of a batch. `limit`: the tokens that it may get; `seed`: of its draws."""

    ids: tuple[int, ...]
    sampling: Sampling
    limit: int
    seed: int
