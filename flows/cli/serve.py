"""The command that serves the agent: serve."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from memory_r1.memory.errors import InputError, MemoryR1Error, MissingExtraError, SettingsError

from .shared import Options, clean, options

HELP = """Serve the agent: the graphs remember, answer and agent, by LangGraph's server.

For the LangGraph SDK, Studio, or any HTTP client. Without tokens it listens on loopback only; with a file of tokens
each caller has threads and banks of his own (memory-r1 token add NAME). SIGTERM or Ctrl-C ends it."""

EPILOG = """\b
Examples:
  memory-r1 serve
  memory-r1 token add anna
  memory-r1 serve --host 0.0.0.0 --store neo4j://neo4j@localhost:7687/neo4j"""

GRAPHS: Mapping[str, str] = {name: f"memory_r1.graphs.serve:{name}" for name in ("remember", "answer", "agent")}
AUTH: Any = {"path": "memory_r1.graphs.auth:auth", "disable_studio_auth": True}
HTTP: Any = {"app": "memory_r1.graphs.gate:app", "disable_mcp": True, "disable_a2a": True}
"""What `infra/langgraph.json` says to `langgraph dev`, here for an installed package."""

THREADS = ".langgraph_api"
"""The folder, below the one where the server starts, in which LangGraph keeps threads if asked to."""

PASSING = "not-kept"
"""The file there that says that nothing beside it is to be kept."""

GRACE = 20
"""Seconds that requests, and then runs, have to end once the server is told to."""

HostOption = Annotated[str, typer.Option(metavar="ADDRESS", help="Beyond loopback only with tokens.")]
PortOption = Annotated[int, typer.Option(min=1, max=65_535, metavar="N")]
TokensOption = Annotated[
    Path | None,
    typer.Option(
        envvar="MEMORY_R1_TOKENS_FILE",
        metavar="FILE",
        help="Who may call. Default: beyond loopback, the file that `memory-r1 token` writes; on loopback none.",
    ),
]
JobsOption = Annotated[int, typer.Option(min=1, metavar="N", help="Runs at the same time.")]
KeepOption = Annotated[
    bool,
    typer.Option(
        "--keep-threads",
        help=f"Keep threads in the folder {THREADS} here, also when the server ends; else they are in memory only.",
    ),
]
CertOption = Annotated[Path | None, typer.Option(metavar="FILE", help="A certificate (PEM), for HTTPS.")]
KeyOption = Annotated[Path | None, typer.Option(metavar="FILE", help="The certificate's private key (PEM).")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(help=HELP, epilog=EPILOG)(serve)


def serve(  # noqa: PLR0913, PLR0917 - the options are what they are
    ctx: typer.Context,
    host: HostOption = "127.0.0.1",
    port: PortOption = 2024,
    tokens: TokensOption = None,
    jobs: JobsOption = 10,
    keep_threads: KeepOption = False,
    tls_cert: CertOption = None,
    tls_key: KeyOption = None,
) -> None:
    """Serve until told to end."""
    if find_spec("langgraph_api") is None:
        raise MissingExtraError.of("serve", "langgraph-api")
    if (tls_cert is None) != (tls_key is None):
        raise InputError("HTTPS needs both: --tls-cert FILE and --tls-key FILE")
    given, file = options(ctx), _tokens(host, tokens)
    _check_port(host, port)
    folder = _place(keep_threads)
    os.environ |= _environment(given, file)
    scheme = "https" if tls_cert else "http"
    who = f"callers with a token of {str(file)!r}" if file else "callers on this machine, without tokens"
    typer.echo(clean(f"serving {', '.join(GRAPHS)} on {scheme}://{host}:{port} for {who}"), err=True)
    how = {"ssl_certfile": tls_cert, "ssl_keyfile": tls_key, "disable_persistence": not keep_threads}
    try:
        _run(host=host, port=port, n_jobs_per_worker=jobs, **how)
    finally:
        if not keep_threads:
            shutil.rmtree(folder, ignore_errors=True)


def _run(**how: Any) -> None:
    """Serve, in this process and thread. Raises MemoryR1Error when the server can't start."""
    from langgraph_api.cli import run_server

    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    logging.getLogger("langgraph_api.cli").setLevel(logging.WARNING)  # its banner is for developers
    try:
        run_server(
            graphs=dict(GRAPHS), auth=AUTH, http=HTTP, allow_blocking=True, timeout_graceful_shutdown=GRACE,
            server_header=False, **how,
        )  # fmt: skip
    except OSError as error:
        raise MemoryR1Error(f"the server did not start: {error}") from None
    except SystemExit as ended:
        if ended.code:
            raise MemoryR1Error("the server did not start; the reason stands in its log above") from None


def _end(*_: object) -> NoReturn:
    raise SystemExit(0)


def _tokens(host: str, given: Path | None) -> Path | None:
    """The file of tokens that counts for a server on `host`. Raises SettingsError where others could call without."""
    from memory_r1.graphs.local.listen import is_loopback
    from memory_r1.graphs.tokens import read_tokens
    from memory_r1.memory.settings import default_tokens

    open_to_others = not is_loopback(host)
    file = given or (default_tokens() if open_to_others and default_tokens().exists() else None)
    if file is None and open_to_others:
        raise SettingsError(
            f"listening on {host!r} lets other machines in, and there are no tokens: make one by "
            f"`memory-r1 token add NAME`, which prints it and opens the bank NAME to it, or listen on 127.0.0.1"
        )
    if file is not None and not read_tokens(file):
        raise SettingsError(f"{str(file)!r} holds no tokens: make one by `memory-r1 token add NAME`")
    return file.absolute() if file else None


def _check_port(host: str, port: int) -> None:
    """Raises SettingsError when the server could not listen there."""
    from memory_r1.graphs.local.listen import bound

    if ":" in host:
        raise SettingsError(f"LangGraph's server knows no IPv6 address as {host!r}: give an IPv4 address or a name")
    bound(host, port).close()


def _place(keep: bool) -> Path:
    """The folder of threads, ready. LangGraph loads what is there, and writes there at its end, also if not asked to.

    Raises SettingsError when the folder is not this user's alone, or holds threads that are to be kept.
    """
    os.umask(0o077)  # what the server writes is for its owner
    folder = Path(THREADS).absolute()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.stat()
        if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
            raise SettingsError(
                f"others may write into {str(folder)!r}, and what LangGraph loads from there can run any program: "
                "start in a folder of your own"
            )
        if (folder / PASSING).exists():  # what a server left that was killed
            shutil.rmtree(folder)
            folder.mkdir(mode=0o700)
        if not keep and any(folder.iterdir()):
            raise SettingsError(f"{str(folder)!r} holds threads: go on with --keep-threads, or remove the folder")
        if not keep:
            (folder / PASSING).touch()
    except OSError as error:
        raise SettingsError(f"can't use {str(folder)!r} ({error.strerror}): start in a folder of your own") from None
    return folder


def _environment(given: Options, tokens: Path | None) -> dict[str, str]:
    """What the graphs, the gate and LangGraph's server read. Raises SettingsError for settings that don't hold."""
    given.settings  # noqa: B018 - read for its errors, before the server starts
    said = {f"MEMORY_R1_{name.upper()}": value for name, value in given.values.items() if value is not None}
    return {
        **said,
        "MEMORY_R1_TOKENS_FILE": str(tokens) if tokens else "",
        "BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS": os.environ.get("BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS", str(GRACE)),
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO" if logging.getLogger().level <= logging.INFO else "WARNING"),
        "LOG_COLOR": os.environ.get("LOG_COLOR", str(sys.stdout.isatty()).lower()),
        "LANGGRAPH_NO_VERSION_CHECK": "true",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    }
