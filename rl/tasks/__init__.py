"""Tasks: data sets with their questions."""

from __future__ import annotations

from .locomo import Conversation, Question, load_locomo

__all__ = ["Conversation", "Question", "load_locomo"]
