"""What may happen next: events that fit what is true, so that each changes it, or is known to change nothing.

A life has its measure (`MOST`), so that a bank never holds more memories of one speaker's than the 30 that an answerer
is shown of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta

from memory_r1.rl.world.events import PLANNED, Event, Slot, State
from memory_r1.rl.world.lexicon import ACTIVITIES, COLOURS, JOBS, PASSING, PETS, RELATIONS, THINGS
from memory_r1.rl.world.life import Life

MOST = {"home": 4, "job": 4, "pets": 3, "likes": 4, "trip": 6, "thing": 4, "relation": 2}
"""So many homes and jobs of a person in all, and so many pets, activities, trips, things and relations at a time."""
SHARED = ("home", "job", "pets")
"""The topics in which one tells of others, too."""
MODES: Mapping[str, float] = {
    "new": 0.28, "extend": 0.11, "change": 0.16, "correct": 0.11, "remove": 0.13, "repeat": 0.12, "passing": 0.09
}  # fmt: skip
"""How often each sort of event is tried; one that doesn't fit gives way to another."""

Choice = tuple[Slot, str]
"""What may be told: of which slot (one without its key where that is still to be drawn), which kind of event."""

_FIRST = {"home": "settle", "job": "settle", "pets": "gain", "likes": "like", "trip": "plan", "thing": "buy"}
_MORE = {"pets": "gain", "likes": "like"}
_CHANGES = {"home": "move", "job": "move"}
_ENDS = {"pets": "lose", "likes": "dislike", "thing": "drop"}
_REPEATS = {"home": "settle", "job": "settle", "pets": "have", "likes": "again", "thing": "own", "relation": "is"}
_CORRECTIONS = {
    ("home", "settle"): "correct", ("home", "move"): "correct", ("job", "settle"): "correct",
    ("job", "move"): "correct", ("pets", "gain"): "rename", ("trip", "done"): "correct",
}  # fmt: skip


def propose(life: Life, speaker: str) -> Event:
    """Something that `speaker` can tell now."""
    if due := life.due(speaker):
        return due
    for _ in range(5):
        mode = life.chance.weighted(MODES)
        choices = list(_CHOICES[mode](life, speaker))
        if choices and (event := _made(life, *life.chance.pick(choices))):
            return event
    return _passing(life, Slot(speaker, "passing"))


def propose_news(life: Life, speaker: str) -> Event | None:
    """Something new that `speaker` can tell of themselves when asked; None when nothing is new."""
    choices = [choice for choice in _new(life, speaker) if choice[0].person == speaker]
    return _made(life, *life.chance.pick(choices)) if choices else None


# --- what there is to choose from ---------------------------------------------------------------------------


def _new(life: Life, speaker: str) -> Iterator[Choice]:
    for person, teller in life.tellers.items():
        for topic in SHARED if teller == speaker else ():
            if not life.state(Slot(person, topic)) and Slot(person, topic) not in life.changed:
                yield Slot(person, topic), _FIRST[topic]
    if not life.state(Slot(speaker, "likes")) and Slot(speaker, "likes") not in life.changed:
        yield Slot(speaker, "likes"), "like"
    for topic in ("trip", "thing"):
        if len(life.live(speaker, topic)) < MOST[topic]:
            yield Slot(speaker, topic), _FIRST[topic]
    if len(life.live(speaker, "relation")) < MOST["relation"]:
        yield Slot(speaker, "relation"), "is"


def _extend(life: Life, speaker: str) -> Iterator[Choice]:
    return ((s, _MORE[s.topic]) for s, state in life.settled(speaker) if s.topic in _MORE and _room(s, state))


def _change(life: Life, speaker: str) -> Iterator[Choice]:
    for slot, state in life.settled(speaker):
        if slot.topic in _CHANGES and _room(slot, state):
            yield slot, "move"
        elif slot.topic == "trip" and state[0][0] == PLANNED:
            yield slot, "shift"


def _correct(life: Life, speaker: str) -> Iterator[Choice]:
    """What the speaker told last, if it was in this session and can be told wrongly."""
    mine = [told for told in life.log if told.speaker == speaker]
    if mine and mine[-1].session == life.session:
        event = mine[-1].event
        if (event.slot.topic, event.kind) in _CORRECTIONS:
            yield event.slot, _CORRECTIONS[event.slot.topic, event.kind]


def _remove(life: Life, speaker: str) -> Iterator[Choice]:
    for slot, state in life.settled(speaker):
        if slot.topic in _ENDS:
            yield slot, _ENDS[slot.topic]
        elif slot.topic == "trip" and state[0][0] == PLANNED:
            yield slot, "cancel"


def _repeat(life: Life, speaker: str) -> Iterator[Choice]:
    for slot, state in life.settled(speaker):
        if slot.topic in _REPEATS:
            yield slot, _REPEATS[slot.topic]
        elif state[0][0] == PLANNED:
            yield slot, "plan"
        if slot.topic in _CHANGES and len(state) > 1:
            yield slot, "recall"


def _in_passing(_: Life, speaker: str) -> Iterator[Choice]:
    yield Slot(speaker, "passing"), "remark"


_CHOICES: Mapping[str, Callable[[Life, str], Iterator[Choice]]] = {
    "new": _new, "extend": _extend, "change": _change, "correct": _correct, "remove": _remove, "repeat": _repeat,
    "passing": _in_passing,
}  # fmt: skip


def _room(slot: Slot, state: State) -> bool:
    return len(state) < MOST[slot.topic]


# --- the event, with what it needs --------------------------------------------------------------------------


def _made(life: Life, slot: Slot, kind: str) -> Event | None:
    """The event, or None when no name or word is left for it."""
    return _MAKERS[slot.topic](life, slot, kind)


def _home(life: Life, slot: Slot, kind: str) -> Event | None:
    state = life.state(slot)
    if kind == "recall":
        return Event(slot, kind, (life.chance.pick(state[1:])[0],))
    if kind == "settle" and state:
        return Event(slot, kind, state[0][:1])
    new = life.names.town() if slot.topic == "home" else _word(life, JOBS, state)
    rest = {"move": lambda: (life.past(),), "correct": lambda: (state[0][0],), "settle": tuple}[kind]()
    return Event(slot, kind, (new, *rest)) if new else None


def _pets(life: Life, slot: Slot, kind: str) -> Event | None:
    state = life.state(slot)
    if kind in ("lose", "have"):
        return Event(slot, kind, life.chance.pick(state))
    name = life.names.name()
    if not name:
        return None
    if kind == "rename":
        return Event(slot, kind, (state[-1][0], name, state[-1][1]))
    return Event(slot, kind, (life.chance.pick(PETS), name))


def _likes(life: Life, slot: Slot, kind: str) -> Event | None:
    state = life.state(slot)
    if kind == "like":
        return Event(slot, kind, (_word(life, ACTIVITIES, state),))
    return Event(slot, "like" if kind == "again" else kind, life.chance.pick(state))


def _trip(life: Life, slot: Slot, kind: str) -> Event | None:
    if not slot.key:
        town = life.names.town()
        return Event(Slot(slot.person, "trip", town), "plan", (life.ahead(),)) if town else None
    day = life.state(slot)[0][1]
    if kind == "correct":
        return Event(slot, kind, (_other_day(life, day), day))
    if kind == "shift":
        new = life.ahead()
        return Event(slot, kind, (new,)) if new != day else None
    return Event(slot, kind, (day,) if kind == "plan" else ())


def _other_day(life: Life, day: str) -> str:
    """A day near `day`, before today."""
    wrong = date.fromisoformat(day)
    near = [wrong + timedelta(by) for by in (-2, -1, 1, 2)]
    return life.chance.pick([other for other in near if other < life.today]).isoformat()


def _thing(life: Life, slot: Slot, kind: str) -> Event | None:
    if slot.key:
        return Event(slot, kind)
    had = {
        known.key.split(" ", 1)[1] for known in life.states if known.topic == "thing" and known.person == slot.person
    }
    left = [thing for thing in THINGS if thing not in had]
    if not left:
        return None
    key = f"{life.chance.pick(COLOURS)} {life.chance.pick(left)}"
    return Event(Slot(slot.person, "thing", key), "buy", (life.past(),))


def _relation(life: Life, slot: Slot, kind: str) -> Event | None:
    if slot.key:
        return Event(slot, kind, life.state(slot)[0])
    had = {known.key for known, _ in life.live(slot.person, "relation")}
    name = life.names.name()
    key = life.chance.pick([relation for relation in RELATIONS if relation not in had])
    return Event(Slot(slot.person, "relation", key), "is", (name,)) if name else None


def _passing(life: Life, slot: Slot, _: str = "") -> Event:
    return Event(slot, "remark", (life.chance.pick(PASSING)[1],))


_MAKERS: Mapping[str, Callable[[Life, Slot, str], Event | None]] = {
    "home": _home, "job": _home, "pets": _pets, "likes": _likes, "trip": _trip, "thing": _thing,
    "relation": _relation, "passing": _passing,
}  # fmt: skip


def _word(life: Life, choices: tuple[str, ...], state: State) -> str:
    """One of `choices` that `state` doesn't have."""
    return life.chance.pick([choice for choice in choices if choice not in [entry[0] for entry in state]])
