"""Applies operations, purely: what a write changes is computed here once, and every store only carries it out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.errors import ConflictError, InputError, UnknownMemoryError
from memory_r1.memory.types import WHEN, Add, Bank, Delete, Memory, Noop, Operation, Revision, Turn, Update, Write

MAX_TEXT = 8_000
"""Characters a memory may have; a turn may have `MAX_TURN`."""
MAX_TURN = 1_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """What one write does to a bank: the bank after it, the log entry, new memories and turns, ended memories.

    `ended` are the memories as they are after the write (`died` and `successor` set). `created` stands in the
    order of the write's Add and Update operations, as do the rows of its vectors.
    """

    bank: Bank
    revision: Revision
    created: tuple[Memory, ...]
    ended: tuple[Memory, ...]
    turns: tuple[Turn, ...]


def texts(operations: Sequence[Operation]) -> list[Add | Update]:
    """The operations that make a memory, in order: each needs one vector."""
    return [op for op in operations if isinstance(op, (Add, Update))]


def targets(operations: Sequence[Operation]) -> tuple[str, ...]:
    """The ids of the memories that `operations` end or restore, each once, in order."""
    found: dict[str, None] = {}
    for op in operations:
        if isinstance(op, (Update, Delete)):
            found.update(dict.fromkeys(op.targets))
        elif isinstance(op, Add) and op.restores:
            found[op.restores] = None
    return tuple(found)


def sources(operations: Sequence[Operation]) -> tuple[str, ...]:
    """The ids of the turns that `operations` name, each once, in order."""
    return tuple(dict.fromkeys(turn for op in operations for turn in op.turns))


def check_vectors(bank: Bank, write: Write, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """`vectors` as float32. Raises InputError unless they are one finite row of `bank.dim` for each Add and Update."""
    expected = (len(texts(write.operations)), bank.dim)
    if vectors.shape != expected:
        raise InputError(f"the write needs vectors of shape {expected}, not {vectors.shape}")
    if not math.isfinite(float(np.vdot(vectors, vectors))) and not np.isfinite(vectors).all():
        raise InputError("a vector of the write holds a number that is not finite")
    return np.ascontiguousarray(vectors, dtype=np.float32)


def plan(bank: Bank, write: Write, memories: Mapping[str, Memory], turns: Mapping[str, Turn]) -> Change:
    """The change that `write` makes to `bank`.

    `memories` holds the stored memories among `targets(write.operations)`, `turns` the stored turns among
    `sources(write.operations)` and among the ids of `write.turns`. A turn that is stored already is not stored again.

    Raises ConflictError (expected revision, a turn id with other content, one memory ended twice),
    UnknownMemoryError (a target that isn't live) and InputError (blank or unencodable text, no source turn).
    """
    if write.expected is not None and write.expected != bank.revision:
        raise ConflictError(
            f"bank {bank.id!r} is at revision {bank.revision}, not at {write.expected}: read it again and decide again",
            bank=bank.id, revision=bank.revision, expected=write.expected,
        )  # fmt: skip
    if not write.key or write.key.startswith("forget:"):
        raise InputError(f"key={write.key!r} can't name a write: it must not be empty, and forgetting keeps 'forget:'")
    fresh = _fresh_turns(write.turns, turns)
    known = {**turns, **{turn.id: turn for turn in fresh}}
    number = bank.revision + 1
    created: list[Memory] = []
    ended: dict[str, Memory] = {}
    for op in write.operations:
        _check(op, known)
        if isinstance(op, Noop):
            continue
        if isinstance(op, Add):
            created.append(_added(op, _next_id(bank, created), number, memories, known))
            continue
        successor = _next_id(bank, created) if isinstance(op, Update) else ""
        olds = [_end(target, memories, ended, number, successor) for target in op.targets]
        if isinstance(op, Update):
            created.append(_merged(op, successor, number, olds, known))
    after = Bank(
        bank.id, bank.embedder, bank.dim, bank.created, revision=number, memories=bank.memories + len(created),
        live=bank.live + len(created) - len(ended), turns=bank.turns + len(fresh),
    )  # fmt: skip
    revision = Revision(
        number, write.key, write.recorded, write.operations, tuple(m.id for m in created), tuple(ended),
        tuple(turn.id for turn in write.turns), write.undoes,
    )  # fmt: skip
    return Change(after, revision, tuple(created), tuple(ended.values()), fresh)


def invert(revision: Revision, memories: Mapping[str, Memory]) -> tuple[Operation, ...]:
    """The operations that take `revision` back: what it made is deleted, what it ended is added again.

    `memories` holds every memory of the bank. A memory that was ended and brought back by an undo counts as the one
    that it came back as. Raises ConflictError when a memory that the revision created has ended since (undo the
    later revision first), or when one that it touched was erased.
    """
    gone = [id for id in (*revision.created, *revision.ended) if id not in memories]
    if gone:
        raise ConflictError(
            f"revision {revision.number} can't be undone: {', '.join(gone)} was forgotten and nothing of it is left",
            revision=revision.number, memories=gone,
        )  # fmt: skip
    restored = _restored(memories)
    made = [_heir(memories[id], restored) for id in revision.created]
    moved = [memory for memory in made if not memory.live]
    if moved:
        raise ConflictError(
            f"revision {revision.number} can't be undone: {moved[0].id} was ended by revision {moved[0].died}; "
            f"undo that one first",
            revision=revision.number, later=moved[0].died,
        )  # fmt: skip
    undone: list[Operation] = []
    if made:
        ends = tuple(dict.fromkeys(turn for memory in made for turn in memory.turns))
        undone.append(Delete(targets=tuple(memory.id for memory in made), turns=ends))
    for old in (memories[id] for id in revision.ended):
        undone.append(Add(old.text, old.speaker, old.turns, old.when, old.entities, restores=old.id))
    return tuple(undone)


def taken_back(revision: int, later: Sequence[Revision]) -> bool:
    """Whether the revision of this number is undone now: by one of `later`, all that came after, itself not undone."""
    gone: set[int] = set()
    for entry in reversed([entry for entry in later if entry.undoes is not None]):
        if entry.number not in gone and entry.undoes is not None:
            gone.add(entry.undoes)
    return revision in gone


def _restored(memories: Mapping[str, Memory]) -> dict[str, list[Memory]]:
    """For each memory that undoes brought back, by its id: the memories that it came back as."""
    found: dict[str, list[Memory]] = {}
    for memory in memories.values():
        old = memories.get(memory.supersedes[0]) if len(memory.supersedes) == 1 else None
        if old is not None and old.successor != memory.id:
            found.setdefault(old.id, []).append(memory)
    return found


def _heir(memory: Memory, restored: Mapping[str, Sequence[Memory]]) -> Memory:
    """The live memory that `memory` is or came back as, else itself."""
    todo = [memory]
    while todo:
        if (one := todo.pop()).live:
            return one
        todo += restored.get(one.id, ())
    return memory


def contradicts(stored: Turn, told: Turn) -> bool:
    """Whether `told` is another turn under the id of `stored`. A forgotten turn, which is blank, contradicts none."""
    return stored != told and bool(stored.text or stored.caption)


def _fresh_turns(turns: Sequence[Turn], stored: Mapping[str, Turn]) -> tuple[Turn, ...]:
    fresh: dict[str, Turn] = {}
    for turn in turns:
        old = stored.get(turn.id, fresh.get(turn.id))
        if old is None:
            _check_text(turn.text + turn.caption, f"turn {turn.id!r}", MAX_TURN, blank=True)
            fresh[turn.id] = turn
        elif contradicts(old, turn):
            raise ConflictError(f"turn {turn.id!r} is stored with other content: give the new one an id of its own")
    return tuple(fresh.values())


def _check(op: Operation, known: Mapping[str, Turn]) -> None:
    if not op.turns:
        raise InputError(f"{op.kind} names no source turn: every operation must say which turn it comes from")
    missing = [turn for turn in op.turns if turn not in known]
    if missing:
        raise InputError(f"{op.kind} names turn {missing[0]!r}, which is neither stored nor part of the write")
    if isinstance(op, (Update, Delete)) and not op.targets:
        raise InputError(f"{op.kind} names no target memory")
    if isinstance(op, (Add, Update)):
        _check_text(op.text, op.kind, MAX_TEXT)
        if op.when and not WHEN.fullmatch(op.when):
            raise InputError(f"when={op.when!r} is no ISO 8601 day, month, year or interval of two of them")


def _check_text(text: str, what: str, limit: int, blank: bool = False) -> None:
    if not blank and not text.strip():
        raise InputError(f"{what} has a blank text")
    if len(text) > limit:
        raise InputError(f"{what} has {len(text)} characters; at most {limit} are stored")
    if "\0" in text:
        raise InputError(f"{what} contains a NUL character, which no store keeps")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what} contains a lone surrogate at {error.start}: it is no valid Unicode text") from None


def _next_id(bank: Bank, created: Sequence[Memory]) -> str:
    return f"m{bank.memories + len(created) + 1}"


def _end(target: str, memories: Mapping[str, Memory], ended: dict[str, Memory], number: int, successor: str) -> Memory:
    old = memories.get(target)
    if old is None or not old.live:
        state = "was never stored" if old is None else f"ended at revision {old.died}"
        raise UnknownMemoryError(f"memory {target!r} {state}, so it can't be updated or deleted", memory=target)
    if target in ended:
        raise ConflictError(f"memory {target!r} is the target of two operations of one write", memory=target)
    ended[target] = replace(old, died=number, successor=successor)
    return old


def _added(op: Add, id: str, number: int, memories: Mapping[str, Memory], known: Mapping[str, Turn]) -> Memory:
    if op.restores and op.restores not in memories:
        raise UnknownMemoryError(f"memory {op.restores!r} can't be restored: it was never stored or was forgotten")
    return _memory(op, id, number, op.turns, (op.restores,) if op.restores else (), known)


def _merged(op: Update, id: str, number: int, olds: Sequence[Memory], known: Mapping[str, Turn]) -> Memory:
    turns = tuple(dict.fromkeys((*(turn for old in olds for turn in old.turns if turn not in op.turns), *op.turns)))
    return _memory(op, id, number, turns, tuple(old.id for old in olds), known)


def _memory(
    op: Add | Update, id: str, number: int, turns: tuple[str, ...], supersedes: tuple[str, ...],
    known: Mapping[str, Turn],
) -> Memory:  # fmt: skip
    newest = known[op.turns[-1]]
    return Memory(
        id=id, text=op.text, speaker=op.speaker, turns=turns, session=newest.session, index=newest.index,
        recorded=newest.time, born=number, when=op.when, entities=op.entities, supersedes=supersedes,
    )  # fmt: skip
