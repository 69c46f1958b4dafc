"""The entry point: the one place that runs without the command line's packages."""

from __future__ import annotations

import sys

from memory_r1.memory.errors import MissingExtraError


def main() -> None:
    """Run the command line; without its packages, say on stderr how to get them and exit with status 4."""
    try:
        from .app import main as run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write(f"error: {MissingExtraError.of('flows', error.name).message}\n")
        raise SystemExit(4) from None
    run()
