"""A diary that embeds the memory: someone else's graph, with the two compiled graphs as two of its steps.

    START → note → remember → ask → answer → page → END

The diary's own state shares only the keys that it wants: it hands over `turn` and `question`, and takes back
`operations` and `answer`. The bank is the run's: `config={"configurable": {"bank": "anna"}}`.
"""

# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from memory_r1.graphs import Agent
from memory_r1.memory.types import Turn


class Diary(TypedDict, total=False):
    """One evening: what was written (`entry`, `day` as an ISO date), what is looked up, and the page that results."""

    entry: str
    day: str
    lookup: str
    page: str
    turn: dict[str, Any] | Turn
    question: str
    asked: str | None
    operations: list[dict[str, Any]]
    answer: dict[str, Any]


def note(state: Diary) -> Diary:
    """Write the entry as a turn by the diary's owner; its id is the day, so that a day is remembered once."""
    day = state.get("day", "")
    return {"turn": Turn(f"diary-{day}", "diary", 0, "I", state.get("entry", ""), datetime.fromisoformat(day))}


def ask(state: Diary) -> Diary:
    """Look something up in all the days so far."""
    return {"question": state.get("lookup", ""), "asked": state.get("day")}


def page(state: Diary) -> Diary:
    """Write the page: what was kept, and what was looked up."""
    kept = [op["text"] for op in state.get("operations", []) if op["kind"] in ("add", "update")]
    found = state.get("answer", {}).get("text", "")
    return {"page": "\n".join([f"Kept: {text}" for text in kept] + [f"{state.get('lookup', '')} {found}"])}


def build_diary(memory: Agent) -> Any:
    """Compile the diary around `memory`."""
    graph: Any = StateGraph(Diary)
    graph.add_node("note", note)
    graph.add_node("remember", memory.remember)
    graph.add_node("ask", ask)
    graph.add_node("answer", memory.answer)
    graph.add_node("page", page)
    steps = [START, "note", "remember", "ask", "answer", "page", END]
    for before, after in pairwise(steps):
        graph.add_edge(before, after)
    return graph.compile(name="diary")
