"""OpenTelemetry over the agent: spans and metrics of its graphs, its store, its models."""

from memory_r1.graphs.telemetry.environment import from_environment
from memory_r1.graphs.telemetry.telemetry import Telemetry

__all__ = ["Telemetry", "from_environment"]
