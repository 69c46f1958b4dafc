"""The name of what a question asks after: "Her name is Pixel", said of the greyhound in the same turn."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memory_r1.graphs.rules.lexis import meanings, root
from memory_r1.graphs.rules.passage import EARLIER, split
from memory_r1.graphs.rules.question import Asked
from memory_r1.graphs.rules.text import words
from memory_r1.memory.types import Hit, Memory

_ASKS = re.compile(r"\bnames?\b|\b(?:named|called)\W*$", re.IGNORECASE)
_NAME = r"[A-Z][\w'’&-]*(?: [A-Z][\w'’&-]*)*"
_SAYS = re.compile(
    rf"\b(?:(?:is |are |was |were )?(?:named|called)|(?i:names?) (?:is|are|was|were)|(?i:name)['’]s)"
    rf"(?: him| her| it| them)? [\"“]?(?P<names>{_NAME}(?:, {_NAME})*(?:,? and {_NAME})?)"
)
_LOOKED_AT = 30
_ASIDE = frozenset(root(word) for word in "name named call called pet".split())


def named(asked: Asked, hits: Sequence[Hit]) -> tuple[str, list[Memory]] | None:
    """The name that a hit gives to what is asked about; None when none does, or no name is asked for.

    Of several the one whose turn has most of the question's words, then the best hit.
    """
    if not _ASKS.search(asked.text):
        return None
    best, told = 0.0, None
    for hit in hits[:_LOOKED_AT]:
        match = _SAYS.search(split(hit.memory)[2].partition(EARLIER)[0])
        fit = _fit(asked, hit.memory, hits) if match else 0.0
        if match and fit > best:
            best, told = fit, (match["names"], [hit.memory])
    return told


def _fit(asked: Asked, memory: Memory, hits: Sequence[Hit]) -> float:
    """The words of the question that the memory's turns have, those of its meaning counted half; 0 for none."""
    same = [hit.memory for hit in hits if set(hit.memory.turns) & set(memory.turns)]
    roots = {root(word) for one in same for word in words(one.text)}
    meant = {concept for found in roots for concept in meanings(found)}
    keys = asked.roots - _ASIDE or asked.roots
    fit = sum(1.0 if key in roots else 0.5 if meanings(key) & meant else 0.0 for key in keys)
    return fit + 0.25 * (memory.speaker.lower().split(" ")[0] in asked.names) if fit else 0.0
