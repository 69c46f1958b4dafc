"""Turns what people say about time into dates, and dates into what people say.

Pure and English: no clock (the turn's time is an argument), no locale, no dependency. `find_dates` reads a text,
`resolve` writes the dates it found into it; `days.say` renders one.

    >>> [m.when for m in find_dates("I went there last Friday.", datetime(2023, 7, 15))]
    ['2023-07-14']
    >>> resolve("I went there last week.", datetime(2023, 6, 9))
    'I went there the week before 9 June 2023.'

What a relative expression means: a day counted from the turn's day is that day; "last Friday" is the latest Friday
before it; a week is Monday to Sunday, a weekend Saturday and Sunday; weeks, months and years count in whole ones.
"On Friday", "in June", "at the weekend" are the coming ones where the clause speaks of what is ahead (`tense`), else
the last ones. What it is called is anchored the same way: "the week before 9 June 2023".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from memory_r1.memory.date_rules import RULES, TRIGGER, Reading, Rule
from memory_r1.memory.days import MONTHS


@dataclass(frozen=True, slots=True)
class DateMention:
    """One expression of time in a text: `text[start:end]` is `text`, `when` its date (`memory.types.WHEN`).

    `phrase` says the same without the turn's time ("the week before 9 June 2023"). `when` is "" for an expression that
    gives no date ("a few years ago"); its phrase is then still worth an answer.
    """

    start: int
    end: int
    text: str
    when: str
    phrase: str


def find_dates(text: str, spoken: datetime) -> list[DateMention]:
    """Find the expressions of time in `text`, said at `spoken`; in order, none overlapping another.

    Where two rules fit, the one that starts first wins, then the longer one. An impossible date ("31 February")
    is no mention.
    """
    return list(_found(text, spoken.date()))


@lru_cache(maxsize=8)  # a turn is read for its prompt, and what is made of it for its date and for its wording
def _found(text: str, spoken: date) -> tuple[DateMention, ...]:
    found: list[DateMention] = []
    for pattern, rule in RULES if TRIGGER.search(text) else ():
        for match in pattern.finditer(text):
            reading = _read(rule, match, spoken)
            if reading is not None:
                found.append(DateMention(match.start(), match.end(), match.group(), *reading))
    found.sort(key=lambda m: (m.start, -m.end))
    kept: list[DateMention] = []
    for mention in found:
        if not kept or mention.start >= kept[-1].end:
            kept.append(mention)
    return tuple(kept)


def resolve(text: str, spoken: datetime) -> str:
    """Write the dates that `find_dates` found into `text`, in place of the relative expressions."""
    parts: list[str] = []
    end = 0
    for mention in find_dates(text, spoken):
        same = mention.phrase.lower() == mention.text.lower()
        parts += [text[end : mention.start], mention.text if same else _fit(text, mention)]
        end = mention.end
    return "".join([*parts, text[end:]])


def _read(rule: Rule, match: re.Match[str], spoken: date) -> Reading | None:
    try:
        return rule(match, spoken)
    except (ValueError, OverflowError):  # no such day in the calendar
        return None


_LOOK_BACK = 40
_SUBJECT = re.compile(r",| (?:i|we|he|she|they|you|my|our)\b", re.IGNORECASE)
_LEADS = re.compile(r"(?:\b(?:on|in|since|until|till|by|from|of|to|for|before|after|the|early|late)|[:(,–-])$")


def _fit(text: str, mention: DateMention) -> str:
    """The phrase as it reads at its place: a preposition where English wants one, a capital at the start."""
    before = text[max(0, mention.start - _LOOK_BACK) : mention.start].rstrip()
    phrase = mention.phrase
    plain = phrase[0].isdigit() or phrase.split(" ")[0] in MONTHS
    if plain and (not _LEADS.search(before) if before else _SUBJECT.match(text, mention.end)):
        counted = re.match(r"\d{1,2} ([A-Z])?", phrase)  # a day of a month, or "2 weeks after …"
        phrase = (("on " if counted[1] else "") if counted else "in ") + phrase
    starts = not before or before[-1] in ".!?"
    return phrase[0].upper() + phrase[1:] if starts else phrase
