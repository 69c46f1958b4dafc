"""Tasks: data sets with their questions."""

from __future__ import annotations

from .load import load_task
from .locomo import load_locomo
from .types import Conversation, Question, Task

__all__ = ["Conversation", "Question", "Task", "load_locomo", "load_task"]
