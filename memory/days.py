"""Names and arithmetic of days, weeks, months and years, and how a date is said."""

from __future__ import annotations

from datetime import date, timedelta

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


def month_of(name: str) -> int:
    """1 to 12 for a month's name or its abbreviation."""
    return next(i for i, month in enumerate(MONTHS, 1) if month.lower().startswith(name.lower().rstrip(".")[:3]))


def weekday_of(name: str) -> int:
    """0 for Monday to 6 for Sunday, by name or abbreviation."""
    return next(i for i, day in enumerate(DAYS) if day.lower().startswith(name.lower()[:3]))


def count_of(words: str) -> int:
    """The number that digits or a word of `NUMBERS` stand for."""
    return int(words) if words.isdigit() else NUMBERS[words.lower()]


def month_on(day: date, months: int) -> str:
    """The month `months` after the month of `day`."""
    whole = day.year * 12 + day.month - 1 + months
    return f"{whole // 12:04d}-{whole % 12 + 1:02d}"


def week_on(day: date, weeks: int) -> str:
    """The week, Monday to Sunday, `weeks` after that of `day`."""
    monday = day - timedelta(days=day.weekday()) + timedelta(weeks=weeks)
    return f"{monday}/{monday + timedelta(days=6)}"


def weekend_on(day: date, weeks: int) -> str:
    """The weekend `weeks` after the one of this week; from a Sunday, the weekend that began the day before."""
    saturday = day - timedelta(days=day.weekday()) + timedelta(days=5, weeks=weeks)
    return f"{saturday}/{saturday + timedelta(days=1)}"


def near(day: date, weekday: int, step: int) -> date:
    """The first such weekday before (`step` -1) or after (+1) `day`."""
    day += timedelta(days=step)
    while day.weekday() != weekday:
        day += timedelta(days=step)
    return day


def span(day: date, unit: str, steps: int) -> str:
    """The day, week, weekend, month or year that is `steps` of them after that of `day`."""
    if unit == "day":
        return str(day + timedelta(days=steps))
    if unit == "month":
        return month_on(day, steps)
    if unit == "year":
        return f"{day.year + steps:04d}"
    return weekend_on(day, steps) if unit == "weekend" else week_on(day, steps)
