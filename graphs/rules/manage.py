"""The manager without a model: repeats are dropped, corrections replace, retractions delete, all else is added.

It is cautious. A memory is only touched when it is the same speaker's, shares most of its words with the new fact, and
a cue says why: "I adopted Scout" after "I have a dog, Buddy" has no cue and is added beside it. What a correction
replaces stays in the merged text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memory_r1.graphs.rules.changes import changed, retracted
from memory_r1.graphs.rules.lexis import light_roots, root
from memory_r1.graphs.rules.passage import EARLIER, split
from memory_r1.graphs.rules.text import words
from memory_r1.memory.types import Add, Delete, Fact, Hit, Memory, Noop, Operation, Update

SAME = 0.85
"""Words in common over words in all, from which two facts are one."""
ABOUT = 0.5
"""Share of a memory's words in a fact, from which the fact may correct it. A name and another word in common do too."""
RETRACTS = 0.6
"""Share of a memory's words in a fact, from which the fact may retract it."""

_NEGATION = re.compile(r"\b(?:no|not|never|nobody|nothing|without|cannot|\w+n['’]t)\b", re.IGNORECASE)
_CORRECTION = re.compile(
    r"\b(?:actually|no longer|not .{0,40}any ?more|\w+n['’]t .{0,40}any ?more|(?:moved|changed|switched|renamed)"
    r"\b.{0,30}\bto|instead of|i was wrong|i (?:have |['’]ve )?changed my mind|i meant|correction|rather than)\b",
    re.IGNORECASE,
)
_RETRACTION = re.compile(
    r"\b(?:i was (?:just |only )?(?:kidding|joking)|that was (?:just )?a joke|(?:that|it) (?:is|was)n['’]t true"
    r"|not true that|scratch that|(?:please )?forget (?:that|what) i|i take (?:that|it) back"
    r"|i lied|i made (?:that|it) up)\b",
    re.IGNORECASE,
)
_CUE_WORDS = "actually longer anymore more moved changed switched renamed instead wrong meant correction rather now"
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Saying:
    """What a text says, for comparison."""

    body: str
    roots: frozenset[str]
    numbers: frozenset[str]
    denies: bool

    @classmethod
    def of(cls, body: str) -> _Saying:
        """Read a statement without its speaker."""
        roots = frozenset(r for word in words(body) if (r := root(word))) - light_roots()
        return cls(body, roots, frozenset(_NUMBER.findall(body)), bool(_NEGATION.search(body)))

    def same(self, other: _Saying) -> bool:
        """Whether two statements say one thing: the same numbers and polarity, nearly the same words."""
        if (self.numbers, self.denies) != (other.numbers, other.denies):
            return False
        union = len(self.roots | other.roots)
        return self.body == other.body or (union > 0 and len(self.roots & other.roots) / union >= SAME)

    def covers(self, other: _Saying) -> float:
        """The share of the other's words, cues aside, that this one has."""
        theirs = other.roots - _cues()
        return len(theirs & self.roots) / len(theirs) if theirs else 0.0


class RulesManager:
    """Decides by similarity and cues. Holds no state."""

    async def decide(self, facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> list[Operation]:
        """One operation for each of `facts`; `candidates[i]` are the memories that `facts[i]` may name.

        A memory that one fact of the turn ended is no candidate for the next.
        """
        return decide(facts, candidates)


def decide(facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> list[Operation]:
    """As `RulesManager.decide`, without an event loop."""
    done: list[Operation] = []
    ended: set[str] = set()
    told: list[_Saying] = []
    for fact, hits in zip(facts, candidates, strict=True):
        saying = _Saying.of(_body(fact.text))
        if any(saying.same(earlier) for earlier in told):
            done.append(Noop(fact.turns, fact.text, reason="duplicate"))
            continue
        told.append(saying)
        own = [hit.memory for hit in hits if hit.memory.id not in ended and hit.memory.speaker == fact.speaker]
        operation = _decide(fact, saying, [(memory, _Saying.of(_now(memory))) for memory in own])
        if isinstance(operation, Update | Delete):
            ended.update(operation.targets)
        done.append(operation)
    return done


def _decide(fact: Fact, saying: _Saying, known: Sequence[tuple[Memory, _Saying]]) -> Operation:
    for memory, old in known:
        if fact.text == memory.text or (fact.when == memory.when and saying.same(old)):
            return Noop(fact.turns, fact.text, memory.id, "duplicate")
    now = [(memory, old.body) for memory, old in known]
    if gone := _taken_back(saying, known) or retracted(saying.body, now):
        return Delete((gone.id,), fact.turns)
    if old := _corrected(fact, saying, known) or changed(saying.body, fact, now):
        return _replace(fact, old)
    return Add(fact.text, fact.speaker, fact.turns, fact.when, fact.entities)


def _taken_back(saying: _Saying, known: Sequence[tuple[Memory, _Saying]]) -> Memory | None:
    near = max(known, key=lambda pair: saying.covers(pair[1]), default=None)
    if near is None or not _RETRACTION.search(saying.body) or saying.covers(near[1]) < RETRACTS:
        return None
    return near[0]


def _corrected(fact: Fact, saying: _Saying, known: Sequence[tuple[Memory, _Saying]]) -> Memory | None:
    near = max(known, key=lambda pair: saying.covers(pair[1]), default=None)
    if near is None or not _CORRECTION.search(saying.body):
        return None
    named = _names_of(fact) & _names_of(near[0]) and len(saying.roots & near[1].roots) > 1
    return near[0] if named or saying.covers(near[1]) >= ABOUT else None


def _names_of(told: Fact | Memory) -> set[str]:
    return set(told.entities) - {told.speaker}


def _replace(fact: Fact, old: Memory) -> Update:
    """The fact in place of a memory, which it keeps at its end as what held before."""
    text = f"{fact.text}{EARLIER}{_now(old)}"
    entities = tuple(dict.fromkeys((*fact.entities, *old.entities)))
    return Update((old.id,), text, fact.speaker, fact.turns, fact.when or old.when, entities)


def _body(text: str) -> str:
    """A fact's statement, without who says it and what was asked."""
    return re.sub(r'^[^:"]{1,40}?(?:, asked "[^"]*")?: ', "", text)


def _now(memory: Memory) -> str:
    """What a memory says to hold now."""
    return split(memory)[2].partition(EARLIER)[0]


def _cues() -> frozenset[str]:
    return frozenset(root(word) for word in _CUE_WORDS.split())
