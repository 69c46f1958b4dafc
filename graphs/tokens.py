"""Who may use an agent server, and which banks are whose: a file of tokens, of which only the hashes are kept.

A token has 256 random bits, so SHA-256 needs no salt and no stretching. The file is JSON, for its owner alone, and is
replaced as a whole under a lock; a server reads it again when it changes.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import secrets
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from memory_r1.memory.checks import check_bank_id
from memory_r1.memory.durable import write_whole
from memory_r1.memory.errors import InputError, SettingsError

log = logging.getLogger(__name__)

VARIABLE = "MEMORY_R1_TOKENS_FILE"
"""The environment variable that names the file."""

PREFIX = "mr1_"
"""How a token begins, so that scanners for secrets find one."""

IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}")
ID = re.compile(r"[0-9a-f]{8}")
WAIT = 10.0
"""Seconds to wait for another process that changes the file."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token: whose it is, the banks that it opens, and the SHA-256 of its text, in hexadecimal digits.

    `id`: eight hexadecimal digits, to name it. `expires`: when it stops working; None: never. Times are UTC.
    """

    id: str
    identity: str
    banks: tuple[str, ...]
    hash: str
    created: datetime
    expires: datetime | None = None

    def valid(self, now: datetime) -> bool:
        """Whether the token works at `now`."""
        return self.expires is None or now < self.expires


@dataclass(frozen=True, slots=True)
class Kept:
    """What the file holds."""

    tokens: tuple[Token, ...] = ()
    version: int = 1


_KEPT = TypeAdapter(Kept)


def utc_now() -> datetime:
    """The time now in UTC, by the second."""
    return datetime.now(UTC).replace(microsecond=0)


def read_tokens(path: Path) -> tuple[Token, ...]:
    """The tokens that the file holds. Raises SettingsError when it is not there, is damaged, or others may write it."""
    try:
        with path.open("rb") as file:
            mode, content = os.fstat(file.fileno()).st_mode, file.read()
    except OSError as error:
        raise SettingsError(
            f"the tokens in {str(path)!r} can't be read ({error.strerror}): "
            f"memory-r1 token add NAME --tokens {str(path)!r} makes the file"
        ) from None
    if os.name == "posix" and mode & 0o022:
        raise SettingsError(f"others may write {str(path)!r}, and so give themselves a token: chmod 600 it")
    try:
        kept = _KEPT.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise SettingsError(f"{str(path)!r} holds no tokens ({place}: {first['msg']}): restore it") from None
    _check(path, kept)
    return kept.tokens


def _check(path: Path, kept: Kept) -> None:
    owners: dict[str, tuple[str, ...]] = {}
    for token in kept.tokens:
        if owners.setdefault(token.identity, token.banks) != token.banks or not token.banks:
            raise SettingsError(f"{str(path)!r} gives {token.identity!r} no list of banks, or two: restore it")
    if kept.version != 1:
        raise SettingsError(f"{str(path)!r} has version {kept.version!r}, and this program knows 1: update it")


def add_token(
    path: Path, identity: str, banks: Sequence[str] = (), days: int | None = None, now: datetime | None = None
) -> tuple[Token, str]:
    """Give `identity` one token more; returns what is kept of it, and its text, which is kept nowhere.

    `banks`: those that it opens; by default those of the identity's other tokens, else one of the identity's own name.
    `days`: how long it works. Raises InputError and SettingsError.
    """
    if not IDENTITY.fullmatch(identity) or ID.fullmatch(identity):
        raise InputError(
            f"{identity!r} is no identity: 1 to 64 letters, digits and _ . @ + -, first a letter or digit, "
            "and not eight hexadecimal digits, which name a token"
        )
    for bank in banks:
        check_bank_id(bank)
    now = now or utc_now()
    text = PREFIX + secrets.token_urlsafe(32)
    with _changing(path) as kept:
        own = _banks(kept, identity, tuple(dict.fromkeys(banks)))
        expires = now + timedelta(days=days) if days else None
        token = Token(secrets.token_hex(4), identity, own, digest(text), now, expires)
        kept.append(token)
    return token, text


def _banks(kept: Iterable[Token], identity: str, asked: tuple[str, ...]) -> tuple[str, ...]:
    known = next((token.banks for token in kept if token.identity == identity), ())
    if known and asked and set(known) != set(asked):
        raise InputError(
            f"{identity!r} has the banks {', '.join(known)}, for all tokens alike: leave --bank out, "
            f"or revoke its tokens first (memory-r1 token revoke {identity})"
        )
    return known or asked or (identity,)


def revoke_tokens(path: Path, which: str) -> tuple[Token, ...]:
    """Remove the token with the id `which`, or all tokens of the identity `which`; returns them. Raises InputError."""
    with _changing(path) as kept:
        gone = [token for token in kept if which in (token.id, token.identity)]
        if not gone:
            raise InputError(f"{which!r} is neither a token's id nor an identity: see memory-r1 token list")
        kept[:] = [token for token in kept if token not in gone]
    return tuple(gone)


def digest(text: str) -> str:
    """What is kept of a token."""
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def _changing(path: Path) -> Generator[list[Token]]:
    """The tokens, to be changed in place; written back as a whole if nothing is raised."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(f"{path}.lock", timeout=WAIT, mode=0o600):
            tokens = list(read_tokens(path)) if path.exists() else []
            yield tokens
            write_whole(path, _KEPT.dump_json(Kept(tuple(tokens)), indent=2) + b"\n", private=True)
    except Timeout:
        raise SettingsError(f"another process changes {str(path)!r}: try again") from None
    except OSError as error:
        raise SettingsError(f"can't write {str(path)!r}: {error.strerror}") from None


class Keys:
    """The tokens in force: those of a file, read again when it changes. A file that can't be read opens nothing."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = utc_now) -> None:
        self.path = path
        self.clock = clock
        self._stamp: tuple[int, ...] | None = None
        self._tokens: tuple[Token, ...] = ()

    def refresh(self) -> None:
        """Read the file if it is another one than last time (waits for the disk)."""
        try:
            found = self.path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)
        except OSError:
            stamp = ()
        if stamp == self._stamp:
            return
        tokens: tuple[Token, ...] = ()
        try:
            tokens = read_tokens(self.path)
        except SettingsError as error:
            log.error("nobody is let in: %s", error)
        self._tokens, self._stamp = tokens, stamp

    def find(self, text: str) -> Token | None:
        """The token that `text` is, if it works now; every token is compared, each in constant time."""
        self.refresh()
        asked, now = digest(text), self.clock()
        found = [token for token in self._tokens if hmac.compare_digest(token.hash, asked)]
        return next((token for token in found if token.valid(now)), None)

    def banks(self, identity: str) -> tuple[str, ...]:
        """The banks of `identity`; none when no token of it works now."""
        self.refresh()
        now = self.clock()
        return next((token.banks for token in self._tokens if token.identity == identity and token.valid(now)), ())
