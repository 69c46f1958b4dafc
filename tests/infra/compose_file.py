"""infra/compose.yaml as Compose reads it: merged, and with the defaults of its variables; and what checks commands."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import click
import typer.main
import yaml

from memory_r1.flows.cli.app import app

INFRA = Path(__file__).resolve().parent.parent.parent / "infra"
COMPOSE = INFRA / "compose.yaml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@cache
def compose() -> dict[str, Any]:
    """The file. A variable without a default is an error: nothing may be needed to start but `make up`."""

    def default(found: re.Match[str]) -> str:
        assert found[2] is not None, f"${{{found[1]}}} has no default"
        return found[2]

    return yaml.safe_load(_VARIABLE.sub(default, COMPOSE.read_text(encoding="utf-8")))


def services() -> dict[str, Any]:
    return compose()["services"]


ELSEWHERE = {"MEMORY_R1_DATA", "MEMORY_R1_TELEMETRY"}
"""Ours, read elsewhere than in the settings."""


def parses(words: list[str]) -> None:
    """Raise what our command line says of `words`, without running the command."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("memory-r1", list(words), resilient_parsing=False)
    rest = [*context._protected_args, *context.args]
    while isinstance(group, click.Group) or hasattr(group, "commands"):
        name, group, rest = group.resolve_command(context, rest)
        context = group.make_context(name, rest, parent=context)
        rest = [*getattr(context, "_protected_args", []), *context.args]
    assert not rest, f"left over: {rest}"
