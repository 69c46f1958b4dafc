"""The application: global options, the commands in their order, and one boundary that reports every error."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from memory_r1.memory.errors import MemoryR1Error
from memory_r1.memory.logs import start_logging

from . import (
    backup,
    bank,
    bench,
    conversation,
    data,
    demo,
    evaluate,
    files,
    inspect,
    judge,
    policy,
    questions,
    report,
    score,
    serve,
    serve_model,
    systems,
    token,
    train,
)
from .shared import Options, fail

HELP = """A memory that a language agent keeps by itself: ingest conversations, ask, look at what is remembered.

It works at once and offline: without --model it follows built-in rules, without --store it keeps one SQLite file
of yours. The options below may stand before or after the command."""

EPILOG = """\b
Examples:
  memory-r1 demo
  memory-r1 ingest chat.jsonl --bank anna
  memory-r1 ask "Where does Anna live?" --bank anna
  memory-r1 search "Anna's dog" --bank anna --json
  memory-r1 banks --store neo4j://neo4j@localhost:7687/neo4j
  memory-r1 chat --bank anna --model openai:qwen@http://localhost:8000/v1

\b
Environment (an option goes before its variable):
  MEMORY_R1_STORE, MEMORY_R1_STORE_PASSWORD, MEMORY_R1_BANK, MEMORY_R1_MODEL,
  MEMORY_R1_EXTRACTOR_MODEL, MEMORY_R1_MANAGER_MODEL, MEMORY_R1_ANSWERER_MODEL,
  MEMORY_R1_API_KEY, MEMORY_R1_JUDGE_API_KEY, MEMORY_R1_EMBEDDER,
  MEMORY_R1_EMBEDDER_API_KEY, MEMORY_R1_DATA, MEMORY_R1_POLICIES,
  MEMORY_R1_LOG, MEMORY_R1_LOG_CONTENT, MEMORY_R1_TELEMETRY, MEMORY_R1_TELEMETRY_CONTENT,
  MEMORY_R1_TOKENS_FILE; passwords and keys also from files: MEMORY_R1_API_KEY_FILE, …

\b
Exit status:
  0 done; 1 failed; 2 wrong usage or input; 3 no such bank or memory;
  4 the store, a model, a package or a data set can't be had; 130 stopped by Ctrl-C"""


class Commands(TyperGroup):
    """Takes the global options wherever they stand, and turns every MemoryR1Error into one line and an exit status."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands in the order in which they were added."""
        return list(self.commands)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments with the global options moved to the front."""
        return super().parse_args(ctx, _hoisted(args))

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except MemoryR1Error as error:
            given = ctx.find_object(Options)
            raise typer.Exit(fail(error, given is not None and given.json)) from None


OPTIONS = ("store", "model", "extractor_model", "manager_model", "answerer_model", "embedder")
"""The settings that are options."""

_VALUED = (*(f"--{name.replace('_', '-')}" for name in OPTIONS), "--log")
_FLAGS = ("--json", "--verbose")


def _hoisted(args: list[str]) -> list[str]:
    front: list[str] = []
    rest: list[str] = []
    queue = list(args)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += [word, *queue]
            break
        if word in _FLAGS or (word.startswith("--") and word.partition("=")[0] in _VALUED):
            front.append(word)
            if word in _VALUED and queue:
                front.append(queue.pop(0))
        else:
            rest.append(word)
    return front + rest


app = typer.Typer(
    cls=Commands, help=HELP, epilog=EPILOG, no_args_is_help=True, pretty_exceptions_enable=False,
    rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _version(asked: bool) -> None:
    if asked:
        from memory_r1 import __version__

        typer.echo(f"memory-r1 {__version__}")
        raise typer.Exit


StoreOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="sqlite:///PATH, neo4j://USER:PASSWORD@HOST:PORT/DATABASE, or memory:// (gone at the end). "
        "Default: a SQLite file in your data folder (doctor says which).",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Who decides: rules, openai:NAME@URL, local:PATH (a Hugging Face model folder), tiny (the policy that "
        "comes along), policy (the one in use: see the command policy), or what LangChain's init_chat_model knows. "
        "Default: rules.",
    ),
]
ExtractorOption = Annotated[str | None, typer.Option(metavar="MODEL", help="Another model to find facts.")]
ManagerOption = Annotated[str | None, typer.Option(metavar="MODEL", help="Another model to choose operations.")]
AnswererOption = Annotated[str | None, typer.Option(metavar="MODEL", help="Another model to answer.")]
EmbedderOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="hashed, sentence:NAME-OR-PATH or openai:NAME@URL. Default: the bank's own; hashed for a new bank.",
    ),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Log what happens on stderr: as --log text.")]
LogOption = Annotated[
    Literal["text", "json"] | None,
    typer.Option("--log", metavar="FORMAT", help="Log what happens on stderr: text, or json, an object in each line."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
VersionOption = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def options(  # noqa: PLR0913, PLR0917 - the global options are what they are
    ctx: typer.Context,
    store: StoreOption = None,
    model: ModelOption = None,
    extractor_model: ExtractorOption = None,
    manager_model: ManagerOption = None,
    answerer_model: AnswererOption = None,
    embedder: EmbedderOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
    log: LogOption = None,
    version: VersionOption = False,
) -> None:
    """Keep the options for the command."""
    given = {name: ctx.params[name] for name in OPTIONS}
    ctx.obj = Options(given, json)
    if log:
        os.environ["MEMORY_R1_LOG"] = log  # for the server, and for processes that a command starts
    start_logging(log or ("text" if verbose else None))


for part in (
    demo,
    conversation,
    questions,
    bank,
    files,
    backup,
    inspect,
    score,
    data,
    evaluate,
    judge,
    train,
    policy,
    report,
    systems,
    serve,
    serve_model,
):
    part.register(app)
app.add_typer(token.app, name="token")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run `memory-r1`. Logging is silent unless asked for: what matters of it stands in errors and summaries.

    Matrix products here are small: one thread is faster than several (unless the user says otherwise).
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(level=logging.CRITICAL, format="%(levelname)s %(name)s: %(message)s")
    app(args=sys.argv[1:], prog_name="memory-r1")
