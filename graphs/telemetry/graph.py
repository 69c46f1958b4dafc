# pyright: reportMissingTypeStubs=false
"""A compiled graph whose runs can be watched."""

from __future__ import annotations

from typing import Any, cast

from langgraph.graph.state import CompiledStateGraph

from memory_r1.graphs.telemetry.runs import follow, follow_sync, watched
from memory_r1.graphs.telemetry.telemetry import Telemetry


class WatchedGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled graph that is LangGraph's own, but that each of its runs is watched where somebody watches.

    All ways to run a graph go through `astream` or `stream`.
    """

    def __init__(self, *, telemetry: Telemetry | None = None, **parts: Any) -> None:
        super().__init__(**parts)
        self.telemetry = telemetry

    @classmethod
    def of(cls, graph: CompiledStateGraph[Any, Any, Any, Any], telemetry: Telemetry | None) -> WatchedGraph:
        """`graph`, its runs watched where somebody watches."""
        parts = {name: part for name, part in vars(graph).items() if name != "__orig_class__"}
        return cls(telemetry=telemetry, **parts)

    def astream(self, *args: Any, **kwargs: Any) -> Any:
        """Run, and stream what is asked for."""
        stream: Any = cast(Any, super()).astream(*args, **kwargs)
        return follow(self._called, self.telemetry, stream) if watched(self.telemetry) else stream

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        """Run, and stream what is asked for."""
        stream: Any = cast(Any, super()).stream(*args, **kwargs)
        return follow_sync(self._called, self.telemetry, stream) if watched(self.telemetry) else stream

    @property
    def _called(self) -> str:
        return "chat" if self.name == "agent" else str(self.name)
