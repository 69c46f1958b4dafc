"""The world while it is made: what is true, who told it when, and what became of plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from memory_r1.rl.world.chance import Chance, Names
from memory_r1.rl.world.events import PLANNED, Event, Slot, State, after


@dataclass(frozen=True, slots=True)
class Told:
    """An event that changed the world: `speaker` told it in the turn with id `turn` of session number `session`."""

    turn: str
    session: int
    speaker: str
    event: Event


@dataclass(slots=True)
class Life:
    """What is true of whom, and how it came to be.

    `tellers`: each person with the speaker who tells of them; speakers tell of themselves. `log`: only what changed a
    state. `changed`: the slots that a turn of this session changed. `today`, `before`: the days of this session and of
    the one before it.
    """

    chance: Chance
    names: Names
    speakers: tuple[str, str]
    tellers: dict[str, str] = field(init=False)
    states: dict[Slot, State] = field(default_factory=dict[Slot, State])
    log: list[Told] = field(default_factory=list[Told])
    session: int = 0
    today: date = date.min
    before: date = date.min
    changed: set[Slot] = field(default_factory=set[Slot])

    def __post_init__(self) -> None:
        self.tellers = {speaker: speaker for speaker in self.speakers}

    def begin(self, session: int, today: date) -> None:
        """Begin session number `session`, from 0."""
        self.before = self.today if session else today - timedelta(13)
        self.session, self.today = session, today
        self.changed.clear()

    def tell(self, turn: str, speaker: str, event: Event) -> None:
        """Let `speaker` tell `event` in `turn`."""
        slot = event.slot
        before = self.state(slot)
        state = after(before, event)
        if state == before:
            return
        self.states[slot] = state
        self.changed.add(slot)
        self.log.append(Told(turn, self.session, speaker, event))
        if slot.topic == "relation":
            self.tellers[event.args[0]] = speaker

    def state(self, slot: Slot) -> State:
        """What is true of `slot`."""
        return self.states.get(slot, ())

    def live(self, speaker: str, topic: str = "") -> list[tuple[Slot, State]]:
        """The slots that `speaker` tells of and something is true of, all or those of `topic`; the oldest first."""
        return [
            (slot, state)
            for slot, state in self.states.items()
            if state and topic in ("", slot.topic) and self.tellers[slot.person] == speaker
        ]

    def settled(self, speaker: str) -> Iterator[tuple[Slot, State]]:
        """Those of `live` that no turn of this session has changed."""
        return ((slot, state) for slot, state in self.live(speaker) if slot not in self.changed)

    def due(self, speaker: str) -> Event | None:
        """What became of a planned trip of `speaker` whose day is over; None when there is none to tell of."""
        for slot, state in self.live(speaker, "trip"):
            mode, day, _ = state[0]
            if mode == PLANNED and day < self.today.isoformat():
                return Event(slot, "done", (day,)) if self.chance.odds(0.8) else Event(slot, "cancel")
        return None

    def past(self) -> str:
        """A day after the session before and before this one, at most twelve days ago."""
        gap = (self.today - self.before).days
        return (self.today - timedelta(self.chance.between(1, min(12, gap - 1)))).isoformat()

    def ahead(self) -> str:
        """A day of the next two months."""
        days = self.chance.between(2, 9) if self.chance.odds(0.4) else self.chance.between(10, 60)
        return (self.today + timedelta(days)).isoformat()
