"""Where a server listens, and how it runs until it is told to end."""

from __future__ import annotations

import ipaddress
import signal
import socket
from typing import Any

from memory_r1.memory.errors import MissingExtraError, SettingsError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names by which this machine calls itself."""
GRACE = 30
"""Seconds that replies in work get to be finished."""


def checked_reach(host: str, key: str) -> str:
    """`host`. Raises SettingsError where others than this machine could reach it and no key would stop them."""
    if key or is_loopback(host):
        return host
    raise SettingsError(
        f"listening on {host!r} lets other machines in, and there is no key: set MEMORY_R1_API_KEY (or _FILE, the path "
        f"of a file that holds it), or listen on 127.0.0.1"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bound(host: str, port: int) -> socket.socket:
    """A socket on `host` and `port` (0: a free one). Raises SettingsError where another program has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except (OSError, OverflowError) as error:
        opened.close()
        why = getattr(error, "strerror", None) or error
        raise SettingsError(f"can't listen on {host}:{port} ({why}): give another --host or --port") from error
    return opened


def run(app: Any, opened: socket.socket) -> None:
    """Serve `app` until SIGTERM or Ctrl-C; then finish what is in work, for GRACE seconds at most, and return."""
    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError.of("model-server", "uvicorn") from None
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=GRACE, lifespan="on",
        ws="none",
    )  # fmt: skip
    before = [(name, signal.signal(name, _ended)) for name in (signal.SIGTERM, signal.SIGINT)]
    try:  # uvicorn raises the signal that ended it once more, for whoever handled it before
        uvicorn.Server(config).run(sockets=[opened])
    finally:
        opened.close()
        for name, handler in before:
            signal.signal(name, handler)


def _ended(*_: object) -> None:
    """The server has ended by then: nothing is left to do."""
