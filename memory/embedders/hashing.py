"""The built-in embedder: hashed words, character n-grams and concepts. No weights, no download, no model library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.analysis import analyze
from memory_r1.memory.embedders.base import Vectors
from memory_r1.memory.lexicon import QUESTION_WORDS, concepts

GRAMS = (3, 4)
"""The lengths of the character n-grams."""

GRAM, CONCEPT, QUESTION = 0.6, 1.5, 0.35
"""Weight of a word's n-grams together, of a concept, and of a question word, against 1 for a word."""

_Features = tuple[NDArray[np.int64], NDArray[np.float64]]


class HashedEmbedder:
    """Embeds a text as the signed hashes of its words, of their character n-grams and of their concepts.

    A word counts with the logarithm of how often it occurs; its n-grams share one weight, so "painter" lies near
    "painting"; a concept of the lexicon counts with the root of what its words add up to, so "puppy" lies near "pet".
    Deterministic across processes and machines. Weights tuned on LoCoMo's conv-26 and conv-30.
    """

    def __init__(self, dim: int = 512) -> None:
        if dim < 8:
            raise ValueError(f"an embedding needs at least 8 dimensions, not {dim!r}")
        self.dim = dim
        self.name = f"hashed-v2/{dim}"

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """The vectors of `texts`: (len(texts), dim) float32, unit norm; zeros for a text without content words."""
        return self.vectors(texts)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """What `embed` returns, without an event loop."""
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(out, texts, strict=True):
            weights = {
                term: (1.0 + log(count)) * (QUESTION if term in QUESTION_WORDS else 1.0)
                for term, count in Counter(analyze(text)).items()
            }
            if weights:
                row[:] = _unit(_sum(weights, self.dim))
        return out


def _sum(weights: dict[str, float], dim: int) -> NDArray[np.float64]:
    """The vector of weighted terms, not yet of unit norm."""
    shared: dict[str, float] = {}
    for term, weight in weights.items():
        found = concepts([term])
        for concept in found:
            shared[concept] = shared.get(concept, 0.0) + weight / sqrt(len(found))
    parts = [(_term(term, dim), weight) for term, weight in weights.items()]
    parts += [(_hashed((concept,), dim), CONCEPT * sqrt(weight)) for concept, weight in shared.items()]
    places = np.concatenate([places for (places, _), _ in parts])
    values = np.concatenate([values * weight for (_, values), weight in parts])
    return np.bincount(places, values, dim).astype(np.float64)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    norm = sqrt(float(vector @ vector))
    return vector / norm if norm > 0 else vector


@lru_cache(maxsize=50_000)
def _term(term: str, dim: int) -> _Features:
    """Where a term and its n-grams stand, and how much each adds."""
    padded = f"<{term}>"
    grams = sorted({padded[at : at + size] for size in GRAMS for at in range(len(padded) - size + 1)} - {padded})
    places, signs = _hashed((f"w:{term}", *(f"g:{gram}" for gram in grams)), dim)
    share = GRAM / sqrt(len(grams)) if grams else 0.0
    return places, signs * np.array([1.0] + [share] * len(grams))


@lru_cache(maxsize=50_000)
def _hashed(names: tuple[str, ...], dim: int) -> _Features:
    """A place in `range(dim)` and a sign for each name."""
    codes = [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") for name in names]
    places = np.array([(code >> 1) % dim for code in codes], dtype=np.int64)
    return places, np.array([1.0 if code & 1 else -1.0 for code in codes])
