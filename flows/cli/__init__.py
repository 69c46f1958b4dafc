"""The command `memory-r1`."""

from .app import app, main

__all__ = ["app", "main"]
