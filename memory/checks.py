"""What every store refuses, in the same words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import ConflictError, EmbedderMismatchError, InputError
from memory_r1.memory.types import Bank

BANK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")


def check_bank_id(bank: str) -> None:
    """Refuse what can't name a bank. Raises InputError."""
    if not BANK_ID.fullmatch(bank):
        raise InputError(
            f"bank id {bank!r} is not allowed: 1 to 128 letters, digits and . _ : @ -, first a letter or digit"
        )


def check_embedder(bank: Bank, embedder: Embedder) -> None:
    """Refuse to mix vectors: raises EmbedderMismatchError unless the bank was embedded by `embedder`."""
    if (bank.embedder, bank.dim) != (embedder.name, embedder.dim):
        raise EmbedderMismatchError(
            f"bank {bank.id!r} is embedded by {bank.embedder!r} ({bank.dim} dimensions), not by {embedder.name!r} "
            f"({embedder.dim}): use that embedder, or run `memory-r1 reembed --bank {bank.id}`",
            bank=bank.id, stored=bank.embedder, asked=embedder.name,
        )  # fmt: skip


def check_replacement(bank: Bank, every: Set[str], vectors: Mapping[str, NDArray[np.float32]], revision: int) -> None:
    """Raises ConflictError unless `bank` is at `revision` still and `vectors` cover `every` memory it has."""
    if bank.revision != revision or every != set(vectors):
        raise ConflictError(
            f"bank {bank.id!r} changed while it was embedded anew (revision {revision}, now {bank.revision}): "
            f"run it again",
            bank=bank.id,
        )  # fmt: skip


def exists(bank: str) -> ConflictError:
    """The error for loading a dump over an existing bank."""
    return ConflictError(f"there is a bank {bank!r} already: import under another name, or forget that bank first")
