"""The command `memory-r1`."""

from .entry import main

__all__ = ["main"]
