"""The command that serves model folders: serve-model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .shared import clean, options

HELP = """Serve model folders, and the versions of a policy registry, behind OpenAI's chat API.

For machines without a GPU; vLLM serves on those with one. A model's name is the absolute path of its folder. The key
that clients must bring is MEMORY_R1_API_KEY; without one it listens on loopback only. SIGTERM or Ctrl-C ends it."""

EPILOG = """\b
Examples:
  memory-r1 serve-model tiny
  memory-r1 serve-model runs/grpo-s1/policy --port 8001
  memory-r1 serve-model --registry ~/policies
  memory-r1 ask "Where does Ann live?" --bank ann --model openai:$PWD/runs/grpo-s1/policy@http://127.0.0.1:8001/v1"""

FoldersArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[FOLDER]...", help="Hugging Face folders, or tiny.")
]
RegistryOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="A policy registry: all its versions, also those to come. Default: yours, if no FOLDER is given.",
    ),
]
HostOption = Annotated[str, typer.Option(metavar="ADDRESS", help="Beyond loopback only with a key.")]
PortOption = Annotated[int, typer.Option(min=0, max=65_535, metavar="N", help="0: a free one, which is printed.")]
KeepOption = Annotated[int, typer.Option(min=1, metavar="N", help="Models in memory at most, but for those in use.")]
WaitingOption = Annotated[int, typer.Option(min=1, metavar="N", help="Replies in work and in wait; then 429.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("serve-model", help=HELP, epilog=EPILOG)(serve_model)


def serve_model(  # noqa: PLR0913, PLR0917 - the options are what they are
    ctx: typer.Context,
    folders: FoldersArgument = None,
    registry: RegistryOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    keep: KeepOption = 4,
    waiting: WaitingOption = 256,
) -> None:
    """Serve until told to end."""
    from memory_r1.graphs.local.folder import find_folder
    from memory_r1.graphs.local.listen import LOOPBACK, bound, checked_reach, run
    from memory_r1.graphs.local.server import Bounds, ModelServer
    from memory_r1.graphs.local.shelf import Shelf

    settings = options(ctx).settings
    key = settings.api_key.get_secret_value()
    registry = registry or (None if folders else settings.policies_path)
    shelf = Shelf([find_folder(name) or Path(name).expanduser() for name in folders or []], registry, keep)
    opened = bound(checked_reach(host, key), port)
    server = ModelServer(shelf, key, frozenset() if key else LOOPBACK, Bounds(waiting))
    at, number = opened.getsockname()[:2]
    shown = f"[{at}]" if ":" in at else at
    typer.echo(clean(f"serving {len(shelf.names())} models on http://{shown}:{number}/v1"), err=True)
    run(server.app, opened)
