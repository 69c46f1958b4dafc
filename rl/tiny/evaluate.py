"""How often a policy replies rightly in worlds it hasn't seen: `python -m memory_r1.rl.tiny.evaluate FOLDER`.

Every call is one that the compiled graphs make where the oracle plays (`training.sft`), so each is on a right bank.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from memory_r1.graphs import parse
from memory_r1.graphs.completers import Completer
from memory_r1.graphs.local.completer import LocalCompleter
from memory_r1.graphs.local.folder import FolderLimits, read_limits
from memory_r1.memory.errors import MalformedOutputError
from memory_r1.rl.training.sft import TINY, Example, Taught, examples
from memory_r1.rl.world.make import Size, make_world

REPLIES = {"extractor": parse.FactsReply, "manager": parse.OperationsReply, "answerer": parse.AnswerReply}
CALLERS = 64
"""Calls that wait at the same time."""
CLOSED = Size(names=120)


@dataclass(frozen=True, slots=True)
class Judged:
    """One reply. `exact`: an answer is the gold answer, operations or facts are the oracle's, texts and all.

    `kind`: the operations are of the right kinds on the right memories, whatever their texts say.
    """

    example: Example
    reply: str
    read: bool
    exact: bool
    kind: bool


def taught_by(limits: FolderLimits, asked: int = 1) -> Taught:
    """What a policy with these limits is shown."""
    hits, candidates = limits.hits or TINY.hits, limits.candidates or TINY.candidates
    shown = replace(TINY, hits=hits, per_speaker=limits.per_speaker or hits, candidates=candidates)
    return Taught(shown, asked, chars=limits.answer_chars or Taught().chars)


async def judged(completer: Completer, given: Sequence[Example]) -> list[Judged]:
    """What `completer` replies to each of `given`, and whether it is right."""
    turn = asyncio.Semaphore(CALLERS)

    async def one(example: Example) -> Judged:
        async with turn:
            return judge(example, (await completer.complete(example.messages)).text)

    return list(await asyncio.gather(*map(one, given)))


def judge(example: Example, text: str) -> Judged:
    """Hold the reply `text` against the right one."""
    form = REPLIES[example.role]
    try:
        said = parse.read(form, text)
    except MalformedOutputError:
        return Judged(example, text, read=False, exact=False, kind=False)
    right = parse.read(form, example.reply)
    match said, right:
        case parse.AnswerReply(), parse.AnswerReply():
            exact = said.answer == example.gold
            return Judged(example, text, read=True, exact=exact, kind=exact)
        case parse.OperationsReply(), parse.OperationsReply():
            same = [(op.fact, op.op, op.targets) for op in said.operations] == [
                (op.fact, op.op, op.targets) for op in right.operations
            ]
            return Judged(example, text, read=True, exact=said == right, kind=same)
        case _:
            return Judged(example, text, read=True, exact=said == right, kind=said == right)


def figures(found: Sequence[Judged]) -> Mapping[str, Mapping[str, float]]:
    """Share of exact replies by role, by kind, and without NOOP; readable replies, and right kinds and targets.

    "joint exact" is the mean of the manager's and the answerer's. A manager's call with several facts counts once, as a
    whole, and under a kind only where all its facts are of it.
    """
    out: dict[str, Mapping[str, float]] = {}
    for name, part in _parts(found):
        shares = {"exact": _share(one.exact for one in part), "readable": _share(one.read for one in part)}
        if name.startswith("manager"):
            shares["kind"] = _share(one.kind for one in part)
        out[name] = {"calls": len(part), **shares}
    if "manager" in out and "answerer" in out:
        out["joint"] = {"exact": round((out["manager"]["exact"] + out["answerer"]["exact"]) / 2, 4)}
    return out


def _parts(found: Sequence[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    parts: dict[str, list[Judged]] = {}
    for one in found:
        role, kinds = one.example.role, set(one.example.kinds)
        parts.setdefault(role, []).append(one)
        if role == "manager" and kinds != {"noop"}:
            parts.setdefault("manager without noop", []).append(one)
        if role != "extractor" and len(kinds) == 1:
            parts.setdefault(f"{role} {min(kinds)}", []).append(one)
    yield from sorted(parts.items())


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return round(sum(listed) / len(listed), 4)


async def evaluate(
    folder: Path, worlds: int = 10, size: Size = CLOSED, split: str = "test", seed: int = 0
) -> list[Judged]:
    """What the policy in `folder` replies in the first `worlds` worlds of `split`, likeliest tokens first.

    In the roles alone that its limits name.
    """
    limits = read_limits(folder)
    taught = taught_by(limits)
    made = [one for number in range(worlds) for one in await examples(make_world(seed, split, number, size), taught)]
    given = [one for one in made if one.role in limits.roles]
    completer = LocalCompleter(folder)
    try:
        return await judged(completer, given)
    finally:
        await completer.aclose()


def main() -> None:
    """The command: figures as JSON, one part on a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--names", type=int, default=120, help="of the closed vocabulary; 0: never seen in training")
    parser.add_argument("--split", default="test")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found = asyncio.run(evaluate(given.folder, given.worlds, Size(names=given.names), given.split, given.seed))
    for name, shares in figures(found).items():
        sys.stdout.write(json.dumps({"part": name, **shares}) + "\n")


if __name__ == "__main__":
    main()
