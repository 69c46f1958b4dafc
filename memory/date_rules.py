"""The rules that read dates: for each way to speak of a time, a pattern and what it means on the day it is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

from memory_r1.memory.days import (
    DAYS,
    MONTHS,
    NUMBERS,
    SEASONS,
    count_of,
    month_of,
    month_on,
    near,
    say,
    span,
    weekday_of,
)  # fmt: skip
from memory_r1.memory.tense import ahead

Reading = tuple[str, str]
"""A rule's result: `when` and `phrase`."""
Rule = Callable[[re.Match[str], date], Reading | None]

_MONTH = "(?P<month>" + "|".join(MONTHS) + r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?)"
_WHOLE_DAY = "(?P<weekday>" + "|".join(DAYS) + ")"
_ONCE = "(?!['’]?s| (?:morning|afternoon|evening|night)s)"
_DAY = "(?P<weekday>" + "|".join(DAYS) + r"|(?:Mon|Tues?|Wed|Thurs?|Fri|Sat|Sun)\b\.?)"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_COUNT = r"(?P<count>\d{1,3}|" + "|".join(sorted(NUMBERS, key=len, reverse=True)) + ")"
_DAY_OF_MONTH = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_FULL_DATE = rf"{_DAY_OF_MONTH},? (?:of )?{_MONTH},? {_YEAR}"


def _exact(when: str) -> Reading:
    return when, say(when)


_SATURDAY = 5
_LED = re.compile(
    r"\b(?:(?P<any>every|each|any|an?|the|of|some|most|other|one|good|black|holy|this|last|next|and|or|to|from|called|named)"
    r"|(?P<to>for|by|until|till)) $", re.IGNORECASE
)  # fmt: skip
_SUBJECT_OF = re.compile(r" (?:is|are|was|works?|suits?)\b", re.IGNORECASE)
_NEAR_DAYS = {
    "the day before yesterday": -2, "yesterday": -1, "last night": -1, "today": 0, "tonight": 0, "this morning": 0,
    "this afternoon": 0, "this evening": 0, "earlier today": 0, "tomorrow": 1, "the day after tomorrow": 2,
}  # fmt: skip


def _near_day(match: re.Match[str], spoken: date) -> Reading:
    words = re.sub(r"^yesterday .*", "yesterday", match.group().lower())
    words = re.sub(r"^tomorrow .*", "tomorrow", words)
    return _exact(str(spoken + timedelta(days=_NEAR_DAYS[words])))


def _calendar(match: re.Match[str], spoken: date) -> Reading:
    """A day or a month; without a year, the one that the clause's tense asks for."""
    parts = match.groupdict()
    month = month_of(parts["month"])
    day = int(parts.get("day") or 0)
    year = int(parts.get("year") or _year_of(match, month, day, spoken))
    return _exact(str(date(year, month, day)) if day else f"{year:04d}-{month:02d}")


def _year_of(match: re.Match[str], month: int, day: int, spoken: date) -> int:
    """The year spoken in, or the next one for what is ahead and would be over, or the one before for the reverse."""
    now = (spoken.month, spoken.day if day else 0)
    coming = ahead(match.string, *match.span())
    if coming is None or (month, day) == now:
        return spoken.year
    return spoken.year + (coming and (month, day) < now) - (not coming and (month, day) > now)


def _iso(match: re.Match[str], spoken: date) -> Reading:
    first = date.fromisoformat(match.group())
    return _exact(str(first))


def _named_month(match: re.Match[str], spoken: date) -> Reading:
    """A month with a word: "last June", "this June", "next June"."""
    month, which = month_of(match["month"]), match["which"].lower()
    year = spoken.year
    if which == "last":
        year -= month >= spoken.month
    elif which == "next":
        year += month <= spoken.month
    return _exact(f"{year:04d}-{month:02d}")


def _year(match: re.Match[str], spoken: date) -> Reading:
    return match["year"], match["year"]


def _weekday(match: re.Match[str], spoken: date) -> Reading:
    """A weekday with a word ("last", "next", "on"): the next one, or the last one, that is not today."""
    which = match["which"].lower()
    coming = ahead(match.string, *match.span()) if which == "on" else which not in ("last", "past", "this past")
    return _other_day(match, spoken, bool(coming))


def _bare_weekday(match: re.Match[str], spoken: date) -> Reading | None:
    """A weekday alone: one day if its clause has a tense, or comes after "for" or "by"; else perhaps any such day."""
    led = _LED.search(match.string, max(0, match.start() - 20), match.start())
    if (led and led["any"]) or _SUBJECT_OF.match(match.string, match.end()):
        return None
    coming = True if led and led["to"] else ahead(match.string, *match.span())
    return None if coming is None else _other_day(match, spoken, coming)


def _other_day(match: re.Match[str], spoken: date, coming: bool) -> Reading:
    other = near(spoken, weekday_of(match["weekday"]), 1 if coming else -1)
    return str(other), f"the {DAYS[other.weekday()]} {'after' if coming else 'before'} {say(str(spoken))}"


def _anchored_weekday(match: re.Match[str], spoken: date) -> Reading:
    anchor = _anchor(match)
    other = near(anchor, weekday_of(match["weekday"]), -1 if match["side"].lower() == "before" else 1)
    return str(other), match.group()[0].lower() + match.group()[1:]


def _anchored_unit(match: re.Match[str], spoken: date) -> Reading:
    """As in "the week before 9 June 2023", "two weekends before 17 July 2023", "the week of 23 August 2023"."""
    side, unit = match["side"].lower(), match["unit"].lower().rstrip("s")
    count = count_of(match["count"]) if match["count"] else 1
    steps = 0 if side == "of" else -count if side == "before" else count
    return span(_anchor(match), unit, steps), match.group()[0].lower() + match.group()[1:]


def _anchor(match: re.Match[str]) -> date:
    return date(int(match["year"]), month_of(match["month"]), int(match["day"]))


def _relative_unit(match: re.Match[str], spoken: date) -> Reading:
    """As in "last week", "this past weekend", "next month", "this year"."""
    unit, which = (match["unit"] or match["only"]).lower(), (match["which"] or "").lower()
    steps = {"last": -1, "past": -1, "this past": -1, "the past": -1, "next": 1, "this coming": 1}.get(which, 0)
    if not which or (which == "this" and unit == "weekend" and spoken.weekday() < _SATURDAY):
        coming = ahead(match.string, *match.span())
        steps = 0 if coming or (coming is None and which) else -1
    when = span(spoken, unit, steps)
    if unit in ("month", "year"):
        return _exact(when)
    side = "of" if steps == 0 else "before" if steps < 0 else "after"
    return when, f"the {unit} {side} {say(str(spoken))}"


def _ago(match: re.Match[str], spoken: date) -> Reading:
    """As in "two days ago", "three weeks ago", "a month ago", "ten years ago"; also "in two weeks"."""
    unit, count = match["unit"].lower().rstrip("s"), count_of(match["count"])
    ahead = match.group().lower().startswith("in ")
    when = span(spoken, unit, count if ahead else -count)
    if unit in ("day", "month", "year"):
        return _exact(when)
    side = "after" if ahead else "before"
    name = f"the {unit}" if count == 1 else f"{match['count'].lower()} {unit}s"
    return when, f"{name} {side} {say(str(spoken))}"


def _vague(match: re.Match[str], spoken: date) -> Reading:
    """As in "a few days ago", "the other day": no date, but a phrase. Years stay as they are said."""
    unit = (match["unit"] or "days").lower()
    if unit.startswith("year"):
        return "", match.group().lower()
    return "", f"a few {unit.rstrip('s')}s before {say(str(spoken))}"


def _season(match: re.Match[str], spoken: date) -> Reading:
    """As in "last summer", "this winter": three months; a winter is called by the year it begins in."""
    name, which = match["season"].lower(), match["which"].lower()
    first = SEASONS[name]
    year = spoken.year
    if which in ("last", "past"):
        year -= first + 2 >= spoken.month
    elif which == "next":
        year += first <= spoken.month
    begin = date(year, first, 1)
    return f"{month_on(begin, 0)}/{month_on(begin, 2)}", f"{name} {year}"


def _season_of(match: re.Match[str], spoken: date) -> Reading:
    begin = date(int(match["year"]), SEASONS[match["season"].lower()], 1)
    return f"{month_on(begin, 0)}/{month_on(begin, 2)}", f"{match['season'].lower()} {match['year']}"


def _range(match: re.Match[str], spoken: date) -> Reading | None:
    """What `say` makes of an interval: "3 to 9 July 2023", "June to August 2023"; "moved to 9 July 2023" is none."""
    if match["first"]:
        return f"{match['first']}/{match['last']}", match.group()
    if bool(match["day"]) != bool(match["day0"]) or not (match["day0"] or match["month0"]):
        return None
    year, month = match["year"], month_of(match["month"])
    first_year = match["year0"] or year
    first_month = month_of(match["month0"]) if match["month0"] else month
    if match["day"]:
        first = date(int(first_year), first_month, int(match["day0"]))
        when = f"{first}/{date(int(year), month, int(match['day']))}"
    else:
        when = f"{first_year}-{first_month:02d}/{year}-{month:02d}"
    return when, say(when)


def _after(*leads: str) -> str:
    """A pattern for the place right after one of the words."""
    return "(?:" + "|".join(rf"(?<=\b{word} )" for word in leads) + ")"


_BEFORE = r"(?P<which>last|past|this past|this coming|coming|this|next|on)"
_WHICH_UNIT = r"(?P<which>last|this past|the past|past|this coming|this|next)"
_SEASON = "(?P<season>" + "|".join(SEASONS) + ")"
_UNITS = "(?P<unit>(?:day|week|weekend|month|year)s?)"
_MONTH0 = _MONTH.replace("<month>", "<month0>")
_SOURCES: tuple[tuple[str, Rule], ...] = (
    (r"the day before yesterday|the day after tomorrow|earlier today|last night|this (?:morning|afternoon|evening)"
     r"|(?:yesterday|tomorrow)(?: (?:morning|afternoon|evening|night))?|today|tonight", _near_day),
    (r"\d{4}-\d\d-\d\d", _iso),
    (_FULL_DATE, _calendar),
    (rf"{_MONTH} {_DAY_OF_MONTH}(?:,? {_YEAR})?(?!\d| (?:{'|'.join(MONTHS)}))", _calendar),
    (rf"{_DAY_OF_MONTH} (?:of )?{_MONTH}", _calendar),
    (rf"{_MONTH},? (?:of )?{_YEAR}", _calendar),
    (rf"{_after('in', 'by', 'of', 'since', 'until', 'early', 'late')}{_MONTH}(?! \d)", _calendar),
    (rf"(?P<which>last|this|next) {_MONTH}(?! \d)", _named_month),
    (rf"(?:{_after('in', 'of', 'since', 'during')}|^(?=\d+$)){_YEAR}(?![\d-]| to )", _year),
    (rf"{_BEFORE} {_DAY}{_ONCE}", _weekday),
    (rf"{_WHOLE_DAY}{_ONCE}", _bare_weekday),
    (rf"the {_DAY} (?P<side>before|after) {_FULL_DATE}", _anchored_weekday),
    (rf"(?:the|{_COUNT}) {_UNITS} (?P<side>before|after|of) {_FULL_DATE}", _anchored_unit),
    (rf"(?:over )?{_WHICH_UNIT} (?P<unit>week|weekend|month|year)|(?:over|at|on) the (?P<only>weekend)",
     _relative_unit),
    (rf"{_COUNT} {_UNITS} (?:ago|back)", _ago),
    (rf"in {_COUNT} {_UNITS}(?! of)", _ago),
    (r"(?:a few|several|some) (?P<unit>days|weeks|months|years) (?:ago|back)|the other (?P<other>day)", _vague),
    (rf"(?P<which>last|past|this|next) {_SEASON}", _season),
    (rf"{_SEASON} (?:of )?{_YEAR}", _season_of),
    (rf"(?:(?P<day0>\d\d?) )?(?:{_MONTH0} )?(?:(?P<year0>\d{{4}}) )?to (?:(?P<day>\d\d?) )?{_MONTH} {_YEAR}"
     r"|(?P<first>(?:19|20)\d\d) to (?P<last>(?:19|20)\d\d)", _range),
)  # fmt: skip
RULES = tuple((re.compile(rf"\b(?:{source})(?![\w-])", re.IGNORECASE), rule) for source, rule in _SOURCES)
TRIGGER = re.compile(
    rf"\d|{_MONTH}|{_DAY}|{_SEASON}|day|night|morning|afternoon|evening|morrow|week|month|year", re.IGNORECASE
)
"""What every rule's expressions contain: a text without it has no mention."""
