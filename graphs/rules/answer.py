"""The answerer without a model: the words of the memories themselves, as few as will do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from memory_r1.graphs.rules.kinds import RULES, Found
from memory_r1.graphs.rules.named import named
from memory_r1.graphs.rules.passage import split
from memory_r1.graphs.rules.question import Asked
from memory_r1.graphs.rules.spans import read
from memory_r1.graphs.rules.support import supported
from memory_r1.memory.types import Answer, Hit

UNKNOWN = "No information available"
"""The answer when no memory has to do with the question."""

_FIRST_PERSON = re.compile(r"\b(?:my|our|mine|myself|me|us)\b", re.IGNORECASE)
_THIRD_PERSON = {"my": "their", "our": "their", "mine": "theirs", "myself": "themself", "me": "them", "us": "them"}
_SECOND_PERSON = {"my": "your", "our": "your", "mine": "yours", "myself": "yourself", "me": "you", "us": "you"}
_LEAD = re.compile(r"(to|in|at|by|for|with|from|on|about|of|during|as) (?=.)", re.IGNORECASE)
_TAIL = re.compile(r"\b(\w+)\W*$")
_NEEDLESS = (frozenset("in at by for with from on about of during as".split()), frozenset(("to", "from")))
"""What an answer need not begin with: to "what" and "who", and to "where"."""
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
    if not supported(asked, hits):
        return Answer(question, UNKNOWN)
    rule = RULES.get(asked.kind)
    found = (rule(asked, hits) if rule else named(asked, hits)) or _from_spans(asked, hits)
    if found is None:
        return Answer(question, UNKNOWN)
    return Answer(question, found[0], tuple(dict.fromkeys(memory.id for memory in found[1])))


def _from_spans(asked: Asked, hits: Sequence[Hit]) -> Found | None:
    """The words that the span reader finds; None where only a person, a place, a yes or a no would do."""
    if asked.kind == "yes-no":
        return None
    own = bool(_OWN.search(asked.text))
    spans = read(asked, hits)
    if not spans and asked.kind in ("who", "where"):
        return None
    if not spans:
        return retell(split(hits[0].memory)[2], own), [hits[0].memory]
    return ", ".join(retell(trim(span.text, asked), own) for span in spans), [span.passage.memory for span in spans]


def trim(text: str, asked: Asked) -> str:
    """An answer without the preposition that the question has or doesn't need: "to birch pollen", "to Rome"."""
    match = _LEAD.match(text)
    if not match or asked.shape != "noun" or asked.kind == "why":
        return text
    lead = match[1].lower()
    end = _TAIL.search(asked.text)
    if (end and end[1].lower() == lead) or lead in _NEEDLESS[asked.kind == "where"]:
        return text[match.end() :]
    return text


def retell(text: str, own: bool = False) -> str:
    """A speaker's words as told to others ("my boat": "their boat"), or to the speaker if `own` ("your boat")."""
    told = _SECOND_PERSON if own else _THIRD_PERSON
    return _FIRST_PERSON.sub(lambda match: told[match.group().lower()], text)
