"""Makes worlds: two people talk in sessions, and what they tell makes a world. All of it from one seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Fact, Turn
from memory_r1.rl.tasks.types import Conversation, Question
from memory_r1.rl.world.chance import SPLITS, Chance, Names
from memory_r1.rl.world.events import Event, Slot, State
from memory_r1.rl.world.language import write_event, write_state
from memory_r1.rl.world.lexicon import CHAT, FAREWELLS, GLAD, GREETINGS, PASSING, REPLIES
from memory_r1.rl.world.life import Life, Told
from memory_r1.rl.world.proposals import propose, propose_news
from memory_r1.rl.world.questions import questions, replay
from memory_r1.rl.world.wording import ASKED, say

START = datetime(2023, 1, 2)
_WAYS = {"tell": 0.62, "tell twice": 0.06, "ask": 0.12, "chat": 0.20}
"""What a turn does, by share."""


@dataclass(frozen=True, slots=True)
class Size:
    """How worlds are made. `turns`: in each session. `names`: 0 for an open vocabulary, else how many (`chance.Names`).

    Raises InputError for numbers outside their ranges.
    """

    sessions: int = 6
    turns: int = 16
    names: int = 0

    def __post_init__(self) -> None:
        for name, value, first, last in (("sessions", self.sessions, 1, 60), ("turns", self.turns, 4, 100)):
            if not first <= value <= last:
                raise InputError(f"{name}={value} is outside of {first} to {last}")
        if self.names and not 60 <= self.names <= 300:
            raise InputError(f"names={self.names} is neither 0, for an open vocabulary, nor in 60 to 300")


@dataclass(frozen=True, slots=True)
class World:
    """A conversation and the world that it tells of.

    `log`: the events that changed it, in order. A moment is told by a number of turns: the world after the first
    `count` of them, whatever comes then.
    """

    conversation: Conversation
    log: tuple[Told, ...]

    def until(self, count: int) -> tuple[Told, ...]:
        """The part of `log` that the first `count` turns tell."""
        said = {turn.id for turn in self.conversation.turns[:count]}
        return tuple(told for told in self.log if told.turn in said)

    def states(self, count: int) -> dict[Slot, State]:
        """What is true after `count` turns, by slot; only what a bank should hold."""
        return {slot: state for slot, state in replay(self.until(count)).items() if state}

    def memories(self, count: int) -> set[str]:
        """The texts of the memories that a bank should hold after `count` turns."""
        return {write_state(slot, state) for slot, state in self.states(count).items()}

    def questions(self, count: int) -> tuple[Question, ...]:
        """The questions that can be asked after `count` turns, with the answers that are right then.

        Raises InputError for a number of turns that the conversation doesn't have.
        """
        if not 1 <= count <= len(self.conversation.turns):
            raise InputError(f"count={count} is no number of turns from 1 to {len(self.conversation.turns)}")
        last = self.conversation.turns[count - 1]
        chance = Chance(self.conversation.id, "questions", count)
        return questions(self.until(count), last.time + timedelta(minutes=1), chance, f"{self.conversation.id}:{count}")


def make_world(seed: int, split: str, number: int, size: Size = Size()) -> World:
    """World `number` of a split, the same for the same arguments. With more sessions, it begins as with fewer.

    `split`: "train", "validation" or "test"; with an open vocabulary no name of one stands in another.
    """
    if split not in SPLITS:
        raise InputError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}")
    talk = _Talk(Chance(seed, split, number, size.turns, size.names), split, size)
    for session in range(size.sessions):
        talk.hold(session)
    id = f"world-{seed}-{split}-{number}"
    conversation = Conversation(id, talk.speakers, tuple(talk.turns), (), tuple(talk.facts))
    world = World(conversation, tuple(talk.life.log))
    asked = world.questions(len(talk.turns))
    return World(Conversation(id, talk.speakers, conversation.turns, asked, conversation.facts), world.log)


@dataclass(slots=True)
class _Talk:
    """The conversation while it is held. `wanted`: the event that the next speaker was asked for."""

    chance: Chance
    split: str
    size: Size
    speakers: tuple[str, str] = field(init=False)
    life: Life = field(init=False)
    turns: list[Turn] = field(default_factory=list[Turn])
    facts: list[Fact] = field(default_factory=list[Fact])
    time: datetime = START
    reply: Sequence[str] = ()
    wanted: Event | None = None

    def __post_init__(self) -> None:
        names = Names(self.chance, self.split, self.size.names)
        self.speakers = (names.name(), names.name())
        self.life = Life(self.chance, names, self.speakers)
        self.time = START + timedelta(days=self.chance.below(500))

    def hold(self, session: int) -> None:
        """Hold one session, some days after the one before."""
        days = self.chance.between(3, 24)
        self.time = datetime.combine(self.time.date(), datetime.min.time()) + timedelta(days=days)
        self.time += timedelta(hours=self.chance.between(8, 20), minutes=self.chance.below(60))
        self.life.begin(session, self.time.date())
        self.reply, self.wanted = (), None
        first = self.chance.below(2)
        for index in range(self.size.turns):
            speaker, other = self.speakers[(first + index) % 2], self.speakers[(first + index + 1) % 2]
            id = f"D{session + 1}:{index + 1}"
            text, events = self._speak(id, speaker, other, self.size.turns - index)
            self.turns.append(Turn(id, f"session_{session + 1}", index, speaker, text, self.time))
            self.facts += [_fact(event, speaker, id) for event in events]
            self.time += timedelta(minutes=1)

    def _speak(self, turn: str, speaker: str, other: str, left: int) -> tuple[str, list[Event]]:
        """What the speaker says, and the events that it tells. `left`: turns of the session, this one among them."""
        if turn.endswith(":1"):
            return self.chance.pick(GREETINGS).format(other=other), []
        before = [self.chance.pick(self.reply)] if self.reply and self.chance.odds(0.6) else []
        self.reply = ()
        if left == 1:
            return " ".join([*before, self.chance.pick(FAREWELLS).format(other=other)]), []
        if self.wanted is not None:
            event, self.wanted = self.wanted, None
            return " ".join([*before, self._told(turn, speaker, event)]), [event]
        way = self.chance.weighted(_WAYS)
        if way == "ask" and left > 2 and (asked := propose_news(self.life, other)):
            self.wanted = asked
            return " ".join([*before, self.chance.pick(ASKED[asked.slot.topic])]), []
        if way == "chat":
            return " ".join([*before, self.chance.pick(CHAT)]), []
        return self._tell(turn, speaker, before, 2 if way == "tell twice" else 1)

    def _tell(self, turn: str, speaker: str, before: list[str], most: int) -> tuple[str, list[Event]]:
        events: list[Event] = []
        parts = before
        for _ in range(most):
            event = propose(self.life, speaker)
            if event.slot not in [earlier.slot for earlier in events]:
                parts.append(self._told(turn, speaker, event))
                events.append(event)
        return " ".join(parts), events

    def _told(self, turn: str, speaker: str, event: Event) -> str:
        """A sentence that tells the event; the world changes by it."""
        self.reply = REPLIES.get(event.kind, GLAD)
        self.life.tell(turn, speaker, event)
        if event.slot.topic == "passing":
            return next(said for said, remark in PASSING if remark == event.args[0])
        return say(event, self._who(speaker, event.slot.person), self.time.date(), self.chance)

    def _who(self, speaker: str, person: str) -> str:
        """How `speaker` calls `person`: "" for themselves."""
        if person == speaker:
            return ""
        key = next(s.key for s, state in self.life.live(speaker, "relation") if state[0][0] == person)
        return self.chance.pick([person, f"my {key} {person}", f"my {key} {person}"])


def _fact(event: Event, speaker: str, turn: str) -> Fact:
    """The gold fact of an event."""
    days = [arg for arg in event.args if arg[:1].isdigit()]
    names = [value for value in (event.slot.person, event.slot.key, *event.args) if value[:1].isupper()]
    return Fact(write_event(event), speaker, (turn,), days[0] if days else "", tuple(dict.fromkeys(names)))
