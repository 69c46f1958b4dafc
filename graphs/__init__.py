"""The agent: compiled LangGraph graphs over a memory store."""

from memory_r1.graphs.build import Agent, Answered, Remembered, Settings, build_agent
from memory_r1.graphs.endpoint import Patience
from memory_r1.graphs.models import ModelOptions, load_limits, load_model, load_roles
from memory_r1.graphs.remember import Limits
from memory_r1.graphs.roles import Answerer, Extractor, Failure, Manager, Roles, Usage
from memory_r1.graphs.state import Context

__all__ = [
    "Agent", "Answered", "Answerer", "Context", "Extractor", "Failure", "Limits", "Manager", "ModelOptions", "Patience",
    "Remembered", "Roles", "Settings", "Usage", "build_agent", "load_limits", "load_model", "load_roles",
]  # fmt: skip
