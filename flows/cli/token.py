"""Commands for the tokens of the agent server: token add, list, revoke."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import counted, options, show, show_json, show_table

if TYPE_CHECKING:
    from memory_r1.graphs.tokens import Token

HELP = """Say who may call the agent server (memory-r1 serve), and which banks are whose.

The file keeps hashes of the tokens only. A running server follows every change of it."""

app = typer.Typer(help=HELP, no_args_is_help=True)

IdentityArgument = Annotated[str, typer.Argument(metavar="IDENTITY", help="Whose token: a name of your choice.")]
BanksOption = Annotated[
    list[str] | None,
    typer.Option("--bank", "-b", metavar="NAME", help="A bank that it opens; may be repeated. Default: IDENTITY."),
]
DaysOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="Days that it works. Default: for ever.")]
TokensOption = Annotated[
    Path | None,
    typer.Option(
        envvar="MEMORY_R1_TOKENS_FILE", metavar="FILE", help="The file. Default: tokens.json in your data folder."
    ),
]
WhichArgument = Annotated[str, typer.Argument(metavar="ID", help="A token's id, or an identity for all of its tokens.")]


@app.command()
def add(
    ctx: typer.Context,
    identity: IdentityArgument,
    bank: BanksOption = None,
    days: DaysOption = None,
    tokens: TokensOption = None,
) -> None:
    """Make a token and print it: now, and never again."""
    from memory_r1.graphs.tokens import add_token

    made, text = add_token(_file(tokens), identity, bank or (), days)
    if options(ctx).json:
        show_json({"token": text, **_shown(made)})
        return
    show(text)
    until = f" until {made.expires:%Y-%m-%d %H:%M} UTC" if made.expires else ""
    typer.echo(
        f"The token {made.id} of {identity} opens {', '.join(made.banks)}{until}. It is printed this once.", err=True
    )


@app.command("list")
def list_tokens(ctx: typer.Context, tokens: TokensOption = None) -> None:
    """Whose tokens there are, which banks they open, and until when. None is shown itself."""
    from memory_r1.graphs.tokens import read_tokens

    file = _file(tokens)
    rows = [_shown(token) for token in (read_tokens(file) if file.exists() else ())]
    if options(ctx).json:
        show_json(rows)
    elif rows:
        show_table(list(rows[0]), [[_cell(value) for value in row.values()] for row in rows])
    else:
        show("There are no tokens.")


@app.command()
def revoke(ctx: typer.Context, which: WhichArgument, tokens: TokensOption = None) -> None:
    """Take a token back, or all of an identity; a running server refuses it from now on."""
    from memory_r1.graphs.tokens import revoke_tokens

    gone = revoke_tokens(_file(tokens), which)
    if options(ctx).json:
        show_json([_shown(token) for token in gone])
        return
    show(f"Revoked: {counted({f'token(s) of {gone[0].identity}': len(gone)})}.")


def _file(given: Path | None) -> Path:
    from memory_r1.memory.settings import default_tokens

    return given or default_tokens()


def _shown(token: Token) -> dict[str, Any]:
    """What may be shown of a token."""
    return {
        "id": token.id, "identity": token.identity, "banks": list(token.banks),
        "created": token.created, "expires": token.expires,
    }  # fmt: skip


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else str(value or "never")
