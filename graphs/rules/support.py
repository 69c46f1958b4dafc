"""Whether the memories have to do with a question at all: the difference between an answer and an invention.

Three signs that they don't: hardly any word of the question stands in them, nor any of its meaning; they speak of it,
but of somebody else; they never mention the relative that the question is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from memory_r1.graphs.rules.lexis import meanings, root
from memory_r1.graphs.rules.passage import Rarity, split
from memory_r1.graphs.rules.question import Asked
from memory_r1.graphs.rules.text import words
from memory_r1.memory.lexicon import CONCEPT, QUESTION_WORDS
from memory_r1.memory.types import Hit, Memory

COVERED = 0.25
"""Share of the question that the first hits must cover together."""
BY_MEANING = 0.45
"""That share when none of the question's words stands there, only words of their meaning, which count half."""
OTHERS = 0.3
"""How much more of the question one memory of somebody else may cover than any about whom it names."""

_GUESS = re.compile(r"\b(?:would|might|likely|probably|potentially)\b", re.IGNORECASE)
_READ = 8
_OTHERS_READ = 12
_KIN = CONCEPT + "kin"
_KIN_GROUPS = (
    "sibling brother sister twin bro sis", "parent mother father", "child son daughter",
    "grandparent grandma grandpa", "grandchild grandson granddaughter", "spouse husband wife hubby",
)  # fmt: skip


def supported(asked: Asked, hits: Sequence[Hit]) -> bool:
    """Whether `hits` can hold the answer.

    A question without a word to look for is answered from any hit, and so is one that asks for a guess ("Would she …"),
    whose words need not have been said.
    """
    if not hits:
        return False
    if not asked.roots or _GUESS.search(asked.text):
        return _has_kin(asked, hits)
    seen = [_read(hit.memory) for hit in hits[:_OTHERS_READ]]
    rarity = Rarity(hits)
    keys = asked.roots - QUESTION_WORDS or asked.roots
    near = frozenset[str]().union(*seen[:_READ])
    if _cover(keys, near, rarity) < (COVERED if keys & near else BY_MEANING):
        return False
    return _has_kin(asked, hits) and not _of_another(asked, hits, seen, rarity)


def _read(memory: Memory) -> frozenset[str]:
    """The roots of what a memory says and was asked."""
    _, before, body, _ = split(memory)
    return frozenset(root(word) for word in words(f"{before} {body}"))


def _cover(keys: Iterable[str], seen: frozenset[str], rarity: Rarity) -> float:
    """How much of `keys`, each counted by its rarity, `seen` has: in [0, 1]; a word of the same meaning is half."""
    meant = {concept for found in seen for concept in meanings(found)}
    total = got = 0.0
    for key in keys:
        weight = rarity.of(key)
        total += weight
        got += weight * (1.0 if key in seen else 0.5 if meanings(key) & meant else 0.0)
    return got / total if total else 1.0


def _of_another(asked: Asked, hits: Sequence[Hit], seen: Sequence[frozenset[str]], rarity: Rarity) -> bool:
    """Whether a memory by and about somebody else has far more of the question than any of whom it names.

    Numbers and lists are gathered from memories that have little of the question each, so they are let through.
    """
    if asked.several or asked.kind in ("many", "long", "often"):
        return False
    named = {hit.memory.speaker for hit in hits if _first(hit.memory.speaker) in asked.names}
    if not named:
        return False
    mine = others = 0.0
    for at, roots in enumerate(seen):
        memory = hits[at].memory
        covered = _cover(asked.roots, roots, rarity)
        if memory.speaker not in named and not any(_first(name) in memory.text.lower() for name in named):
            others = max(others, covered)
        elif at < _READ:
            mine = max(mine, covered)
    return others - mine > OTHERS


def _first(name: str) -> str:
    return name.lower().split(" ")[0]


def _has_kin(asked: Asked, hits: Sequence[Hit]) -> bool:
    """Whether each relative in the question ("brother") is in a hit, by that word or by one for the same ("twin")."""
    kin = {key for key in asked.roots if _KIN in meanings(key) and key != root("family")}
    if not kin:
        return True
    said = frozenset[str]().union(*(_read(hit.memory) for hit in hits))
    groups = [frozenset(root(word) for word in group.split()) for group in _KIN_GROUPS]
    return all(_known(key, said, groups) for key in kin)


def _known(key: str, said: frozenset[str], groups: Sequence[frozenset[str]]) -> bool:
    """A relative is known by its word, a general one by any of its kind ("sibling": "sister"), or the other way."""
    if key in said:
        return True
    for group, line in zip(groups, _KIN_GROUPS, strict=True):
        general = root(line.split()[0])
        if key in group and (group & said if key == general else general in said):
            return True
    return False
