"""What can be true in the world, and what can happen to it.

    Slot    what a memory is about: a person, a topic, and which trip, thing or relation of theirs
    State   what is true of a slot, as entries; () for nothing: the bank then holds no memory of it
    Event   what a turn tells about a slot; `after` is what it makes of a state

| topic | key | entries |
|---|---|---|
| home, job | | (town or job, day since or ""), the present one first, then those before it |
| pets | | (kind, name), in the order in which they came |
| likes | | (activity,), in the order in which they were told |
| trip | town | one: (PLANNED or DONE, day, day first planned or "") |
| thing | what | one: (day bought or "",) |
| relation | kind | one: (name,) |
| passing | | none ever: what is said in passing is not worth a memory |

Days are ISO 8601. `after` is total: it has a result for every event on every state, also on one that a wrong operation
left, where the event alone could not have happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Entry = tuple[str, ...]
State = tuple[Entry, ...]

PLANNED, DONE = "planned", "done"


@dataclass(frozen=True, slots=True)
class Slot:
    """What a memory is about. `key`: which trip (its town), thing or relation; "" for topics that have one slot."""

    person: str
    topic: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """What a turn tells about `slot`. `kind`: a key of `AFTER` with the topic; `args`: names, words and days."""

    slot: Slot
    kind: str
    args: tuple[str, ...] = ()


def after(state: State, event: Event) -> State:
    """What `event` makes of `state`: `state` itself when it tells nothing new."""
    return AFTER[event.slot.topic, event.kind](state, *event.args)


def _settle(state: State, place: str) -> State:
    return state if state and state[0][0] == place else ((place, ""), *state)


def _move(state: State, place: str, day: str) -> State:
    return ((place, day), *(state[1:] if state and state[0][0] == place else state))


def _correct(state: State, place: str, wrong: str) -> State:
    if state and state[0][0] == wrong:
        return ((place, state[0][1]), *state[1:])
    return _settle(state, place)


def _keep(state: State, *_: str) -> State:
    return state


def _gain(state: State, *entry: str) -> State:
    return state if entry in state else (*state, entry)


def _lose(state: State, *entry: str) -> State:
    return tuple(one for one in state if one != entry)


def _rename(state: State, kind: str, name: str, wrong: str) -> State:
    if (kind, wrong) in state:
        return tuple((kind, name) if one == (kind, wrong) else one for one in state)
    return _gain(state, kind, name)


def _plan(state: State, day: str) -> State:
    return state if state and state[0][:2] == (PLANNED, day) else ((PLANNED, day, ""),)


def _shift(state: State, day: str) -> State:
    if not state or state[0][0] != PLANNED:
        return ((PLANNED, day, ""),)
    return state if state[0][1] == day else ((PLANNED, day, state[0][2] or state[0][1]),)


def _done(_: State, day: str, *wrong: str) -> State:
    return ((DONE, day, ""),)


def _buy(_: State, day: str) -> State:
    return ((day,),)


def _own(state: State) -> State:
    return state or (("",),)


def _end(_: State, *__: str) -> State:
    return ()


def _is(_: State, name: str) -> State:
    return ((name,),)


AFTER: Mapping[tuple[str, str], Callable[..., State]] = {
    ("home", "settle"): _settle,
    ("home", "move"): _move,
    ("home", "correct"): _correct,
    ("home", "recall"): _keep,
    ("job", "settle"): _settle,
    ("job", "move"): _move,
    ("job", "correct"): _correct,
    ("job", "recall"): _keep,
    ("pets", "gain"): _gain,
    ("pets", "have"): _gain,
    ("pets", "lose"): _lose,
    ("pets", "rename"): _rename,
    ("likes", "like"): _gain,
    ("likes", "dislike"): _lose,
    ("trip", "plan"): _plan,
    ("trip", "shift"): _shift,
    ("trip", "cancel"): _end,
    ("trip", "done"): _done,
    ("trip", "correct"): _done,
    ("thing", "buy"): _buy,
    ("thing", "own"): _own,
    ("thing", "drop"): _end,
    ("relation", "is"): _is,
    ("passing", "remark"): _keep,
}
"""By topic and kind of event: the state before and the event's arguments in, the state after it out."""
