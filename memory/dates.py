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

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "a couple of": 2, "couple of": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
}  # fmt: skip
SEASONS = {"spring": 3, "summer": 6, "fall": 9, "autumn": 9, "winter": 12}


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

_MONTH = "(?P<month>" + "|".join(MONTHS) + r"|Jan\.?|Feb\.?|Mar\.?|Apr\.?|Jun\.?|Jul\.?|Aug\.?|Sept?\.?|Oct\.?|Nov\.?|Dec\.?)"
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


def say(when: str) -> str:
    """Render an ISO 8601 day, month, year or interval as people write it: "7 May 2023", "June 2023", "2022".

    An interval becomes "3 to 9 July 2023"; "" stays "".
    """
    first, _, last = when.partition("/")
    if not last:
        return _say_one(first)
    head, tail = _say_one(first), _say_one(last)
    year = " " + last[:4]
    if head.endswith(year) and tail != last:
        head = head.removesuffix(year)
    month = tail.removesuffix(year).partition(" ")[2]
    if month and head.endswith(" " + month):
        head = head.removesuffix(" " + month)
    return f"{head} to {tail}"


def _say_one(iso: str) -> str:
    parts = iso.split("-")
    if len(parts) == 3:
        return f"{int(parts[2])} {MONTHS[int(parts[1]) - 1]} {parts[0]}"
    return f"{MONTHS[int(parts[1]) - 1]} {parts[0]}" if len(parts) == 2 else iso


def _read(rule: Rule, match: re.Match[str], spoken: date) -> Reading | None:
    try:
        return rule(match, spoken)
    except (ValueError, OverflowError):  # no such day in the calendar
        return None


def _fit(text: str, mention: DateMention) -> str:
    """The phrase as it reads at its place: a preposition where English wants one, a capital at the start."""
    before = text[: mention.start].rstrip()
    phrase = mention.phrase
    plain = phrase[0].isdigit() or phrase.split(" ")[0] in MONTHS
    needs = plain and not re.search(r"\b(on|in|since|until|till|by|from|of|to|for|before|after|the|early|late)$", before)
    if needs and before and not before.endswith((":", "(", ",", "-", "–")):
        phrase = ("on " if re.match(r"\d{1,2} [A-Z]", phrase) else "" if re.match(r"\d{1,2} [a-z]", phrase) else "in ") + phrase
    starts = not before or before[-1] in ".!?"
    return phrase[0].upper() + phrase[1:] if starts else phrase


# --- parts of a date -------------------------------------------------------------------------------------------------


def _month_of(name: str) -> int:
    return next(i for i, month in enumerate(MONTHS, 1) if month.lower().startswith(name.lower().rstrip(".")[:3]))


def _weekday_of(name: str) -> int:
    return next(i for i, day in enumerate(DAYS) if day.lower().startswith(name.lower()[:3]))


def _count_of(words: str) -> int:
    return int(words) if words.isdigit() else NUMBERS[words.lower()]


def _month_on(day: date, months: int) -> str:
    """The month `months` after the month of `day`."""
    whole = day.year * 12 + day.month - 1 + months
    return f"{whole // 12:04d}-{whole % 12 + 1:02d}"


def _week_on(day: date, weeks: int) -> str:
    monday = day - timedelta(days=day.weekday()) + timedelta(weeks=weeks)
    return f"{monday}/{monday + timedelta(days=6)}"


def _weekend_on(day: date, weeks: int) -> str:
    """The weekend `weeks` after the one of this week; from a Sunday, the weekend that began the day before."""
    saturday = day - timedelta(days=day.weekday()) + timedelta(days=5, weeks=weeks)
    return f"{saturday}/{saturday + timedelta(days=1)}"


def _near(day: date, weekday: int, step: int) -> date:
    """The first such weekday before (`step` -1) or after (+1) `day`."""
    day += timedelta(days=step)
    while day.weekday() != weekday:
        day += timedelta(days=step)
    return day


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
    month = _month_of(parts["month"])
    year = int(parts.get("year") or spoken.year)
    if not parts.get("day"):
        return _exact(f"{year:04d}-{month:02d}")
    return _exact(str(date(year, month, int(parts["day"]))))


def _iso(match: re.Match[str], spoken: date) -> Reading:
    first = date.fromisoformat(match.group())
    return _exact(str(first))


def _named_month(match: re.Match[str], spoken: date) -> Reading:
    """"last June", "this June", "next June"."""
    month, which = _month_of(match["month"]), match["which"].lower()
    year = spoken.year
    if which == "last":
        year -= month >= spoken.month
    elif which == "next":
        year += month <= spoken.month
    return _exact(f"{year:04d}-{month:02d}")


def _year(match: re.Match[str], spoken: date) -> Reading:
    return match["year"], match["year"]


def _weekday(match: re.Match[str], spoken: date) -> Reading:
    """"last Friday", "this Friday", "next Friday", "on Friday": the next one, or the last one, that is not today."""
    day, which = _weekday_of(match["weekday"]), match["which"].lower()
    ahead = which in ("next", "this coming", "this", "coming")
    other = _near(spoken, day, 1 if ahead else -1)
    return str(other), f"the {DAYS[day]} {'after' if ahead else 'before'} {say(str(spoken))}"


def _anchored_weekday(match: re.Match[str], spoken: date) -> Reading:
    anchor = _anchor(match)
    other = _near(anchor, _weekday_of(match["weekday"]), -1 if match["side"].lower() == "before" else 1)
    return str(other), match.group()[0].lower() + match.group()[1:]


def _anchored_unit(match: re.Match[str], spoken: date) -> Reading:
    """"the week before 9 June 2023", "two weekends before 17 July 2023", "the week of 23 August 2023"."""
    side, unit = match["side"].lower(), match["unit"].lower().rstrip("s")
    count = _count_of(match["count"]) if match["count"] else 1
    steps = 0 if side == "of" else -count if side == "before" else count
    return _span(_anchor(match), unit, steps), match.group()[0].lower() + match.group()[1:]


def _anchor(match: re.Match[str]) -> date:
    return date(int(match["year"]), _month_of(match["month"]), int(match["day"]))


def _span(day: date, unit: str, steps: int) -> str:
    if unit == "day":
        return str(day + timedelta(days=steps))
    if unit == "month":
        return _month_on(day, steps)
    if unit == "year":
        return f"{day.year + steps:04d}"
    return _weekend_on(day, steps) if unit == "weekend" else _week_on(day, steps)


def _relative_unit(match: re.Match[str], spoken: date) -> Reading:
    """"last week", "this past weekend", "next month", "this year"."""
    unit, which = (match["unit"] or match["only"]).lower(), (match["which"] or "past").lower()
    steps = {"last": -1, "past": -1, "this past": -1, "the past": -1, "next": 1, "this coming": 1}.get(which, 0)
    when = _span(spoken, unit, steps)
    if unit in ("month", "year"):
        return _exact(when)
    side = "of" if steps == 0 else "before" if steps < 0 else "after"
    return when, f"the {unit} {side} {say(str(spoken))}"


def _ago(match: re.Match[str], spoken: date) -> Reading:
    """"two days ago", "three weeks ago", "a month ago", "ten years ago"; also "in two weeks"."""
    unit, count = match["unit"].lower().rstrip("s"), _count_of(match["count"])
    ahead = match.group().lower().startswith("in ")
    when = _span(spoken, unit, count if ahead else -count)
    if unit in ("day", "month", "year"):
        return _exact(when)
    side = "after" if ahead else "before"
    name = f"the {unit}" if count == 1 else f"{match['count'].lower()} {unit}s"
    return when, f"{name} {side} {say(str(spoken))}"


def _vague(match: re.Match[str], spoken: date) -> Reading:
    """"a few days ago", "the other day": no date, but a phrase. Years stay as they are said."""
    unit = (match["unit"] or "days").lower()
    if unit.startswith("year"):
        return "", match.group().lower()
    return "", f"a few {unit.rstrip('s')}s before {say(str(spoken))}"


def _season(match: re.Match[str], spoken: date) -> Reading:
    """"last summer", "this winter": three months; a winter is called by the year it begins in."""
    name, which = match["season"].lower(), match["which"].lower()
    first = SEASONS[name]
    year = spoken.year
    if which in ("last", "past"):
        year -= first + 2 >= spoken.month
    elif which == "next":
        year += first <= spoken.month
    begin = date(year, first, 1)
    return f"{_month_on(begin, 0)}/{_month_on(begin, 2)}", f"{name} {year}"


def _season_of(match: re.Match[str], spoken: date) -> Reading:
    begin = date(int(match["year"]), SEASONS[match["season"].lower()], 1)
    return f"{_month_on(begin, 0)}/{_month_on(begin, 2)}", f"{match['season'].lower()} {match['year']}"


def _range(match: re.Match[str], spoken: date) -> Reading:
    """What `say` makes of an interval: "3 to 9 July 2023", "June to August 2023"."""
    if match["first"]:
        return f"{match['first']}/{match['last']}", match.group()
    year, month = match["year"], _month_of(match["month"])
    first_year = match["year0"] or year
    first_month = _month_of(match["month0"]) if match["month0"] else month
    if match["day"]:
        first = date(int(first_year), first_month, int(match["day0"]))
        when = f"{first}/{date(int(year), month, int(match['day']))}"
    else:
        when = f"{first_year}-{first_month:02d}/{year}-{month:02d}"
    return when, say(when)


_BEFORE = r"(?P<which>last|past|this past|this coming|coming|this|next|on)"
_WHICH_UNIT = r"(?P<which>last|this past|the past|past|this coming|this|next)"
_SEASON = "(?P<season>" + "|".join(SEASONS) + ")"
_MONTH0 = _MONTH.replace("<month>", "<month0>")
_SOURCES: tuple[tuple[str, Rule], ...] = (
    (r"the day before yesterday|the day after tomorrow|earlier today|last night|this (?:morning|afternoon|evening)"
     r"|(?:yesterday|tomorrow)(?: (?:morning|afternoon|evening|night))?|today|tonight", _near_day),
    (r"\d{4}-\d\d-\d\d", _iso),
    (_FULL_DATE, _calendar),
    (rf"{_MONTH} {_DAY_OF_MONTH}(?:,? {_YEAR})?(?!\d| (?:{'|'.join(MONTHS)}))", _calendar),
    (rf"{_DAY_OF_MONTH} (?:of )?{_MONTH}", _calendar),
    (rf"{_MONTH},? (?:of )?{_YEAR}", _calendar),
    (rf"(?:(?<=\bin )|(?<=\bby )|(?<=\bof )|(?<=\bsince )|(?<=\buntil )|(?<=\bearly )|(?<=\blate )){_MONTH}(?! \d)", _calendar),
    (rf"(?P<which>last|this|next) {_MONTH}(?! \d)", _named_month),
    (rf"(?:(?<=\bin )|(?<=\bof )|(?<=\bsince )|(?<=\bduring )|(?<=\bback in )|^){_YEAR}(?![\d-]| to )", _year),
    (rf"{_BEFORE} {_DAY}(?!s)", _weekday),
    (rf"the {_DAY} (?P<side>before|after) {_FULL_DATE}", _anchored_weekday),
    (rf"(?:the|{_COUNT}) (?P<unit>(?:day|week|weekend|month|year)s?) (?P<side>before|after|of) {_FULL_DATE}", _anchored_unit),
    (rf"(?:over )?{_WHICH_UNIT} (?P<unit>week|weekend|month|year)|over (?P<the>the) (?P<only>weekend)", _relative_unit),
    (rf"{_COUNT} (?P<unit>(?:day|week|weekend|month|year)s?) (?:ago|back)", _ago),
    (rf"in {_COUNT} (?P<unit>(?:day|week|weekend|month|year)s?)(?! of)", _ago),
    (r"(?:a few|several|some) (?P<unit>days|weeks|months|years) (?:ago|back)|the other (?P<other>day)", _vague),
    (rf"(?P<which>last|past|this|next) {_SEASON}", _season),
    (rf"{_SEASON} (?:of )?{_YEAR}", _season_of),
    (rf"(?:(?P<day0>\d\d?) )?(?:{_MONTH0} )?(?:(?P<year0>\d{{4}}) )?to (?:(?P<day>\d\d?) )?{_MONTH} {_YEAR}"
     r"|(?P<first>(?:19|20)\d\d) to (?P<last>(?:19|20)\d\d)", _range),
)  # fmt: skip
_RULES = tuple((re.compile(rf"\b(?:{source})(?![\w-])", re.IGNORECASE), rule) for source, rule in _SOURCES)
