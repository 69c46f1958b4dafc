"""Every error that Memory-R1 raises on purpose.

    MemoryR1Error
    ├── InputError              an argument, a file or a setting is wrong; the caller can mend it
    │   ├── FileFormatError     a line of an input file can't be read; says which line
    │   └── SettingsError       a command-line option or an environment variable is wrong
    ├── DataUnavailableError    a data set can't be fetched; says what to fetch and where to put it
    ├── MissingExtraError       an optional package is not installed; names the extra
    ├── StoreError              the memory graph refused or could not be reached
    │   ├── UnknownBankError    no bank has this id
    │   ├── UnknownMemoryError  no live memory (or no memory at all) has this id
    │   ├── ConflictError       the bank has moved on since it was read: read again, then write again
    │   ├── EmbedderMismatchError   the bank's vectors come from another embedder: reembed it
    │   ├── StoreUnavailableError   server down, file locked, disk full or read-only; nothing was written
    │   └── CorruptStoreError   what is stored contradicts itself
    ├── PolicyError             the policy registry has not what was asked for
    │   ├── UnknownPolicyError  no version has this id
    │   └── DamagedPolicyError  a version's files are not those that were published
    └── ModelError              a language or embedding model failed
        ├── ModelUnavailableError   time-outs, 429 and 5xx after all retries
        └── MalformedOutputError    the reply breaks its schema, also after the one repair attempt

All of them pickle (Ray ships them between processes) and keep their `details`.
"""

from __future__ import annotations

from typing import Any


class MemoryR1Error(Exception):
    """Root of the tree. `details` holds what a program may want to read (ids, revisions, line numbers)."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.details)


def _rebuild(kind: type[MemoryR1Error], message: str, details: dict[str, Any]) -> MemoryR1Error:
    return kind(message, **details)


class InputError(MemoryR1Error, ValueError):
    """An argument, a file or a setting is wrong; nothing was changed."""


class FileFormatError(InputError):
    """A line of an input file can't be read; the message names file and line."""


class SettingsError(InputError):
    """A command-line option or an environment variable is wrong."""


class MissingExtraError(MemoryR1Error, ImportError):
    """An optional package is not installed."""

    @classmethod
    def of(cls, extra: str, package: str) -> MissingExtraError:
        """The error for `package`, which the extra `extra` brings."""
        return cls(f"{package} is not installed: pip install 'memory-r1[{extra}]'", extra=extra, package=package)


class DataUnavailableError(MemoryR1Error):
    """A data set can't be fetched. Nothing was kept of it."""


class StoreError(MemoryR1Error):
    """The memory graph refused, or could not be reached."""


class UnknownBankError(StoreError):
    """No bank has this id."""

    @classmethod
    def of(cls, bank: str) -> UnknownBankError:
        """The error for the missing bank `bank`."""
        return cls(f"there is no bank {bank!r}: ingest a conversation into it, or list the banks", bank=bank)


class UnknownMemoryError(StoreError):
    """No live memory, or no memory at all, has this id."""


class ConflictError(StoreError):
    """The bank has moved on since it was read. Nothing was written: read it again and decide again."""


class EmbedderMismatchError(StoreError):
    """The bank's vectors come from another embedder."""


class StoreUnavailableError(StoreError):
    """The server is down, the file is locked, the disk is full or read-only. Nothing was written."""


class CorruptStoreError(StoreError):
    """What is stored contradicts itself, or is not a Memory-R1 store."""


class PolicyError(MemoryR1Error):
    """The policy registry has not what was asked for. Nothing was changed."""


class UnknownPolicyError(PolicyError):
    """No version of the registry has this id."""


class DamagedPolicyError(PolicyError):
    """What the registry holds is not what was published."""


class ModelError(MemoryR1Error):
    """A language or embedding model failed."""


class ModelUnavailableError(ModelError):
    """The endpoint timed out or refused after all retries."""


class MalformedOutputError(ModelError):
    """The model's reply breaks its schema, also after the one repair attempt."""
