"""A synthetic world: conversations without end, with the right operation for every fact."""

from __future__ import annotations

from .make import Size, World, make_world
from .memories import Decision, decisions

__all__ = ["Decision", "Size", "World", "decisions", "make_world"]
