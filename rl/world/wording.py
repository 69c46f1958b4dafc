"""How people say what happens: several ways for each event, with days as one says them.

Places in a sentence: {a} {b} {c} the event's arguments and {key} its slot's key, a day among them as one says it on the
day of the turn; {who} a person who isn't the speaker ("my sister Mira").
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from memory_r1.memory.days import DAYS, MONTHS
from memory_r1.rl.world.chance import Chance
from memory_r1.rl.world.events import Event
from memory_r1.rl.world.language import COUNTS

OWN: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("home", "settle"): (
        "I live in {a}.", "My home is in {a}.", "I'm based in {a}, by the way.", "Did I tell you that I live in {a}?",
    ),
    ("home", "move"): (
        "I moved to {a} {b}.", "Big news: {b} I moved to {a}!", "I've got a new home! I moved to {a} {b}.",
        "I moved into my new flat in {a} {b}, it's lovely.",
    ),
    ("home", "correct"): (
        "Actually, I live in {a}, not in {b}.", "Sorry, I said {b}, but I meant {a}: that's where I live.",
        "I misspoke: my home is in {a}, not {b}.",
    ),
    ("home", "recall"): (
        "I still think of the time when I lived in {a}.", "Back when I lived in {a}, everything was closer.",
        "I used to live in {a}, remember?",
    ),
    ("job", "settle"): (
        "I work as a {a}.", "I'm a {a}, that's my job.", "By profession I'm a {a}.", "I earn my living as a {a}.",
    ),
    ("job", "move"): (
        "I started to work as a {a} {b}.", "I have a new job! I became a {a} {b}.", "My first day as a {a} was {b}.",
        "I changed my job: I started as a {a} {b}.",
    ),
    ("job", "correct"): (
        "Actually, I work as a {a}, not as a {b}.", "I said {b}, but that's wrong: I'm a {a}.",
        "No, wait, my job isn't {b}; I work as a {a}.",
    ),
    ("job", "recall"): (
        "I used to work as a {a}, remember?", "When I was a {a}, I got up early.", "My days as a {a} were fun.",
    ),
    ("pets", "gain"): (
        "I adopted a {a} named {b}.", "There's a new {a} in my home: {b}!", "I just got a {a}. I call it {b}.",
        "Meet {b}, my new {a}!", "A {a} moved in with me, and its name is {b}.",
    ),
    ("pets", "have"): (
        "My {a} {b} is asleep on my lap.", "{b}, my {a}, says hello.", "I took my {a} {b} to the vet, all is well.",
    ),
    ("pets", "lose"): (
        "My {a} {b} died.", "I had to give my {a} {b} away.", "{b}, my {a}, ran away and didn't come back.",
    ),
    ("pets", "rename"): (
        "Actually, my {a} is called {b}, not {c}.", "I wrote {c}, but the name of my {a} is {b}.",
        "Oops, I said {c}: my {a}'s name is {b}.",
    ),
    ("likes", "like"): (
        "I really like {a}.", "{a} is such fun, I love it.", "I enjoy {a} a lot.", "I've become a fan of {a}.",
    ),
    ("likes", "dislike"): (
        "I don't like {a} any more.", "I've lost all interest in {a}.", "I quit {a}, it's no fun any more.",
    ),
    ("trip", "plan"): (
        "I'm going on a trip to {key} {a}.", "I've booked a trip to {key}! I leave {a}.",
        "I plan to travel to {key} {a}.", "I will take a trip to {key} {a}.",
    ),
    ("trip", "shift"): (
        "My trip to {key} has been moved: I'll go {a}.", "I had to change the date: I will travel to {key} {a}.",
        "The trip to {key} will be {a} instead.",
    ),
    ("trip", "cancel"): (
        "I cancelled my trip to {key}.", "My trip to {key} is off.", "I won't travel to {key} after all.",
    ),
    ("trip", "done"): (
        "I was in {key} {a}, what a trip!", "My trip to {key} {a} was lovely.", "I made that trip to {key} {a}.",
    ),
    ("trip", "correct"): (
        "Actually, my trip to {key} was {a}, not {b}.", "I mixed up the days: I was in {key} {a}, not {b}.",
    ),
    ("thing", "buy"): (
        "I bought a {key} {a}.", "I finally own a {key}! I bought it {a}.", "{a} I treated myself to a {key}.",
    ),
    ("thing", "own"): (
        "I have a {key}, you know.", "My {key} is still as good as new.", "I've been using my {key} a lot.",
    ),
    ("thing", "drop"): (
        "I sold my {key}.", "My {key} was stolen.", "I gave my {key} away.", "I lost my {key} for good.",
    ),
    ("relation", "is"): (
        "My {key} is called {a}.", "You should meet my {key} {a}.", "{a} is my {key}.", "My {key}'s name is {a}.",
    ),
}  # fmt: skip
"""What one says of oneself."""

OTHER: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("home", "settle"): ("{who} lives in {a}.", "The home of {who} is in {a}.", "{who} is based in {a}."),
    ("home", "move"): ("{who} moved to {a} {b}.", "{b} {who} moved to {a}.", "{who} found a home in {a} {b}."),
    ("home", "correct"): ("Actually, {who} lives in {a}, not in {b}.", "I was wrong: {who} lives in {a}, not {b}."),
    ("home", "recall"): ("{who} used to live in {a}.", "I often visited {who} back then in {a}."),
    ("job", "settle"): ("{who} works as a {a}.", "{who} is a {a}.", "{who} earns a living as a {a}."),
    ("job", "move"): ("{who} started to work as a {a} {b}.", "{who} became a {a} {b}.", "{b} {who} began as a {a}."),
    ("job", "correct"): ("Actually, {who} works as a {a}, not as a {b}.", "No, {who} is a {a}, not a {b}."),
    ("job", "recall"): ("{who} used to work as a {a}.", "{who} was a {a} back then."),
    ("pets", "gain"): ("{who} adopted a {a} named {b}.", "{who} has a new {a}. It's called {b}."),
    ("pets", "have"): ("I fed {b}, the {a} of {who}.", "{who} sent me a photo of {b}, the {a}."),
    ("pets", "lose"): ("{b}, the {a} of {who}, died.", "{who} had to give the {a} {b} away."),
    ("pets", "rename"): ("Actually, the {a} of {who} is called {b}, not {c}.",),
}  # fmt: skip
"""What one says of somebody else."""

ASKED: Mapping[str, tuple[str, ...]] = {
    "home": ("Where do you live these days?", "So where is home for you now?"),
    "job": ("What do you do for a living?", "How is work?"),
    "pets": ("How are your animals?", "Any news from your pets?"),
    "likes": ("What do you do for fun these days?", "What are you into at the moment?"),
    "trip": ("Any travel plans?", "What about your trips?"),
    "thing": ("Did you go shopping?", "Do you have anything new at home?"),
    "relation": ("Who are you spending time with?", "Tell me about your people."),
}
"""What one asks the other, by the topic that the other then tells of."""


def say(event: Event, who: str, said: date, chance: Chance) -> str:
    """A sentence that tells `event` on the day `said`. `who`: the person it is about, "" for the speaker."""
    choices = (OTHER if who else OWN)[event.slot.topic, event.kind]
    args = [say_day(arg, said, chance) if arg[:1].isdigit() else arg for arg in event.args]
    if event.kind == "correct" and event.slot.topic == "trip":
        args = list(_contrasted(event.args, said))
    text = chance.pick(choices).format(who=who, key=event.slot.key, **dict(zip("abc", args, strict=False)))
    return text[0].upper() + text[1:]


def say_day(iso: str, said: date, chance: Chance) -> str:
    """The day `iso` as one says it on the day `said`, without any doubt which day is meant."""
    day = date.fromisoformat(iso)
    return chance.pick([*_counted(day, said), *_named(day, said), _absolute(day, said)])


def _counted(day: date, said: date) -> list[str]:
    ahead = (day - said).days
    near = {0: "today", 1: "tomorrow", -1: "yesterday", 2: "the day after tomorrow", -2: "the day before yesterday"}
    if ahead in near:
        return [near[ahead]]
    return [f"in {COUNTS[ahead]} days" if ahead > 0 else f"{COUNTS[-ahead]} days ago"] if abs(ahead) < 7 else []


def _named(day: date, said: date) -> list[str]:
    """By its weekday, where every reading of "last" and "next" means the same day: in the week before or after."""
    week = (day - timedelta(day.weekday()) - said + timedelta(said.weekday())).days // 7
    if abs(week) != 1 or abs((day - said).days) >= 7:
        return []
    return [f"{'next' if week > 0 else 'last'} {DAYS[day.weekday()]}"]


def _absolute(day: date, said: date) -> str:
    text = f"on {day.day} {MONTHS[day.month - 1]}"
    return text if day <= said and day.year == said.year else f"{text} {day.year}"


def _contrasted(days: tuple[str, ...], said: date) -> tuple[str, ...]:
    """The right day and the wrong one in one way: by their weekdays if both lie in the last six days."""
    found = [date.fromisoformat(day) for day in days]
    if all(0 < (said - day).days < 7 for day in found):
        return tuple(f"on {DAYS[day.weekday()]}" for day in found)
    return tuple(f"on {day.day} {MONTHS[day.month - 1]} {day.year}" for day in found)
