"""Fetches one file over HTTP, its checksum counted on the way."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from memory_r1.memory.errors import DataUnavailableError, InputError, MissingExtraError

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes received so far, and how many there will be, where the server says so."""

TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as gone."""


def download(url: str, target: Path, on_bytes: OnBytes, timeout: float = TIMEOUT) -> str:
    """Write what stands at `url` to `target`; returns its SHA-256 in hex. Redirects are followed.

    Raises DataUnavailableError when it can't be had as a whole, InputError for what is no HTTP address,
    MissingExtraError without httpx; `target` may then hold a part of it.
    """
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError.of("rl", "httpx") from error
    sum, done = sha256(), 0
    how: Any = {"timeout": httpx.Timeout(timeout), "headers": {"Accept-Encoding": "identity"}, "follow_redirects": True}
    try:
        with httpx.stream("GET", url, **how) as got, target.open("wb") as out:
            got.raise_for_status()
            length = got.headers.get("Content-Length", "")
            total = int(length) if length.isascii() and length.isdecimal() else None
            for block in got.iter_bytes():
                out.write(block)
                sum.update(block)
                done += len(block)
                on_bytes(done, total)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise InputError(f"{url!r} is no address to fetch from: {error}") from error
    except httpx.HTTPStatusError as error:
        code = f"{error.response.status_code} {error.response.reason_phrase}".strip()
        raise DataUnavailableError(f"can't fetch {url}: the server says {code}", url=url) from error
    except httpx.TimeoutException as error:
        raise DataUnavailableError(f"can't fetch {url}: no answer for {timeout:g} seconds", url=url) from error
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise DataUnavailableError(f"can't fetch {url}: {why}", url=url) from error
    return sum.hexdigest()
