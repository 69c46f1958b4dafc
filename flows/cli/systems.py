"""Command group `systems`: the rows of the benchmarks' table, and the libraries of other people behind some of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from .shared import options, show, show_json, show_table

if TYPE_CHECKING:
    from memory_r1.rl.systems.peers import Peer

systems = typer.Typer(help="Rows of the benchmarks' table, and the libraries behind them.", no_args_is_help=True)

NamesArgument = Annotated[
    list[str], typer.Argument(metavar="NAME…", help="Which libraries: see `systems list`; or all.")
]


@dataclass(frozen=True, slots=True)
class Line:
    """One system: what it is, what it needs, its library and whether that is installed."""

    name: str
    what: str
    needs: str
    library: str
    installed: str
    notes: str


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(systems, name="systems")


@systems.command("list")
def show_all(ctx: typer.Context) -> None:
    """All systems that `memory-r1 eval` can run, what each needs, and which libraries are installed."""
    from memory_r1.rl.systems.peers import PEERS
    from memory_r1.rl.systems.registry import SYSTEMS

    lines = [_line(name, what, PEERS.get(name)) for name, what in SYSTEMS.items()]
    if options(ctx).json:
        show_json({"systems": lines})
        return
    rows = [(line.name, line.what, line.needs, line.library, line.installed) for line in lines]
    show_table(("system", "what it is", "needs", "library", "installed"), rows)


@systems.command()
def install(ctx: typer.Context, names: NamesArgument) -> None:
    """Install libraries, each in an environment of its own, by pip with pinned versions.

    They go to the folder where your programs keep what can be made again, or to MEMORY_R1_ENVIRONMENTS. What is there
    already is left as it is.
    """
    done: dict[str, str] = {}
    for peer in _peers(names):
        environment = peer.environment
        made = environment.install(lambda line: typer.echo(line, err=True))
        done[peer.name] = str(environment.folder)
        state = "installed" if made else "is there"
        if not options(ctx).json:
            show(f"{peer.name}: {peer.package} {peer.version} {state}: {environment.folder}")
    if options(ctx).json:
        show_json({"installed": done})


@systems.command()
def remove(ctx: typer.Context, names: NamesArgument) -> None:
    """Delete the environments of libraries. What evaluations keep stays."""
    done = {peer.name: peer.environment.remove() for peer in _peers(names)}
    if options(ctx).json:
        show_json({"removed": [name for name, there in done.items() if there]})
        return
    for name, there in done.items():
        show(f"{name}: {'removed' if there else 'was not installed'}")


def _peers(names: list[str]) -> list[Peer]:
    """The libraries of that name, checked before any is touched. Raises InputError."""
    from memory_r1.rl.systems.peers import PEERS, find_peer

    return list(PEERS.values()) if "all" in names else [find_peer(name) for name in dict.fromkeys(names)]


def _line(name: str, what: str, peer: Peer | None) -> Line:
    if peer is None:
        return Line(name, what, "nothing" if name in ("rules", "rag") else "a model", "", "built in", "")
    there = peer.environment.installed
    how = "yes" if there else f"no: memory-r1 systems install {name}"
    return Line(name, what, peer.needs, f"{peer.package} {peer.version}", how, peer.notes)
