"""Embedders: how a text becomes a vector."""

from __future__ import annotations

from .base import Embedder, Vectors
from .hashing import HashedEmbedder

__all__ = ["Embedder", "HashedEmbedder", "Vectors"]
