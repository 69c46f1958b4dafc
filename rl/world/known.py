"""What can be asked of the world, and the answer that follows from what is known of it.

The gold answer follows from the world's own states, an answerer's from what its memories state: by the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from memory_r1.memory.days import say
from memory_r1.rl.tasks.check import REFUSAL
from memory_r1.rl.world.events import PLANNED, Slot, State
from memory_r1.rl.world.language import COUNTS, Form, listed

CATEGORIES: tuple[str, ...] = ("present", "past", "date", "count", "still", "two-hop", "adversarial")
"""The kinds of question: what holds now, what held before, on which day, how many, whether it still holds, what follows
from two memories, and what was never told."""

YES, NO = "Yes", "No"


class Known:
    """What is known of each slot: the states that memories give it, which disagree when the bank is wrong.

    `seen`: the slots that answers have looked at.
    """

    def __init__(self, states: Mapping[Slot, Sequence[State]]) -> None:
        self._states = states
        self.seen: set[Slot] = set()

    def of(self, person: str, topic: str, key: str = "") -> list[State]:
        """The states of one slot: one of them where all is well, () where nothing is known."""
        slot = Slot(person, topic, key)
        self.seen.add(slot)
        return self._held(slot) or [()]

    def keys(self, person: str, topic: str, holds: Callable[[State], bool] = bool) -> list[str]:
        """The keys of a person's slots of `topic` with a state that `holds`, in alphabetical order."""
        found = [slot for slot in self._states if slot.person == person and slot.topic == topic]
        self.seen.update(found)
        return sorted(slot.key for slot in found if any(map(holds, self._held(slot))))

    def owners(self, pet: str) -> list[str]:
        """The people who have a pet of that name."""
        found = [slot for slot in self._states if slot.topic == "pets"]
        self.seen.update(found)
        return sorted(s.person for s in found if any(name == pet for one in self._held(s) for _, name in one))

    def _held(self, slot: Slot) -> list[State]:
        return [state for state in self._states.get(slot, ()) if state]


Answers = Iterator[str]
"""Every answer that what is known gives: one, where it doesn't contradict itself."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question: its category, how it is put, and the answers. The forms' values are the arguments."""

    category: str
    forms: tuple[Form, ...]
    answers: Callable[..., Answers]


@dataclass(frozen=True, slots=True)
class Asking:
    """What a question wants to know: a key of `KINDS`, and the values of its forms in their order."""

    kind: str
    values: tuple[str, ...]

    @property
    def category(self) -> str:
        """One of `CATEGORIES`."""
        return KINDS[self.kind].category

    def put(self, way: int) -> str:
        """The question as a text, in one of the ways there are."""
        forms = KINDS[self.kind].forms
        form = forms[way % len(forms)]
        return form.write(**dict(zip(form.labels, self.values, strict=True)))


def answer(asking: Asking, known: Known) -> str:
    """The answer; all of them, with "or" between, where what is known contradicts itself."""
    return " or ".join(dict.fromkeys(KINDS[asking.kind].answers(known, *asking.values)))


def read_question(text: str) -> Asking | None:
    """What a question wants to know, None for one that is none of ours."""
    for kind, one in KINDS.items():
        for form in one.forms:
            if values := form.read(text):
                return Asking(kind, tuple(values.values()))
    return None


def _number(count: int) -> str:
    return COUNTS[count] if count < len(COUNTS) else str(count)


def _yes(holds: bool) -> str:
    return YES if holds else NO


# --- the answers --------------------------------------------------------------------------------------------


def _now(topic: str) -> Callable[..., Answers]:
    """The first entry's first value: the town, the job, the name."""
    return lambda known, person, key="": (s[0][0] if s else REFUSAL for s in known.of(person, topic, key))


def _before(topic: str) -> Callable[..., Answers]:
    """What came before this town or job."""

    def answers(known: Known, person: str, later: str) -> Answers:
        for state in known.of(person, topic):
            values = [entry[0] for entry in state]
            at = values.index(later) + 1 if later in values else len(values)
            yield values[at] if at < len(values) else REFUSAL

    return answers


def _since(topic: str) -> Callable[..., Answers]:
    """The day since when the person has this home or job."""

    def answers(known: Known, person: str, value: str) -> Answers:
        for state in known.of(person, topic):
            yield say(next((day for one, day in state if one == value), "")) or REFUSAL

    return answers


def _length(topic: str) -> Callable[..., Answers]:
    return lambda known, person: (_number(len(state)) for state in known.of(person, topic))


def _list(topic: str, at: int) -> Callable[..., Answers]:
    return lambda known, person: (listed([entry[at] for entry in state]) for state in known.of(person, topic))


def _has(topic: str, at: int) -> Callable[..., Answers]:
    """Whether an entry has the value."""
    return lambda known, person, value: (
        _yes(any(entry[at] == value for entry in state)) for state in known.of(person, topic)
    )


def _pet_name(known: Known, person: str, kind: str) -> Answers:
    for state in known.of(person, "pets"):
        yield listed([name for one, name in state if one == kind]) if any(one == kind for one, _ in state) else REFUSAL


def _pet_kind(known: Known, person: str, name: str) -> Answers:
    for state in known.of(person, "pets"):
        yield next((kind for kind, one in state if one == name), REFUSAL)


def _day(topic: str, at: int) -> Callable[..., Answers]:
    """The day in the only entry of a slot with a key."""
    return lambda known, person, key: (
        (say(state[0][at]) if state else "") or REFUSAL for state in known.of(person, topic, key)
    )


def _planned(state: State) -> bool:
    return bool(state) and state[0][0] == PLANNED


def _ahead(known: Known, person: str, town: str) -> Answers:
    return (_yes(_planned(state)) for state in known.of(person, "trip", town))


def _owns(known: Known, person: str, key: str) -> Answers:
    return (_yes(bool(state)) for state in known.of(person, "thing", key))


def _keys(
    topic: str, said: Callable[[list[str]], str], holds: Callable[[State], bool] = bool
) -> Callable[..., Answers]:
    return lambda known, person: iter([said(known.keys(person, topic, holds))])


def _count(values: list[str]) -> str:
    return _number(len(values))


def _of_relation(then: Callable[..., Answers]) -> Callable[..., Answers]:
    """What is true of the person who stands in this relation to another."""

    def answers(known: Known, person: str, key: str) -> Answers:
        for state in known.of(person, "relation", key):
            yield from then(known, state[0][0]) if state else iter([REFUSAL])

    return answers


def _of_owner(then: Callable[..., Answers]) -> Callable[..., Answers]:
    """What is true of the person who has this pet."""

    def answers(known: Known, pet: str) -> Answers:
        owners = known.owners(pet)
        for owner in owners:
            yield from then(known, owner)
        if not owners:
            yield REFUSAL

    return answers


def _kind(category: str, answers: Callable[..., Answers], *forms: str) -> Kind:
    return Kind(category, tuple(map(Form, forms)), answers)


KINDS: Mapping[str, Kind] = {
    "home": _kind("present", _now("home"),
                  "Where does {person:name} live?", "Which town does {person:name} live in?"),
    "job": _kind("present", _now("job"),
                 "What does {person:name} work as?", "What is the job of {person:name}?"),
    "relation": _kind("present", _now("relation"),
                      "Who is {person:name}'s {key:words}?", "What is the name of {person:name}'s {key:words}?"),
    "pets": _kind("present", _list("pets", 1),
                  "What are the names of {person:name}'s pets?", "What are the pets of {person:name} called?"),
    "pet-name": _kind("present", _pet_name, "What is {person:name}'s {key:words} called?"),
    "pet-kind": _kind("present", _pet_kind, "What kind of animal is {person:name}'s pet {value:name}?"),
    "likes": _kind("present", _list("likes", 0),
                   "Which activities does {person:name} like?", "What does {person:name} like to do?"),
    "trips": _kind("present", _keys("trip", listed, _planned),
                   "Which towns does {person:name} plan a trip to?", "Where does {person:name} plan to travel?"),
    "things": _kind("present", _keys("thing", listed), "Which things does {person:name} own?",
                    "What has {person:name} bought and still has?"),
    "home-before": _kind("past", _before("home"), "Where did {person:name} live before {value:name}?",
                         "Which town did {person:name} live in before the move to {value:name}?"),
    "job-before": _kind("past", _before("job"), "What did {person:name} work as before becoming a {value:words}?"),
    "trip-first": _kind("past", _day("trip", 2), "Which day was {person:name}'s trip to {key:name} first planned for?"),
    "home-since": _kind("date", _since("home"), "When did {person:name} move to {value:name}?"),
    "job-since": _kind("date", _since("job"), "When did {person:name} start to work as a {value:words}?"),
    "trip-day": _kind("date", _day("trip", 1), "When is {person:name}'s trip to {key:name}?",
                      "Which day is the date of {person:name}'s trip to {key:name}?"),
    "thing-day": _kind("date", _day("thing", 0), "When did {person:name} buy the {key:words}?"),
    "homes-count": _kind("count", _length("home"), "In how many towns has {person:name} lived?"),
    "jobs-count": _kind("count", _length("job"), "How many jobs has {person:name} had?"),
    "pets-count": _kind("count", _length("pets"), "How many pets does {person:name} have?"),
    "trips-count": _kind("count", _keys("trip", _count, _planned), "How many trips does {person:name} plan?"),
    "things-count": _kind("count", _keys("thing", _count), "How many things does {person:name} own?"),
    "pet-still": _kind("still", _has("pets", 1), "Does {person:name} still have the pet {value:name}?"),
    "like-still": _kind("still", _has("likes", 0), "Does {person:name} still like {value:words}?"),
    "trip-still": _kind("still", _ahead, "Is {person:name}'s trip to {key:name} still ahead?",
                        "Does {person:name} still plan a trip to {key:name}?"),
    "thing-still": _kind("still", _owns, "Does {person:name} still own the {key:words}?"),
    "relation-home": _kind("two-hop", _of_relation(_now("home")), "Where does {person:name}'s {key:words} live?"),
    "relation-job": _kind("two-hop", _of_relation(_now("job")), "What does {person:name}'s {key:words} work as?"),
    "relation-pets": _kind("two-hop", _of_relation(_list("pets", 1)),
                           "What are the pets of {person:name}'s {key:words} called?"),
    "owner-home": _kind("two-hop", _of_owner(_now("home")), "Where does the owner of {value:name} live?"),
    "owner-job": _kind("two-hop", _of_owner(_now("job")), "What does the owner of {value:name} work as?"),
}  # fmt: skip
"""Every kind of question. The forms of one never fit a question of another."""
