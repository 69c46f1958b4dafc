"""An embedder that remembers: the members of a group, and a bank from turn to turn, embed the same texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.embedders.base import Embedder, Vectors
from memory_r1.rl.rollouts.recent import Recent


class KeptVectors:
    """The vectors of `inner`, of which the `size` used last are kept (2 KiB each at 512 dimensions)."""

    def __init__(self, inner: Embedder, size: int = 20_000) -> None:
        self._inner = inner
        self._kept: Recent[tuple[str, bool], NDArray[np.float32]] = Recent(size)

    @property
    def name(self) -> str:
        """The name of `inner`: the vectors are its."""
        return self._inner.name

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self._inner.dim

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """The vectors of `texts`: (len(texts), dim) float32, unit norm; `inner` is asked for those it has not told."""
        found = {text: self._kept.get((text, query)) for text in texts}
        missing = [text for text, row in found.items() if row is None]
        if missing:
            for text, row in zip(missing, await self._inner.embed(missing, query=query), strict=True):
                found[text] = row
                self._kept.put((text, query), row)
        rows = [row for row in (found[text] for text in texts) if row is not None]
        return np.array(rows, np.float32).reshape(len(texts), self.dim)
