"""Rules that rewrite a gold answer: the same in another form, vaguer, or wrong. Pure; None where a rule has no hold.

Only calendar dates, numbers, lists and yes or no are understood, and only where nothing else could be meant: a rule
that has doubts leaves the text alone.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random

from memory_r1.memory.days import MONTHS, NUMBERS, month_of

_MONTH = rf"(?P<month>{'|'.join(MONTHS)})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>[12]\d{3})"
_DATES = (
    re.compile(rf"\b{_DAY}\s*(?:of )?{_MONTH},?\s+{_YEAR}\b", re.IGNORECASE),
    re.compile(rf"\b{_MONTH} {_DAY},?\s+{_YEAR}\b", re.IGNORECASE),
    re.compile(r"\b(?P<year>[12]\d{3})-(?P<month>\d{2})-(?P<day>\d{2})\b"),
)
_MONTH_YEAR = re.compile(rf"\b{_MONTH},?\s+{_YEAR}\b", re.IGNORECASE)
_YEAR_ONLY = re.compile(r"\b(?:19|20)\d{2}\b")
_AROUND = re.compile(
    r"\b(?:the|a|an|in|on|of|at|around|about|by|few|couple|first|second|third|last|next|early|late|mid|before|after|"
    r"between|and|to|from|since|until|day|days|week|weeks|weekend|month|months|year|years|summer|winter|spring|fall|"
    r"autumn|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|one|two|three|\d+)\b",
    re.IGNORECASE,
)  # fmt: skip
_WORDS = {word: number for word, number in NUMBERS.items() if " " not in word and word not in ("a", "an")}
_NUMBER = re.compile(rf"\b(?:(?P<digits>\d{{1,3}})|(?P<word>{'|'.join(_WORDS)}))\b", re.IGNORECASE)
_POLAR = re.compile(r"\A(?P<likely>(?:most )?likely )?(?P<said>yes|no)\b(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_ARTICLES = re.compile(r"\b(?:a|an|the) ", re.IGNORECASE)
_JOINED = re.compile(r"[;\"]|\d| - |\b(?:of|for|with|like|in|from|to|at|on)\b", re.IGNORECASE)
_SEASONS = ("winter", "spring", "summer", "autumn")


def shape(gold: str) -> str:
    """What kind of answer `gold` is: "yes or no", "date", "number", "list", "short" (three words or fewer), "long"."""
    if _POLAR.match(gold):
        return "yes or no"
    if _told_time(gold):
        return "date"
    if _number(gold):
        return "number"
    if items(gold):
        return "list"
    return "short" if len(gold.split()) <= 3 else "long"


def _told_time(gold: str) -> bool:
    """Whether `gold` tells a time that has a year in it, and nothing else."""
    rest, found = gold, False
    for pattern in (*_DATES, _MONTH_YEAR, _YEAR_ONLY):
        rest, count = pattern.subn(" ", rest)
        found = found or count > 0
    return found and not re.search(r"\w", _AROUND.sub(" ", rest))


def day_in(gold: str) -> tuple[date, int, int] | None:
    """The first calendar day written out in `gold`, with year, and where it starts and ends."""
    for pattern in _DATES:
        for match in pattern.finditer(gold):
            month = match["month"]
            try:
                found = date(int(match["year"]), int(month) if month.isdigit() else month_of(month), int(match["day"]))
            except ValueError:  # no such day in the calendar
                continue
            return found, match.start(), match.end()
    return None


def other_format(gold: str, chance: Random) -> str | None:
    """`gold` with its day in another of the three ways to write one: "7 May 2023", "May 7th, 2023", "2023-05-07"."""
    found = day_in(gold)
    if found is None:
        return None
    day, start, end = found
    forms = [f"{day.day} {MONTHS[day.month - 1]} {day.year}", _american(day), day.isoformat()]
    others = [form for form in forms if re.sub(r"\W", "", form) != re.sub(r"\W", "", gold[start:end])]
    return gold[:start] + chance.choice(others) + gold[end:]


def _american(day: date) -> str:
    ending = "th" if 4 <= day.day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return f"{MONTHS[day.month - 1]} {day.day}{ending}, {day.year}"


def month_only(gold: str) -> str | None:
    """Of a day its month and year only."""
    found = day_in(gold) if shape(gold) == "date" else None
    return f"{MONTHS[found[0].month - 1]} {found[0].year}" if found else None


def year_only(gold: str) -> str | None:
    """Of a day or month its year only."""
    found = _MONTH_YEAR.search(gold) or day_in(gold) if shape(gold) == "date" else None
    if found is None:
        return None
    return f"In {found['year'] if isinstance(found, re.Match) else found[0].year}"


def season(gold: str) -> str | None:
    """Of a day its season only, as the northern half of the world has it."""
    found = day_in(gold) if shape(gold) == "date" else None
    return f"Sometime in {_SEASONS[found[0].month % 12 // 3]}" if found else None


def shifted(gold: str, chance: Random) -> str | None:
    """`gold` with another time: a day 20 to 60 days off, else a month 2 to 5 off, else a year 1 to 3 off."""
    if shape(gold) != "date":
        return None
    found, sign = day_in(gold), chance.choice((-1, 1))
    if found:
        day = found[0] + timedelta(days=sign * chance.randint(20, 60))
        return f"{gold[: found[1]]}{day.day} {MONTHS[day.month - 1]} {day.year}{gold[found[2] :]}"
    if match := _MONTH_YEAR.search(gold):
        months = int(match["year"]) * 12 + month_of(match["month"]) - 1 + sign * chance.randint(2, 5)
        return f"{gold[: match.start()]}{MONTHS[months % 12]} {months // 12}{gold[match.end() :]}"
    if match := _YEAR_ONLY.search(gold):
        return f"{gold[: match.start()]}{int(match[0]) + sign * chance.randint(1, 3)}{gold[match.end() :]}"
    return None


def _number(gold: str) -> re.Match[str] | None:
    """The one number that `gold`, of four words at most, is about."""
    found = list(_NUMBER.finditer(gold)) if len(gold.split()) <= 4 else []
    return found[0] if len(found) == 1 and len(gold[: found[0].start()].split()) <= 1 else None


def other_number(gold: str, chance: Random) -> str | None:
    """`gold` with another number, 2 to 4 more or less, written in the same way."""
    found = _number(gold) if shape(gold) == "number" else None
    if found is None:
        return None
    old = int(found["digits"]) if found["digits"] else _WORDS[found["word"].lower()]
    new = old + chance.choice([step for step in (-4, -3, -2, 2, 3, 4) if old + step > 1])
    said = {number: word for word, number in _WORDS.items()}.get(new, str(new)) if found["word"] else str(new)
    return gold[: found.start()] + said + gold[found.end() :]


def items(gold: str) -> list[str]:
    """The items of `gold`, if it is a plain list: three at least, between commas, of four words at most; else []."""
    parts = [re.sub(r"^and\s+", "", part.strip(), flags=re.IGNORECASE) for part in gold.rstrip(". ").split(",")]
    plain = len(parts) >= 3 and all(1 <= len(part.split()) <= 4 for part in parts)
    distinct = len({part.lower() for part in parts}) == len(parts)
    alike = len({part.split(" ")[0].endswith("ing") for part in parts}) == 1  # not "tracking inventory, donations"
    return parts if plain and distinct and alike and not (_JOINED.search(gold) or _POLAR.match(gold)) else []


def reordered(gold: str, chance: Random) -> str | None:
    """The items of `gold` in another order."""
    parts = items(gold)
    start = chance.randrange(1, len(parts)) if parts else 0
    return ", ".join(parts[start:] + parts[:start]) or None


def dropped(gold: str, chance: Random) -> str | None:
    """The items of `gold` without one."""
    parts = items(gold)
    if not parts:
        return None
    parts.pop(chance.randrange(len(parts)))
    return ", ".join(parts)


def recased(gold: str) -> str | None:
    """`gold` in lower case, without articles and the full stop."""
    text = _ARTICLES.sub("", gold.lower()).strip().removesuffix(".")
    return text if text and text != gold.strip() else None


def flipped(gold: str) -> str | None:
    """Yes for no and no for yes, with "likely" where the gold has it, and nothing of its reasons."""
    match = _POLAR.match(gold)
    if match is None or re.match(r"\s+\w", match["rest"]):  # "no more than 30", "no longer"
        return None
    other = "no" if match["said"].lower() == "yes" else "yes"
    return f"Likely {other}" if match["likely"] else other.capitalize()


def unlike(one: str, other: str, terms: Callable[[str], Sequence[str]]) -> bool:
    """Whether two gold answers certainly say different things: other days, months, or years; else no word in common."""
    if shape(one) == shape(other) == "date":
        first, second = _period(one), _period(other)
        return first[1] + timedelta(days=40) < second[0] or second[1] + timedelta(days=40) < first[0]
    return not set(terms(one)) & set(terms(other)) and bool(terms(one)) and bool(terms(other))


def _period(gold: str) -> tuple[date, date]:
    """The first and last day of the time that `gold`, of shape "date", names."""
    if found := day_in(gold):
        return found[0], found[0]
    if match := _MONTH_YEAR.search(gold):
        year, month = int(match["year"]), month_of(match["month"])
        return date(year, month, 1), date(year, month, monthrange(year, month)[1])
    match = _YEAR_ONLY.search(gold)
    year = int(match[0]) if match else 1
    return date(year, 1, 1), date(year, 12, 31)
