"""The two plain forms of what is known, each written and read without loss: facts and memories.

A fact states an event: "Ann has a new pet: a dog named Rex." A memory states a slot's whole state: "Ann has two pets: a
dog named Rex and a cat named Tom." What is read may be either, since a manager may store a fact as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache

from memory_r1.memory.days import MONTHS, say
from memory_r1.rl.world.events import DONE, PLANNED, Entry, Event, Slot, State, after

COUNTS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
"""Numbers as answers and memories give them."""

_PLACE = re.compile(r"\{(\w+):(\w+)\}")
_KINDS = {"name": r"[A-Z][a-z]+", "words": r"[a-z]+(?: [a-z]+)*", "day": r"\d{1,2} [A-Z][a-z]+ \d{4}", "rest": r".+"}


class Form:
    """A sentence with places for values: "{person:name} moved to {a:name} on {b:day}."

    A place has a label and says what stands there: a "name", "words", a "day" or the "rest". Values are texts; a day is
    ISO 8601 outside the sentence. Only a text that is of this form to the letter can be read.
    """

    def __init__(self, template: str) -> None:
        kinds = dict(_PLACE.findall(template))
        self.labels = tuple(kinds)
        self._days = {label for label, kind in kinds.items() if kind == "day"}
        self._blank = _PLACE.sub(r"{\1}", template)
        literals = [re.escape(part) for part in _PLACE.split(template)[::3]]
        places = [f"(?P<{label}>{_KINDS[kind]})" for label, kind in kinds.items()]
        self._pattern = re.compile("".join(part for pair in zip(literals, [*places, ""], strict=True) for part in pair))

    def write(self, **values: str) -> str:
        """The sentence with these values."""
        return self._blank.format(**{key: say(value) if key in self._days else value for key, value in values.items()})

    def read(self, text: str) -> dict[str, str] | None:
        """The values by label, or None when `text` isn't of this form."""
        match = self._pattern.fullmatch(text)
        if match is None:
            return None
        values = {label: iso(value) if label in self._days else value for label, value in match.groupdict().items()}
        return values if all(values.values()) else None


def iso(day: str) -> str:
    """The ISO 8601 form of "7 May 2023", "" when that is no day."""
    number, month, year = day.split(" ")
    try:
        return date(int(year), MONTHS.index(month) + 1, int(number)).isoformat()
    except ValueError:
        return ""


FACTS: Mapping[tuple[str, str], Form] = {
    ("home", "settle"): Form("{person:name} lives in {a:name}."),
    ("home", "move"): Form("{person:name} moved to live in {a:name} on {b:day}."),
    ("home", "correct"): Form("{person:name} lives in {a:name}, not in {b:name}."),
    ("home", "recall"): Form("{person:name} used to live in {a:name}."),
    ("job", "settle"): Form("{person:name} works as a {a:words}."),
    ("job", "move"): Form("{person:name} started to work as a {a:words} on {b:day}."),
    ("job", "correct"): Form("{person:name} works as a {a:words}, not as a {b:words}."),
    ("job", "recall"): Form("{person:name} used to work as a {a:words}."),
    ("pets", "gain"): Form("{person:name} has a new pet: a {a:words} named {b:name}."),
    ("pets", "have"): Form("{person:name} has a pet: a {a:words} named {b:name}."),
    ("pets", "lose"): Form("{person:name} no longer has a pet: a {a:words} named {b:name}."),
    ("pets", "rename"): Form("{person:name} has a pet: a {a:words} named {b:name}, not {c:name}."),
    ("likes", "like"): Form("{person:name} likes {a:words}."),
    ("likes", "dislike"): Form("{person:name} no longer likes {a:words}."),
    ("trip", "plan"): Form("{person:name} plans a trip to {key:name} on {a:day}."),
    ("trip", "shift"): Form("{person:name} moved the trip to {key:name} to {a:day}."),
    ("trip", "cancel"): Form("{person:name} cancelled the trip to {key:name}."),
    ("trip", "done"): Form("{person:name} made a trip to {key:name} on {a:day}."),
    ("trip", "correct"): Form("{person:name} made a trip to {key:name} on {a:day}, not on {b:day}."),
    ("thing", "buy"): Form("{person:name} bought a {key:words} on {a:day}."),
    ("thing", "own"): Form("{person:name} owns a {key:words}."),
    ("thing", "drop"): Form("{person:name} no longer owns a {key:words}."),
    ("relation", "is"): Form("{person:name}'s {key:words} is {a:name}."),
    ("passing", "remark"): Form("{person:name} {a:rest}."),
}
"""How each event is stated, by topic and kind. The last one reads whatever begins with a name."""

_STATES: Mapping[str, Form] = {
    "home": Form("{person:name} lives in {list:rest}."),
    "job": Form("{person:name} works as a {list:rest}."),
    "pets": Form("{person:name} has {count:words}: {list:rest}."),
    "likes": Form("{person:name} likes {list:rest}."),
    "bought": Form("{person:name} owns a {key:words}, bought on {a:day}."),
    "shifted": Form("{person:name} plans a trip to {key:name} on {a:day}, first planned for {b:day}."),
}
_ENTRIES: Mapping[str, tuple[Form, ...]] = {
    "home": (Form("{a:name} (since {b:day})"), Form("{a:name}")),
    "job": (Form("{a:words} (since {b:day})"), Form("{a:words}")),
    "pets": (Form("a {a:words} named {b:name}"),),
    "likes": (Form("{a:words}"),),
}
_BEFORE = {"home": ", before that in ", "job": ", before that as a "}


def write_event(event: Event) -> str:
    """The fact that states `event`."""
    slot = event.slot
    values = dict(zip("abc", event.args, strict=False))
    return FACTS[slot.topic, event.kind].write(person=slot.person, **({"key": slot.key} if slot.key else {}), **values)


@lru_cache(maxsize=1 << 14)
def read_event(text: str) -> Event | None:
    """The event that a fact states, None for a text of no such form."""
    for (topic, kind), form in FACTS.items():
        values = form.read(text)
        if values is not None:
            person, key = values.pop("person"), values.pop("key", "")
            return Event(Slot(person, topic, key), kind, tuple(values.values()))
    return None


def write_state(slot: Slot, state: State) -> str:
    """The memory of `slot` that states all of `state`, which isn't ()."""
    person, key = slot.person, slot.key
    if slot.topic in _ENTRIES:
        entries = [_write_entry(slot.topic, entry) for entry in state]
        if slot.topic in _BEFORE:
            return _STATES[slot.topic].write(person=person, list=_BEFORE[slot.topic].join(entries))
        count = f"{COUNTS[len(state)]} pet{'s' * (len(state) > 1)}" if slot.topic == "pets" else ""
        return _STATES[slot.topic].write(person=person, list=listed(entries), count=count)
    (entry,) = state
    if slot.topic == "relation":
        return FACTS["relation", "is"].write(person=person, key=key, a=entry[0])
    if slot.topic == "thing":
        return (_STATES["bought"] if entry[0] else FACTS["thing", "own"]).write(person=person, key=key, a=entry[0])
    if entry[0] == DONE or not entry[2]:
        return FACTS["trip", "done" if entry[0] == DONE else "plan"].write(person=person, key=key, a=entry[1])
    return _STATES["shifted"].write(person=person, key=key, a=entry[1], b=entry[2])


@lru_cache(maxsize=1 << 14)
def read_state(text: str) -> tuple[Slot, State] | None:
    """What a memory states, be it written by `write_state` or a fact stored as it stands; None if it states nothing."""
    for topic, form in _STATES.items():
        values = form.read(text)
        found = _read_state(topic, values) if values else None
        if found is not None:
            return found
    event = read_event(text)
    state = after((), event) if event is not None else ()
    return (event.slot, state) if event is not None and state else None


def listed(parts: Sequence[str]) -> str:
    """The parts as a list in a sentence: "a", "a and b", "a, b and c"; "none" for nothing."""
    if not parts:
        return COUNTS[0]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _read_state(topic: str, values: Mapping[str, str]) -> tuple[Slot, State] | None:
    person = values["person"]
    if topic == "bought":
        return Slot(person, "thing", values["key"]), ((values["a"],),)
    if topic == "shifted":
        return Slot(person, "trip", values["key"]), ((PLANNED, values["a"], values["b"]),)
    before = _BEFORE.get(topic)
    parts = values["list"].split(before) if before else re.split(", | and ", values["list"])
    entries = [_read_entry(topic, part) for part in parts]
    return (Slot(person, topic), tuple(entry for entry in entries if entry)) if all(entries) else None


def _write_entry(topic: str, entry: Entry) -> str:
    forms = _ENTRIES[topic]
    form = forms[-1] if entry[-1] == "" else forms[0]
    return form.write(**dict(zip(form.labels, entry, strict=False)))


def _read_entry(topic: str, text: str) -> Entry | None:
    for form in _ENTRIES[topic]:
        values = form.read(text)
        if values is not None:
            return (values["a"], values.get("b", "")) if topic in _BEFORE else tuple(values.values())
    return None
