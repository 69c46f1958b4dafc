"""The questions about a world at one moment, their gold answers and their evidence, all from its log.

Together they tell states apart: where a bank states anything else of any slot, one of them comes out wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from memory_r1.rl.tasks.check import REFUSAL
from memory_r1.rl.tasks.types import Question
from memory_r1.rl.world.chance import Chance
from memory_r1.rl.world.events import PLANNED, Event, Slot, State, after
from memory_r1.rl.world.known import Asking, Known, answer
from memory_r1.rl.world.life import Told

UNTOLD = 4
"""So many questions about what was never told, at most."""

Log = Sequence[Told]


def replay(log: Iterable[Told]) -> dict[Slot, State]:
    """What is true after all events of `log`, by slot; () for what has ended."""
    states: dict[Slot, State] = {}
    for told in log:
        states[told.event.slot] = after(states.get(told.event.slot, ()), told.event)
    return states


def known_of(states: Mapping[Slot, State]) -> Known:
    """`states` as something that questions can be asked of."""
    return Known(_held(states))


def _held(states: Mapping[Slot, State]) -> dict[Slot, tuple[State]]:
    """`states` as `Known` takes them: one for each slot."""
    return {slot: (state,) for slot, state in states.items()}


def questions(log: Log, asked: datetime, chance: Chance, prefix: str) -> tuple[Question, ...]:
    """All questions about what is true after `log`, in any order, put in any of their ways; ids begin with `prefix`.

    `evidence`: see `gold_of`. Questions of the category "adversarial" ask what was never told, and have none.
    """
    states = replay(log)
    found: list[Question] = []
    for asking in chance.shuffled(list(dict.fromkeys(_askings(log, states)))):
        text, (gold, evidence) = asking.put(chance.below(6)), gold_of(asking, log, states)
        if gold != REFUSAL:
            found.append(Question(f"{prefix}q{len(found) + 1}", text, gold, asking.category, evidence, asked))
    for asking in chance.shuffled(list(_untold(log, states)))[:UNTOLD]:
        text, id = asking.put(chance.below(6)), f"{prefix}q{len(found) + 1}"
        found.append(Question(id, text, REFUSAL, "adversarial", (), asked, unanswerable=True, apart=True))
    return tuple(found)


def gold_of(asking: Asking, log: Log, states: Mapping[Slot, State]) -> tuple[str, tuple[str, ...]]:
    """The gold answer where `states` hold, which `log` led to, and the ids of the turns that are its evidence.

    Evidence is a turn without which the answer would be another. Where a turn and its correction would each do alone,
    it is the first of them; where no single turn is needed, all that told of it.
    """
    held = _held(states)
    known = Known(held)
    gold = answer(asking, known)
    mine = [told for told in log if told.event.slot in known.seen]

    def changes(*left_out: Told) -> bool:
        return answer(asking, Known({**held, **_without(left_out, mine)})) != gold

    needed: list[str] = []
    for told in mine:
        mended = next((later for later in mine if _mends(later.event, told.event)), None)
        if changes(told) or (mended is not None and changes(told, mended) and not changes(mended)):
            needed.append(told.turn)
    return gold, tuple(dict.fromkeys(needed or [told.turn for told in mine]))


def _mends(later: Event, event: Event) -> bool:
    """Whether `later` corrects what `event` told."""
    wrong = later.args[-1:] if later.kind in ("correct", "rename") else ()
    return later.slot == event.slot and bool(wrong) and wrong[0] in event.args


def _without(left_out: Log, log: Log) -> dict[Slot, tuple[State]]:
    """What would be true of these events' slot, had they not been told."""
    slot = left_out[0].event.slot
    rest = [told for told in log if told.event.slot == slot and told not in left_out]
    return {slot: (replay(rest).get(slot, ()),)}


# --- what can be asked --------------------------------------------------------------------------------------


def _askings(log: Log, states: Mapping[Slot, State]) -> Iterator[Asking]:
    """What can be asked of all that was told, ended or not."""
    for slot, state in states.items():
        events = [told.event for told in log if told.event.slot == slot]
        match slot.topic:
            case "home" | "job":
                yield from _of_course(slot, state)
            case "pets":
                names = [event.args[1] for event in events if event.kind == "gain"]
                yield from _of_pets(slot, state, names)
            case "likes":
                yield Asking("likes", (slot.person,))
                yield from (Asking("like-still", (slot.person, event.args[0])) for event in events)
            case "trip":
                yield from _of_trip(slot, state)
            case "thing":
                yield from _of_thing(slot, state)
            case _:
                yield from _of_relation(slot, state, states)


def _of_course(slot: Slot, state: State) -> Iterator[Asking]:
    topic, person = slot.topic, slot.person
    yield Asking(topic, (person,))
    yield Asking(f"{topic}s-count", (person,))
    yield from (Asking(f"{topic}-before", (person, later)) for later, _ in state[:-1])
    yield from (Asking(f"{topic}-since", (person, value)) for value, day in state if day)


def _of_pets(slot: Slot, state: State, names: Sequence[str]) -> Iterator[Asking]:
    yield Asking("pets", (slot.person,))
    yield Asking("pets-count", (slot.person,))
    yield from (Asking("pet-still", (slot.person, name)) for name in names)
    kinds = [kind for kind, _ in state]
    for kind, name in state:
        yield Asking("pet-kind", (slot.person, name))
        if kinds.count(kind) == 1:
            yield Asking("pet-name", (slot.person, kind))
    if state:
        yield from (Asking(f"owner-{topic}", (state[0][1],)) for topic in ("home", "job"))


def _of_trip(slot: Slot, state: State) -> Iterator[Asking]:
    yield from (Asking(kind, (slot.person,)) for kind in ("trips", "trips-count"))
    yield Asking("trip-still", (slot.person, slot.key))
    if state:
        yield Asking("trip-day", (slot.person, slot.key))
        if state[0][0] == PLANNED and state[0][2]:
            yield Asking("trip-first", (slot.person, slot.key))


def _of_thing(slot: Slot, state: State) -> Iterator[Asking]:
    yield from (Asking(kind, (slot.person,)) for kind in ("things", "things-count"))
    yield Asking("thing-still", (slot.person, slot.key))
    if state and state[0][0]:
        yield Asking("thing-day", (slot.person, slot.key))


def _of_relation(slot: Slot, state: State, states: Mapping[Slot, State]) -> Iterator[Asking]:
    yield Asking("relation", (slot.person, slot.key))
    for topic in ("home", "job", "pets"):
        if state and states.get(Slot(state[0][0], topic)):
            yield Asking(f"relation-{topic}", (slot.person, slot.key))


def _untold(log: Log, states: Mapping[Slot, State]) -> Iterator[Asking]:
    """What might be asked of the people told of, and was never told."""
    people = dict.fromkeys(told.speaker for told in log) | dict.fromkeys(slot.person for slot in states)
    for person in people:
        askings = [Asking(topic, (person,)) for topic in ("home", "job") if Slot(person, topic) not in states]
        askings += [Asking("relation", (person, key)) for key in ("sister", "brother", "cousin")]
        for slot, state in states.items():
            if slot.person == person and slot.topic == "pets":
                askings += [Asking("pet-name", (person, "horse"))]
            if slot.person == person and slot.topic in ("home", "job") and state and not state[-1][1]:
                askings += [Asking(f"{slot.topic}-since", (person, state[-1][0]))]
        yield from (asking for asking in askings if answer(asking, known_of(states)) == REFUSAL)
