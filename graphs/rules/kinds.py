"""Questions that a rule answers: when, how long, how many, how often, yes or no. Each gives a text and its memories."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date

from memory_r1.graphs.prompts import UNDATED
from memory_r1.graphs.rules.lexis import NUMBER_WORDS, root
from memory_r1.graphs.rules.passage import split
from memory_r1.graphs.rules.question import Asked
from memory_r1.graphs.rules.text import words
from memory_r1.graphs.rules.who import who
from memory_r1.memory.dates import find_dates
from memory_r1.memory.days import MONTHS, NUMBERS, say
from memory_r1.memory.types import Hit, Memory

Found = tuple[str, list[Memory]]
"""An answer's text, and the memories that it rests on."""

_DATED = 0.1
"""What a memory that says when is worth over one that doesn't, against the best hit's score."""
_SCANNED = 12
_CLOSE = 0.7
"""The score of a memory that tells of the same, against the best hit's."""
_NUMBER = r"\d+(?:[.,]\d+)?|" + "|".join(sorted({*NUMBERS, "a few", "several", "half a"}, key=len, reverse=True))
_SPAN = re.compile(
    rf"\b(?:(?:{_NUMBER})(?: or (?:{_NUMBER}))?(?: and a half)?) (?:year|month|week|day|hour|minute)s?\b", re.I
)
_SINCE = re.compile(r"\bsince (?:\d{4}|[A-Z]\w+ \d{4}|I was \w+|\w+ school|childhood|college)\b")
_OFTEN = re.compile(
    r"\b(?:(?:once|twice|\w+ times)(?: or (?:once|twice|\w+ times))? (?:a|an|per|every|each) \w+"
    r"|every (?:other )?(?:single )?\w+|daily|weekly|monthly|yearly|annually|(?:once|twice) in a while)\b",
    re.IGNORECASE,
)
_ORDINALS = {"second": "2", "third": "3", "fourth": "4", "fifth": "5", "another": "2"}
_UNITS = frozenset(root(word) for word in "year month week day hour minute mile kilometer km percent".split())
_COUNT = re.compile(
    r"\b(?:\d+(?:,\d{3})*(?:\.\d+)?%?|" + "|".join(sorted({*NUMBER_WORDS, *_ORDINALS})) + r")(?![\w-])|\$\d[\d,.]*",
    re.I,
)
_DENIED = re.compile(r"\b(?:not|never|no longer|\w+n['’]t|stopped|quit|unfortunately)\b", re.IGNORECASE)
_CONTRARY = re.compile(r"\b(?:if .*(?:n['’]t|not|never)\b|still\b)", re.IGNORECASE)
_GUESS = re.compile(r"(?:would|could|might|should)\b", re.IGNORECASE)
_CHOICE = re.compile(r"\b(?:an?|the|to|in|of|by|with)? ?(?P<one>[\w'’-]+(?: [\w'’-]+)?),? or (?P<other>[^?]+)\?*$")


def when(asked: Asked, hits: Sequence[Hit]) -> Found | None:
    """The date of the best hit: as it says itself, or as its turn does elsewhere, or the day it was said on."""
    dated = [hit for hit in hits[:_SCANNED] if hit.memory.recorded != UNDATED]
    if not dated:
        return None
    memory = max(dated, key=lambda hit: _ratio(hit, hits) + _fits(asked, hit.memory)).memory
    for told in (memory, *(hit.memory for hit in hits if hit.memory.turns == memory.turns)):
        for mention in find_dates(told.text, told.recorded):
            if mention.when or told is memory:
                return _grain(asked, mention.phrase, mention.when), [told]
        if told.when:
            return _grain(asked, say(told.when), told.when), [told]
    day = str(memory.recorded.date())
    return _grain(asked, say(day), day), [memory]


def _ratio(hit: Hit, hits: Sequence[Hit]) -> float:
    return hit.score / hits[0].score if hits[0].score > 0 else 1.0


def _fits(asked: Asked, memory: Memory) -> float:
    """How well a memory's date fits: whether it has one, and whether it is of the month that the question names."""
    named = [f"{at:02d}" for at, month in enumerate(MONTHS, 1) if re.search(rf"\b{month}\b", asked.text)]
    months = {(memory.when or str(memory.recorded.date()))[5:7], str(memory.recorded.date())[5:7]}
    return _DATED * bool(memory.when) + _DATED * any(month in months for month in named)


def _grain(asked: Asked, phrase: str, iso: str) -> str:
    """The date as exactly as it was asked for: "which year" is answered by a year."""
    low = asked.text.lower()
    if iso and re.search(r"\b(what|which) year\b", low):
        return iso[:4]
    if len(iso) >= 7 and re.search(r"\b(what|which) month\b", low):
        return say(iso[:7])
    return phrase


def long(asked: Asked, hits: Sequence[Hit]) -> Found | None:
    """The duration that one of the best hits states, or the time since the date that it gives."""
    for hit in hits[:_SCANNED]:
        memory = hit.memory
        body = split(memory)[2]
        if match := _SPAN.search(body) or _SINCE.search(body):
            return _ended(asked, match.group()), [memory]
        if re.search(r"\blong ago\b|\bhow long (?:has|have)\b", asked.text.lower()) and (since := _since(memory)):
            return _ended(asked, since), [memory]
    return None


def _since(memory: Memory) -> str:
    """The whole years, or else months, from a memory's date to its recording; "" for less than one."""
    if not memory.when:
        return ""
    first = [int(part) for part in memory.when.split("/")[0].split("-")]
    now: date = memory.recorded.date()
    years = now.year - first[0]
    months = years * 12 + now.month - first[1] if len(first) > 1 else years * 12
    count, unit = (months // 12, "year") if months >= 12 else (months, "month")
    return f"{count} {unit}{'s' * (count > 1)}" if count > 0 else ""


def _ended(asked: Asked, text: str) -> str:
    text = _digits(text)
    return f"{text} ago" if "long ago" in asked.text.lower() and "since" not in text.lower() else text


def many(asked: Asked, hits: Sequence[Hit]) -> Found | None:
    """The number before what is counted, else on how many days it was told of, else any number of the best hits.

    "A second dog" makes two. A measure ("four years") is no count of something else.
    """
    counted = {root(word) for word in re.findall(r"\bhow (?:many|much|old) ([\w'’-]+)", asked.text.lower())} - {""}
    near: list[tuple[float, str, Memory]] = []
    other: list[tuple[float, str, Memory]] = []
    for hit in hits[:_SCANNED]:
        for text, after in _numbers(hit.memory):
            if counted & after:
                near.append((_ratio(hit, hits), text, hit.memory))
            elif not after & _UNITS and text.lower() not in _ORDINALS:
                other.append((_ratio(hit, hits), text, hit.memory))
    told = [hit.memory for hit in hits[:_SCANNED] if _ratio(hit, hits) >= _CLOSE]
    days = {str(memory.recorded.date()): memory for memory in told}
    if not near and "times" in asked.text.lower():
        return str(len(days)), list(days.values())
    if not near and not other:
        return None
    best = max(near or other, key=lambda found: found[0])
    return _digits(best[1]), [best[2]]


def _numbers(memory: Memory) -> Iterator[tuple[str, set[str]]]:
    """The numbers that a memory says, each with the roots of the three words after it."""
    body = split(memory)[2]
    for match in _COUNT.finditer(_dateless(body, memory)):
        yield match.group(), {root(word) for word in words(body[match.end() :])[:3]}


def _digits(text: str) -> str:
    """Number words as figures: "seven years" becomes "7 years"."""
    count = {
        **{word: str(value) for word, value in NUMBERS.items() if len(word) > 2},
        "once": "1",
        "twice": "2",
    } | _ORDINALS
    return re.sub(r"^[a-z]+", lambda match: count.get(match.group().lower(), match.group()), text, flags=re.IGNORECASE)


def _dateless(body: str, memory: Memory) -> str:
    """The text with its dates blanked, so that no day is taken for a count."""
    for mention in find_dates(body, memory.recorded):
        body = body[: mention.start] + " " * (mention.end - mention.start) + body[mention.end :]
    return body


def often(asked: Asked, hits: Sequence[Hit]) -> Found | None:
    """The frequency that one of the best hits states."""
    for hit in hits[:_SCANNED]:
        if match := _OFTEN.search(split(hit.memory)[2]):
            return match.group(), [hit.memory]
    return None


def yes_no(asked: Asked, hits: Sequence[Hit]) -> Found | None:
    """Of two things named, the one that the hits speak of more; else no, where the best hit denies, or yes.

    None when nothing that the question asks about stands in any of the first hits, unless it asks for a guess.
    """
    if asked.text.lower().startswith("would") and (match := _CHOICE.search(asked.text)):
        chosen = max(match["one"], match["other"], key=lambda option: _support(option, hits))
        return chosen.strip(), [hits[0].memory]
    if asked.text.lower().startswith("would") and _CONTRARY.search(asked.text):
        return "Likely no", [hits[0].memory]
    if not _GUESS.match(asked.text):
        hits = [hit for hit in hits[:_SCANNED] if _states(asked, hit.memory)]
    if not hits:
        return None
    body = split(hits[0].memory)[2]
    denied = bool(_DENIED.search(body)) and not _DENIED.search(asked.text)
    return ("No" if denied else "Yes"), [hits[0].memory]


def _states(asked: Asked, memory: Memory) -> bool:
    """Whether a memory has most of the question's words itself."""
    _, before, body, _ = split(memory)
    return len(asked.roots & {root(word) for word in words(f"{before} {body}")}) >= 0.5 * len(asked.roots)


def _support(option: str, hits: Sequence[Hit]) -> float:
    roots = {root(word) for word in words(option)} - {""}
    return sum(hit.score for hit in hits if roots & {root(word) for word in words(hit.memory.text)})


RULES: dict[str, Callable[[Asked, Sequence[Hit]], Found | None]] = {
    "when": when, "long": long, "many": many, "often": often, "yes-no": yes_no, "who": who,
}  # fmt: skip
"""The rule of each kind of question that has one. None leaves the question to the span reader."""
