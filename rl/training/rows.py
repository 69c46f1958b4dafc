"""Training rows as text and as files: what `data build` writes, a trainer reads, and verl's own data set takes.

A file is Parquet with the columns that verl's `RLHFDataset` wants; `row` holds all that our environment needs:

| column | type | what it says |
|---|---|---|
| `data_source` | string | the task's kind, as "world" or "locomo": verl groups validation figures by it |
| `prompt` | list of {role, content} | the row's id in place of a message: a rollout makes the real prompts itself |
| `agent_name` | string | the agent loop: "manager", "session" (a manager's row of several steps) or "answerer" |
| `reward_model` | {style, ground_truth} | "environment": the reward comes from the rollout |
| `extra_info` | {index, split} | the row's place in the file |
| `row` | string | the `Row` as JSON (`to_json`) |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from memory_r1.memory.errors import FileFormatError, InputError, MissingExtraError
from memory_r1.memory.types import Memory, Turn
from memory_r1.rl.evaluation.files import write_whole, written
from memory_r1.rl.rollouts.types import AnswererRow, BankState, ManagerRow, Row

if TYPE_CHECKING:
    import pyarrow

FORMAT = "memory-r1 rows 1"
"""What a file's metadata say under `MARK`: the name and the version of this file format."""
MARK, MADE = b"memory_r1", b"memory_r1_made"

_ROW: TypeAdapter[Row] = TypeAdapter(Annotated[ManagerRow | AnswererRow, Field(discriminator="kind")])


def to_json(row: Row) -> str:
    """The row as one JSON object."""
    return _ROW.dump_json(row).decode()


def from_json(text: str) -> Row:
    """The row of `to_json`. Raises FileFormatError for anything else."""
    try:
        row = _ROW.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise FileFormatError(f"a training row can't be read at {place!r}: {first['msg']}; build it anew") from None
    if to_json(row) != text:
        raise FileFormatError(f"training row {row.id!r} is not as this version writes it: build it anew")
    return row


def agent_name(row: Row) -> str:
    """The agent loop that plays the row."""
    if isinstance(row, AnswererRow):
        return "answerer"
    return "session" if len(row.steps) > 1 else "manager"


def bank_state(memories: Iterable[Memory], turns: Iterable[Turn]) -> BankState:
    """The temporal bank that held `memories`, as if one write had made them: "m1", "m2", … without history.

    A bank that begins with them gives the next memory the next number, whatever the bank that they come from had ended.
    `turns`: where the source turns are found; only those are kept, in their order.
    """
    held = [
        replace(memory, id=f"m{number}", born=1, died=None, successor="", supersedes=())
        for number, memory in enumerate(sorted(memories, key=lambda one: int(one.id[1:])), 1)
    ]
    sources = {id for memory in held for id in memory.turns}
    return BankState(tuple(held), tuple(turn for turn in turns if turn.id in sources))


def write_rows(path: str | Path, rows: Sequence[Row], made: Mapping[str, object] | None = None) -> None:
    """Write `rows` as a Parquet file, whole or not at all. `made`: how they were made, kept in the file's metadata.

    Raises InputError for no rows, or two of one id; StoreUnavailableError when the disk refuses; MissingExtraError.
    """
    path = Path(path)
    packed = BytesIO()
    import_parquet()[1].write_table(_table(path, rows, made or {}), packed, compression="zstd")
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, packed.getvalue())


def read_rows(path: str | Path) -> tuple[Row, ...]:
    """The rows of a file. Raises FileFormatError for one that `write_rows` didn't write; MissingExtraError."""
    column = _read(Path(path)).column("row").to_pylist()
    return tuple(map(from_json, column))


def read_made(path: str | Path) -> Mapping[str, Any]:
    """How the rows of a file were made. Raises as `read_rows`."""
    return json.loads((_read(Path(path)).schema.metadata or {})[MADE])


def _table(path: Path, rows: Sequence[Row], made: Mapping[str, object]) -> pyarrow.Table:
    if not rows:
        raise InputError(f"there are no rows to write to {str(path)!r}: ask for more conversations, or another split")
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise InputError(f"row id {row.id!r} stands twice; each needs its own")
        seen.add(row.id)
    pyarrow, _ = import_parquet()
    lines = [
        {
            "data_source": row.task.partition(":")[0],
            "prompt": [{"role": "user", "content": row.id}],
            "agent_name": agent_name(row),
            "reward_model": {"style": "environment", "ground_truth": ""},
            "extra_info": {"index": index, "split": row.split},
            "row": to_json(row),
        }
        for index, row in enumerate(rows)
    ]
    metadata = {MARK: FORMAT.encode(), MADE: json.dumps(dict(made), ensure_ascii=False).encode()}
    return pyarrow.Table.from_pylist(lines).replace_schema_metadata(metadata)


def _read(path: Path) -> pyarrow.Table:
    pyarrow, parquet = import_parquet()
    try:
        table = parquet.read_table(path)
    except FileNotFoundError:
        raise FileFormatError(f"there is no file {str(path)!r}: make it with `memory-r1 data build`") from None
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise FileFormatError(f"{str(path)!r} is no Parquet file: {error}") from error
    if (table.schema.metadata or {}).get(MARK) != FORMAT.encode():
        raise FileFormatError(f"{str(path)!r} holds no {FORMAT!r}: make it with `memory-r1 data build`")
    return table


def import_parquet() -> tuple[Any, Any]:
    """The modules `pyarrow` and `pyarrow.parquet`. Raises MissingExtraError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError.of("train", "pyarrow") from None
    return pyarrow, pyarrow.parquet
