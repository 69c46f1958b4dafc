"""The files of rows that a flow made, or found made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Built:
    """A file of rows, and its checksum."""

    kind: str
    split: str
    path: Path
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """The files that a `prepare-data` run made, or found made."""

    files: tuple[Built, ...]

    def path(self, kind: str, split: str = "train") -> str:
        """The file of a kind and split."""
        return next(str(one.path) for one in self.files if (one.kind, one.split) == (kind, split))
