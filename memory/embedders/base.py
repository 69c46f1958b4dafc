"""The shape of an embedder: text in, unit vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""(n, dim) float32, each row of unit norm (or all zeros for text without content)."""


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their similarity."""

    @property
    def name(self) -> str:
        """Its identity, recorded in a bank: two embedders with one name give the same vectors."""
        ...

    @property
    def dim(self) -> int:
        """The length of its vectors."""
        ...

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """The vectors of `texts`: (len(texts), dim) float32, unit norm. `query` marks questions.

        Raises ModelUnavailableError when the model behind it can't be reached.
        """
        ...
