"""Benchmarks."""

from __future__ import annotations

import typer

app = typer.Typer(help="Measure.", no_args_is_help=True)


@app.command()
def turn() -> None:
    """X."""


@app.command()
def fork() -> None:
    """X."""
