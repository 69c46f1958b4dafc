"""A synthetic world: conversations without end, with the right operation for every fact."""

from __future__ import annotations

from .make import Size, World, make_world

__all__ = ["Size", "World", "make_world"]
