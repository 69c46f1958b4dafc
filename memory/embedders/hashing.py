"""The built-in embedder: hashed words and character n-grams. No weights, no download, no model library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ..analysis import stem, words
from .base import Vectors

_GRAMS = (3, 4)
_WORD, _GRAM = 1.0, 0.8


class HashedEmbedder:
    """Embeds a text as the signed hashes of its stems and of their character n-grams.

    A stem counts with the logarithm of how often it occurs; its n-grams share one weight, so "painter"
    lies near "painting" whose stem differs. Deterministic across processes and machines.
    """

    def __init__(self, dim: int = 512) -> None:
        if dim < 8:
            raise ValueError(f"an embedding needs at least 8 dimensions, not {dim!r}")
        self.dim = dim
        self.name = f"hashed-v1/{dim}"

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """The vectors of `texts`: (len(texts), dim) float32, unit norm; zeros for a text without content words."""
        return self.vectors(texts)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """What `embed` returns, without an event loop."""
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(out, texts, strict=True):
            self._fill(row, text)
        return out

    def _fill(self, row: NDArray[np.float32], text: str) -> None:
        counts = Counter(word for word in words(text) if stem(word))
        if not counts:
            return
        features = [_features(word, self.dim) for word in counts]
        damped = 1.0 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))
        weights = np.repeat(damped, [len(places) for places, _ in features]).astype(np.float32)
        places = np.concatenate([places for places, _ in features])
        values = np.concatenate([values for _, values in features]) * weights
        row += np.bincount(places, weights=values, minlength=self.dim).astype(np.float32)
        norm = float(np.sqrt(row @ row))
        if norm > 0:
            row /= norm


@lru_cache(maxsize=50_000)
def _features(word: str, dim: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Places and signed weights of one word: its stem with weight 1, its n-grams with a common norm."""
    root = stem(word)
    padded = f"<{root}>"
    grams = sorted({padded[i : i + n] for n in _GRAMS for i in range(len(padded) - n + 1)} - {padded})
    names = [f"w:{root}", *(f"g:{gram}" for gram in grams)]
    codes = [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") for name in names]
    places = np.array([(code >> 1) % dim for code in codes], dtype=np.int64)
    share = _GRAM / len(grams) ** 0.5 if grams else 0.0
    values = np.array([_WORD] + [share] * len(grams), dtype=np.float32)
    values *= np.array([1.0 if code & 1 else -1.0 for code in codes], dtype=np.float32)
    return places, values
