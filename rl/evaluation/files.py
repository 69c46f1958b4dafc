"""Reads and writes the files that `rl.evaluation.records` documents.

A row is on the disk before the next one begins. A file that grows ends in ".part"; a whole one is put in order and
renamed, so that its bytes don't depend on who ran it or in which order answers came.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from memory_r1.memory import durable
from memory_r1.memory.errors import FileFormatError, StoreUnavailableError
from memory_r1.rl.evaluation.records import AnswerRow, CostRow, MemoryRow, RunInfo, slug

T = TypeVar("T")
RUN_FILE = "run.json"
ANSWERS: TypeAdapter[AnswerRow] = TypeAdapter(AnswerRow)
COSTS: TypeAdapter[CostRow] = TypeAdapter(CostRow)
MEMORY: TypeAdapter[MemoryRow] = TypeAdapter(MemoryRow)
RUN: TypeAdapter[RunInfo] = TypeAdapter(RunInfo)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one row of an evaluation keeps its files: the folder `<system>` in `out`."""

    out: Path
    system: str

    @property
    def folder(self) -> Path:
        """All of the row's files."""
        return self.out / slug(self.system)

    def answers(self, conversation: str) -> Path:
        """The answers of a conversation; while it is worked on, the same with ".part"."""
        return self.folder / "answers" / f"{slug(conversation)}.jsonl"

    def costs(self, conversation: str) -> Path:
        """The costs of a conversation; while it is worked on, the same with ".part"."""
        return self.folder / "costs" / f"{slug(conversation)}.jsonl"

    def memory(self, conversation: str) -> Path:
        """What was held of a conversation after its last turn."""
        return self.folder / "memory" / f"{slug(conversation)}.jsonl"

    def bank(self, conversation: str) -> Path:
        """The folder of the system's memory of a conversation."""
        return self.folder / "banks" / slug(conversation)

    @property
    def banks(self) -> list[Path]:
        """The folders of all memories that there are."""
        return sorted((self.folder / "banks").glob("*/"))

    def finished(self, conversation: str) -> bool:
        """Whether all its questions are answered."""
        return self.answers(conversation).exists()


class Journal(Generic[T]):
    """The rows of one file, by key, that is added to until it is whole.

    Opening it reads what an earlier run left; a last line that a crash cut off is dropped. Of two rows with one key the
    later counts. Raises FileFormatError for a line that can't be read, StoreUnavailableError when the disk refuses.
    """

    def __init__(self, path: Path, kind: TypeAdapter[T], key: Callable[[T], Hashable]) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._kind = kind
        self._key = key
        self.rows: dict[Hashable, T] = {}
        with written(self._part):
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._out = self._opened()

    def _opened(self) -> IO[bytes]:
        """The growing file, open at its end, its rows read; that of a file already whole, for a run that died then."""
        if self.path.exists() and not self._part.exists():
            self.path.rename(self._part)
        text = self._part.read_bytes() if self._part.exists() else b""
        whole = text[: text.rfind(b"\n") + 1]
        self.rows = {self._key(row): row for row in parse(whole.splitlines(), self._kind, self._part)}
        out = self._part.open("ab")
        out.truncate(len(whole))
        return out

    def append(self, row: T) -> None:
        """Add a row; it is on the disk when this returns."""
        with written(self._part):
            self._out.write(self._kind.dump_json(row) + b"\n")
            durable.sync(self._out)
        self.rows[self._key(row)] = row

    def finish(self, order: Iterable[Hashable]) -> None:
        """Make the file whole, its rows in `order`, which has the key of each; other rows are left out."""
        self.close()
        lines = (self._kind.dump_json(self.rows[key]) for key in order)
        write_whole(self.path, b"".join(line + b"\n" for line in lines))
        self._part.unlink()

    def close(self) -> None:
        """Stop adding. A second call does nothing."""
        self._out.close()

    def __enter__(self) -> Journal[T]:
        """The open journal."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def parse(lines: Sequence[bytes], kind: TypeAdapter[T], path: Path) -> Iterator[T]:
    """Each line of the file `path` as a `kind`. Raises FileFormatError naming the line."""
    for number, line in enumerate(lines, 1):
        try:
            yield kind.validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            wrong = f"{str(path)!r}, line {number}: {where}: {first['msg']}"
            raise FileFormatError(f"{wrong}; mend it, or start anew with --fresh") from None


def read_rows(path: Path, kind: TypeAdapter[T]) -> Iterator[T]:
    """The rows of a file, whole or still growing (a cut-off last line is left out); none if there is neither.

    Raises FileFormatError.
    """
    for file in (path, path.with_name(path.name + ".part")):
        with suppress(FileNotFoundError):
            text = file.read_bytes()
            yield from parse(text[: text.rfind(b"\n") + 1].splitlines(), kind, file)
            return


def read_run(out: Path) -> RunInfo | None:
    """What was run in `out`; None if nothing was. Raises FileFormatError."""
    path = out / RUN_FILE
    try:
        return RUN.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise FileFormatError(f"{str(path)!r} is no evaluation: {place}: {first['msg']}; use another --out") from None
    except OSError as error:
        raise FileFormatError(f"can't read {str(path)!r}: {error.strerror}; give another --out") from None


def write_run(out: Path, run: RunInfo) -> None:
    """Write what was run. Raises StoreUnavailableError."""
    write_whole(out / RUN_FILE, RUN.dump_json(run, indent=2) + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path`, wholly or not at all. Raises StoreUnavailableError."""
    with written(path):
        durable.write_whole(path, content)


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into StoreUnavailableError."""
    try:
        yield
    except OSError as error:
        message = f"can't write {str(path)!r}: {error.strerror}; mend it, and the same command goes on"
        raise StoreUnavailableError(message) from error


def sound(text: Any) -> str:
    """`text` as UTF-8 can hold it: a model's half characters become "?"."""
    return str(text).encode("utf-8", "replace").decode()
