"""One bank, one compressed file: written while others write to the bank, read piece by piece.

The file is gzip over the lines of an export (`transfer`): `zcat FILE | memory-r1 import -` reads it, too. Writing holds
one page of the bank, reading one line; `replay.check` holds the ids of its turns.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import tempfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b, file_digest
from itertools import chain
from pathlib import Path
from shutil import copyfileobj

from memory_r1.memory.codec import dump_revision
from memory_r1.memory.dumps import Part, Source
from memory_r1.memory.durable import sync, sync_folder
from memory_r1.memory.errors import ConflictError, FileFormatError
from memory_r1.memory.store import NONE, Store
from memory_r1.memory.transfer import head_line, part_lines, source_of
from memory_r1.memory.types import Bank, Memory, Revision

PAGE = 1_000
"""Turns, memories or log entries that are held at once."""
TRIES = 5
"""How often a bank is read anew because its past changed meanwhile: something was forgotten, or it was reembedded."""
_LEVEL = 5
_SUFFIX = ".part"


async def head_of(store: Store, bank: Bank) -> str:
    """A digest of the bank's last log entry: tells apart two banks that count alike. "" without any."""
    last = (await store.part(bank.id, log=range(bank.revision, bank.revision + 1))).log
    return head(last[0]) if last else ""


def head(entry: Revision) -> str:
    """The digest of one log entry, 32 hexadecimal digits."""
    return blake2b(dump_revision(entry).encode(), digest_size=16).hexdigest()


async def write_bank(store: Store, bank: str, path: Path) -> tuple[Bank, str]:
    """Write the bank to a new file at `path`, as it is at one revision; returns its state then and `head_of` it.

    Writers go on meanwhile: what they end or add later is left out. The file appears as a whole, durably, readable
    by its owner alone. Raises UnknownBankError, ConflictError when the bank's past changed each time, OSError.
    """
    for _ in range(TRIES):
        state = await store.bank(bank)
        before = await head_of(store, state)
        with _new_file(path) as part_file:
            if await _write(store, state, part_file) and await _stands(store, state, before):
                _publish(part_file, path)
                return state, before
    raise ConflictError(f"bank {bank!r} was erased from or embedded anew while it was read: try again", bank=bank)


async def _write(store: Store, state: Bank, path: Path) -> bool:
    """Write the bank, at the revision of `state`, to `path`; whether all its parts were as `state` says."""
    counts = [0, 0, 0]
    with tempfile.TemporaryFile(dir=path.parent, prefix=f"{path.name}.") as body:
        with gzip.GzipFile(fileobj=body, mode="wb", compresslevel=_LEVEL, mtime=0, filename="") as packed:
            for turns, memories, log in _pages(state):
                part = await store.part(state.id, turns=turns, memories=memories, log=log)
                if part.vectors.shape[1] != state.dim:
                    return False
                part = _then(part, state.revision)
                counts = [a + len(b) for a, b in zip(counts, (part.turns, part.memories, part.log), strict=True)]
                await asyncio.to_thread(packed.write, "".join(part_lines(part)).encode())
        first = head_line(state, (counts[0], counts[1], counts[2])).encode()
        body.seek(0)
        with path.open("wb") as out:
            out.write(gzip.compress(first, mtime=0))
            await asyncio.to_thread(copyfileobj, body, out, 1 << 20)
    return (counts[0], counts[2]) == (state.turns, state.revision)


def _pages(state: Bank) -> Iterator[tuple[range, range, range]]:
    turns = ((some, NONE, NONE) for some in _ranges(state.turns))
    memories = ((NONE, some, NONE) for some in _ranges(state.memories))
    log = ((NONE, NONE, some) for some in _ranges(state.revision))
    return chain(turns, memories, log)


def _ranges(count: int) -> Iterator[range]:
    return (range(first, min(first + PAGE, count + 1)) for first in range(1, count + 1, PAGE))


def _then(part: Part, revision: int) -> Part:
    """The part as it was at `revision`: memories that ended later live."""
    return replace(part, memories=tuple(_alive(memory, revision) for memory in part.memories))


def _alive(memory: Memory, revision: int) -> Memory:
    ended_later = memory.died is not None and memory.died > revision
    return replace(memory, died=None, successor="") if ended_later else memory


async def _stands(store: Store, state: Bank, before: str) -> bool:
    """Whether what was read since `state` belongs together: the bank has only grown since."""
    same = await head_of(store, state) == before
    now = await store.bank(state.id)
    if not same or (now.embedder, now.dim, now.created) != (state.embedder, state.dim, state.created):
        return False
    later = [entry.key for entry in await store.log(state.id, state.revision)]
    return not any(key.startswith("forget:") for key in later)


@contextmanager
def _new_file(path: Path) -> Generator[Path]:
    """A new file beside `path`, for its owner alone; gone afterwards, unless it was published."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _publish(part_file: Path, path: Path) -> None:
    with part_file.open("rb") as written:
        sync(written)
    part_file.replace(path)
    sync_folder(path.parent)


def read_bank(path: Path) -> Source:
    """The bank in the file, read piece by piece. Raises FileFormatError, also later, for a damaged file; OSError."""

    @contextmanager
    def lines() -> Generator[Iterator[str]]:
        try:
            with gzip.open(path, "rt", encoding="utf-8", newline="\n") as opened:
                yield opened
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileFormatError(f"{str(path)!r} is damaged: {error}", file=str(path)) from None

    return source_of(lines, str(path))


def sha256_of(path: Path) -> str:
    """The SHA-256 of the file's bytes. Raises OSError."""
    with path.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
