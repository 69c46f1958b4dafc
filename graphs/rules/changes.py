"""Turns of events that end or change what a memory says: "I sold the car", "the concert got postponed to June".

Each has a cue that names a thing, and says what a memory of that thing must be like to be meant. A memory is meant only
if it has every word of the thing named, and no other memory has them too: a doubtful change is added beside the old.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memory_r1.graphs.rules.lexis import light_roots, root
from memory_r1.graphs.rules.text import FUNCTION_WORDS, words
from memory_r1.memory.types import Fact, Memory

_THING = r"(?:the|my|our|that|this|his|her|their|a|an) (?P<thing>[^,.;!?]{2,60}?)"
_TO_END = r"(?= (?:on|in|at|to|for|last|because|since|after|and|but|so|yesterday|today|with|now|before)\b|[,.;!?]|$)"
_WE = r"\b(?:i|we)(?:['’]ve| have| had to|['’]m| am)?(?: just| finally| recently| already)?"
_LIVES = (
    r"\b(?:i|we)(?:['’]m|['’]re| am| are)?(?: \w+)? (?:live|living|reside|based|settled) (?:\w+ )?(?:in|at|near|with)\b"
    r"|\b(?:i|we) moved (?:\w+ ){0,3}to (?-i:[A-Z])|\bmy (?:\w+ )?(?:home|address) is\b"
)
_WORKS = (
    r"\b(?:i|we)(?:['’]m|['’]re|['’]ve| am| have)?(?: \w+){0,2} (?:work|working|worked|teach|intern|employed|hired)\b"
    r"|\bmy job\b|\b(?:job|position) (?:at|as|with)\b"
)
_DATES = r"\b(?:dat(?:e|ing)|girlfriend|boyfriend|partner|engaged|fianc[eé]e?|married|husband|wife|together|seeing)\b"
_HAS = r"\b(?:have|has|owns?|bought|got|drive|driving|ride|adopted|['’]ve|my|our|received|inherited|built)\b"
_PLANS = (
    r"\b(?:will|['’]ll|going|plan\w*|booked|tickets?|signed up|is|are|scheduled|starts?|on|in|next|meeting|have"
    r"|after)\b"
)
_QUIT = rf"{_WE} (?:quit|left|lost|resigned from|got fired from) my (?:old )?job"
_OFF = r"(?:cancell?ed|called off|postponed|rescheduled|delayed|pushed back)"


@dataclass(frozen=True, slots=True)
class Change:
    """A turn of events. `cue` finds it in a fact; its group "thing" names what it is about, "" for whatever the speaker
    has of that sort. `of` is what a memory of that sort says.
    """

    cue: re.Pattern[str]
    of: re.Pattern[str]


def _change(cue: str, of: str) -> Change:
    return Change(re.compile(cue, re.IGNORECASE), re.compile(of, re.IGNORECASE))


CHANGES = (
    _change(rf"{_WE} moved from (?P<thing>\w+) to \w+", _LIVES),
    _change(rf"{_WE} moved (?:back )?to (?-i:[A-Z])(?P<thing>)\w+|\bmy new address is(?P<place>)", _LIVES),
    _change(rf"{_QUIT}(?: (?:at|as|with) {_THING}{_TO_END}|(?P<any>)(?! (?:at|as|with)\b))", _WORKS),
    _change(rf"{_QUIT} (?:at|with|as) (?-i:(?P<thing>[A-Z]\w+))", _WORKS),
    _change(rf"{_WE} (?:broke up|split up|separated|got divorced) (?:with|from) (?:my \w+,? )?"
            r"(?-i:(?P<thing>[A-Z]\w+))", _DATES),
    _change(r"(?-i:(?P<thing>[A-Z]\w+)) and i (?:broke|split) up", _DATES),
    _change(rf"{_WE} (?:sold|gave away|got rid of|traded in|returned|threw away|donated) {_THING}{_TO_END}", _HAS),
    _change(r"\b(?:my|our) (?P<thing>[^,.;!?]{2,40}?),? (?:has |have )?(?:just )?(?:died|passed away)\b", _HAS),
    _change(rf"{_WE} renamed {_THING} (?:to )?(?-i:[A-Z])", r"\b(?:called|named?|name is|names?)\b"),
    _change(rf"\b{_THING} (?:is|was|were|are|got|has been|have been|had to be|will be|['’]s been) (?:\w+ )?"
            rf"(?:{_OFF}|moved (?:to|from)\b)", _PLANS),
    _change(rf"(?:{_WE}|\bthey(?: \w+)?) {_OFF} {_THING}{_TO_END}", _PLANS),
    _change(rf"{_WE} (?:stopped|quit|gave up|given up) (?P<thing>\w+ing\b[^,.;!?]{{0,40}}?){_TO_END}", ""),
    _change(r"\bmy new (?P<thing>(?:\w+ )?(?:address|number|e-?mail|job|boss|password|schedule|title|surname)) is\b",
            r"\bmy (?!new\b)"),
)  # fmt: skip
"""In the order in which they are tried."""
RETRACTED = _change(
    r"^(?:(?:please|ok(?:ay)?|oh|no|actually|well),? )*(?:forget|ignore|disregard|scratch|never ?mind) "
    rf"(?:what|that|whatever) i (?:said|told you|wrote) about {_THING}{_TO_END}", ""
)  # fmt: skip
"""What a speaker takes back by naming it."""


def is_change(text: str) -> bool:
    """Whether a text tells a turn of events, whatever it is about."""
    return any(change.cue.search(text) for change in CHANGES)


def changed(body: str, fact: Fact, known: Sequence[tuple[Memory, str]]) -> Memory | None:
    """The memory that a statement changes; None for none, or more than one. `known`: each with what holds now.

    What happened before a memory was recorded changes nothing in it.
    """
    for change in CHANGES:
        if found := _meant(change, body, [(memory, now) for memory, now in known if not _earlier(fact, memory)]):
            return found
    return None


def retracted(body: str, known: Sequence[tuple[Memory, str]]) -> Memory | None:
    """The one memory that a speaker takes back by naming what it is about; None for none, or more than one."""
    return _meant(RETRACTED, body, known)


def _meant(change: Change, body: str, known: Sequence[tuple[Memory, str]]) -> Memory | None:
    match = change.cue.search(body)
    if not match:
        return None
    thing = roots_of(match["thing"] or "")
    if not thing and match["thing"]:
        return None
    fits = [memory for memory, now in known if thing <= roots_of(now) and change.of.search(now)]
    return fits[0] if len(fits) == 1 else None


def roots_of(text: str) -> frozenset[str]:
    """The roots of the words that carry content; what is called a thing only to point at it is left out."""
    found = {root(word) for word in words(text) if word.lower() not in FUNCTION_WORDS | _POINTING}
    return frozenset(found) - light_roots() - {""}


_POINTING = frozenset("whole entire old little poor dear lovely beloved planned part stuff idea".split())


def _earlier(fact: Fact, memory: Memory) -> bool:
    """Whether a fact tells of a day, month or year before the one that the memory was recorded in."""
    when = fact.when.split("/")[-1]
    return bool(when) and when < str(memory.recorded.date())[: len(when)]
