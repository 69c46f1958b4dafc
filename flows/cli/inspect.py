"""Commands that look at the program itself: graph, doctor."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from .shared import options, show, show_json, show_table


class GraphName(StrEnum):
    """The compiled graphs."""

    agent = "agent"
    remember = "remember"
    answer = "answer"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(graph)
    app.command()(doctor)


def graph(
    ctx: typer.Context,
    name: Annotated[GraphName, typer.Argument(help="Which graph.")] = GraphName.agent,
) -> None:
    """Draw the agent's graph, as Mermaid text."""
    from memory_r1.graphs import build_agent
    from memory_r1.memory.embedders import HashedEmbedder
    from memory_r1.memory.stores.memory import InMemoryStore

    agent = build_agent(store=InMemoryStore(), embedder=HashedEmbedder(), models=options(ctx).settings.models)
    drawing = getattr(agent, name.value).get_graph(xray=1).draw_mermaid()
    show_json({"graph": name.value, "mermaid": drawing}) if options(ctx).json else show(drawing.rstrip())


def doctor(ctx: typer.Context) -> None:
    """Examine the installation.

    Says what is installed, which store, embedder and models are in use and whether they reply, what is missing and how
    to get it. Exit status 4 when something that the settings ask for doesn't work.
    """
    from memory_r1.flows.doctor import examine

    checks = asyncio.run(examine(options(ctx).settings))
    if options(ctx).json:
        show_json(checks)
    else:
        from rich.text import Text

        colours = {"ok": "green", "missing": "yellow", "failed": "bold red"}
        rows = [
            (Text(c.state, colours[c.state]), c.topic, c.name, "\n".join(filter(None, (c.found, c.advice))))
            for c in checks
        ]
        show_table(("", "what", "which", "found, and what to do"), rows)
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(4)
