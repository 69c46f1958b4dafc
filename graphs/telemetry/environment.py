"""Telemetry as the environment asks for it, read whenever an agent is built.

MEMORY_R1_TELEMETRY           off, or otlp: spans and metrics go where OpenTelemetry's own variables say (default: off)
MEMORY_R1_TELEMETRY_CONTENT   on: spans also hold the text of turns, prompts, replies and answers (default: off)
"""

from __future__ import annotations

from memory_r1.graphs.telemetry.telemetry import Telemetry
from memory_r1.memory.logs import choice


def from_environment() -> Telemetry | None:
    """The process's telemetry; None where it is off.

    Raises SettingsError for a value that is none, and MissingExtraError naming what to install.
    """
    if choice("MEMORY_R1_TELEMETRY", "off", "otlp") == "off":
        return None
    from memory_r1.graphs.telemetry.otlp import exported

    return exported(choice("MEMORY_R1_TELEMETRY_CONTENT", "off", "on") == "on")
