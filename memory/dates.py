"""Turns what people say about time into dates, and dates into what people say.

Pure and English: no clock (the turn's time is an argument), no locale, no dependency. `find_dates` reads a text,
`resolve` writes the dates it found into it, `say` renders one.

    >>> [m.when for m in find_dates("I went there last Friday.", datetime(2023, 7, 15))]
    ['2023-07-14']
    >>> resolve("I went there last week.", datetime(2023, 6, 9))
    'I went there the week before 9 June 2023.'

What a relative expression means: a day counted from the turn's day is that day; "last Friday" is the latest Friday
before it; a week is Monday to Sunday, a weekend Saturday and Sunday; weeks, months and years count in whole ones.
What it is called is anchored the same way: "the week before 9 June 2023".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

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


Reading = tuple[str, str]
"""A rule's result: `when` and `phrase`."""
Rule = Callable[[re.Match[str], date], Reading | None]

_MONTH = "(?P<month>" + "|".join(MONTHS) + r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?)"
_DAY = "(?P<weekday>" + "|".join(DAYS) + r"|(?:Mon|Tues?|Wed|Thurs?|Fri|Sat|Sun)\b\.?)"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_COUNT = r"(?P<count>\d{1,3}|" + "|".join(sorted(NUMBERS, key=len, reverse=True)) + ")"
_DAY_OF_MONTH = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_FULL_DATE = rf"{_DAY_OF_MONTH},? (?:of )?{_MONTH},? {_YEAR}"


def find_dates(text: str, spoken: datetime) -> list[DateMention]:
    """Find the expressions of time in `text`, said at `spoken`; in order, none overlapping another.

    Where two rules fit, the one that starts first wins, then the longer one. An impossible date ("31 February")
    is no mention.
    """
    found: list[DateMention] = []
    for pattern, rule in _RULES:
        for match in pattern.finditer(text):
            reading = _read(rule, match, spoken.date())
            if reading is not None:
                found.append(DateMention(match.start(), match.end(), match.group(), *reading))
    found.sort(key=lambda m: (m.start, -m.end))
    kept: list[DateMention] = []
    for mention in found:
        if not kept or mention.start >= kept[-1].end:
            kept.append(mention)
    return kept


def resolve(text: str, spoken: datetime) -> str:
    """Write the dates that `find_dates` found into `text`, in place of the relative expressions."""
    for mention in reversed(find_dates(text, spoken)):
        if mention.phrase.lower() != mention.text.lower():
            text = text[: mention.start] + _fit(text, mention) + text[mention.end :]
    return text


def _read(rule: Rule, match: re.Match[str], spoken: date) -> Reading | None:
    try:
        return rule(match, spoken)
    except (ValueError, OverflowError):  # no such day in the calendar
        return None


_SUBJECT = re.compile(r",| (?:i|we|he|she|they|you|my|our)\b", re.IGNORECASE)
_LEADS = re.compile(r"(?:\b(?:on|in|since|until|till|by|from|of|to|for|before|after|the|early|late)|[:(,–-])$")


def _fit(text: str, mention: DateMention) -> str:
    """The phrase as it reads at its place: a preposition where English wants one, a capital at the start."""
    before = text[: mention.start].rstrip()
    phrase = mention.phrase
    plain = phrase[0].isdigit() or phrase.split(" ")[0] in MONTHS
    if plain and (not _LEADS.search(before) if before else _SUBJECT.match(text, mention.end)):
        counted = re.match(r"\d{1,2} ([A-Z])?", phrase)  # a day of a month, or "2 weeks after …"
        phrase = (("on " if counted[1] else "") if counted else "in ") + phrase
    starts = not before or before[-1] in ".!?"
    return phrase[0].upper() + phrase[1:] if starts else phrase


def _exact(when: str) -> Reading:
    return when, say(when)


# --- rules -----------------------------------------------------------------------------------------------------------

_NEAR_DAYS = {
    "the day before yesterday": -2, "yesterday": -1, "last night": -1, "today": 0, "tonight": 0, "this morning": 0,
    "this afternoon": 0, "this evening": 0, "earlier today": 0, "tomorrow": 1, "the day after tomorrow": 2,
}  # fmt: skip


def _near_day(match: re.Match[str], spoken: date) -> Reading:
    words = re.sub(r"^yesterday .*", "yesterday", match.group().lower())
    words = re.sub(r"^tomorrow .*", "tomorrow", words)
    return _exact(str(spoken + timedelta(days=_NEAR_DAYS[words])))


def _calendar(match: re.Match[str], spoken: date) -> Reading:
    parts = match.groupdict()
    month = month_of(parts["month"])
    year = int(parts.get("year") or spoken.year)
    if not parts.get("day"):
        return _exact(f"{year:04d}-{month:02d}")
    return _exact(str(date(year, month, int(parts["day"]))))


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
    day, which = weekday_of(match["weekday"]), match["which"].lower()
    ahead = which in ("next", "this coming", "this", "coming")
    other = near(spoken, day, 1 if ahead else -1)
    return str(other), f"the {DAYS[day]} {'after' if ahead else 'before'} {say(str(spoken))}"


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
    unit, which = (match["unit"] or match["only"]).lower(), (match["which"] or "past").lower()
    steps = {"last": -1, "past": -1, "this past": -1, "the past": -1, "next": 1, "this coming": 1}.get(which, 0)
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


def _range(match: re.Match[str], spoken: date) -> Reading:
    """What `say` makes of an interval: "3 to 9 July 2023", "June to August 2023"."""
    if match["first"]:
        return f"{match['first']}/{match['last']}", match.group()
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
    (rf"{_BEFORE} {_DAY}(?!s)", _weekday),
    (rf"the {_DAY} (?P<side>before|after) {_FULL_DATE}", _anchored_weekday),
    (rf"(?:the|{_COUNT}) {_UNITS} (?P<side>before|after|of) {_FULL_DATE}", _anchored_unit),
    (rf"(?:over )?{_WHICH_UNIT} (?P<unit>week|weekend|month|year)|over (?P<the>the) (?P<only>weekend)", _relative_unit),
    (rf"{_COUNT} {_UNITS} (?:ago|back)", _ago),
    (rf"in {_COUNT} {_UNITS}(?! of)", _ago),
    (r"(?:a few|several|some) (?P<unit>days|weeks|months|years) (?:ago|back)|the other (?P<other>day)", _vague),
    (rf"(?P<which>last|past|this|next) {_SEASON}", _season),
    (rf"{_SEASON} (?:of )?{_YEAR}", _season_of),
    (rf"(?:(?P<day0>\d\d?) )?(?:{_MONTH0} )?(?:(?P<year0>\d{{4}}) )?to (?:(?P<day>\d\d?) )?{_MONTH} {_YEAR}"
     r"|(?P<first>(?:19|20)\d\d) to (?P<last>(?:19|20)\d\d)", _range),
)  # fmt: skip
_RULES = tuple((re.compile(rf"\b(?:{source})(?![\w-])", re.IGNORECASE), rule) for source, rule in _SOURCES)
