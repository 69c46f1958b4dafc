"""The answerer without a model: the words of the memories themselves, as few as will do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from memory_r1.graphs.rules.kinds import RULES, Found
from memory_r1.graphs.rules.lexis import meanings, root
from memory_r1.graphs.rules.passage import split
from memory_r1.graphs.rules.question import Asked
from memory_r1.graphs.rules.spans import read
from memory_r1.graphs.rules.text import words
from memory_r1.memory.types import Answer, Hit

UNKNOWN = "No information available"
"""The answer when no memory has to do with the question."""

_LOOKED_AT = 8
_FIRST_PERSON = re.compile(r"\b(?:my|our|mine|myself|me|us)\b", re.IGNORECASE)
_THIRD_PERSON = {"my": "their", "our": "their", "mine": "theirs", "myself": "themself", "me": "them", "us": "them"}
_SECOND_PERSON = {"my": "your", "our": "your", "mine": "yours", "myself": "yourself", "me": "you", "us": "you"}
_OWN = re.compile(r"\b(?:i|my|me|mine|we|our|us)\b", re.IGNORECASE)


class RulesAnswerer:
    """Answers from the hits by rules and a small linear model (`spans`). Holds no state."""

    async def answer(self, question: str, hits: Sequence[Hit], asked: datetime | None = None) -> Answer:
        """The answer to `question`: dates for "when", numbers for "how many", else a few spans of the hits.

        `hits`: best first. `asked` is not used: dates in memories are absolute. Without a hit that has to do with
        the question the text is `UNKNOWN` and nothing is selected.
        """
        return answer(question, hits)


def answer(question: str, hits: Sequence[Hit]) -> Answer:
    """As `RulesAnswerer.answer`, without an event loop."""
    asked = Asked.read(question, {hit.memory.speaker for hit in hits})
    if not hits or not _touches(asked, hits):
        return Answer(question, UNKNOWN)
    rule = RULES.get(asked.kind)
    found = (rule(asked, hits) if rule else None) or _from_spans(asked, hits)
    return Answer(question, found[0], tuple(dict.fromkeys(memory.id for memory in found[1])))


def _touches(asked: Asked, hits: Sequence[Hit]) -> bool:
    """Whether one of the best hits has a word of the question, or one of its meaning; or it has none to look for."""
    for hit in hits[:_LOOKED_AT]:
        _, before, body, _ = split(hit.memory)
        roots = {root(word) for word in words(f"{before} {body}")}
        if asked.roots & roots or any(meanings(r) & asked.meant for r in roots):
            return True
    return not asked.roots


def _from_spans(asked: Asked, hits: Sequence[Hit]) -> Found:
    own = bool(_OWN.search(asked.text))
    spans = read(asked, hits)
    if not spans:
        return retell(split(hits[0].memory)[2], own), [hits[0].memory]
    return ", ".join(retell(span.text, own) for span in spans), [span.passage.memory for span in spans]


def retell(text: str, own: bool = False) -> str:
    """A speaker's words as told to others ("my boat": "their boat"), or to the speaker if `own` ("your boat")."""
    told = _SECOND_PERSON if own else _THIRD_PERSON
    return _FIRST_PERSON.sub(lambda match: told[match.group().lower()], text)
