"""Training rows from the synthetic world: seeded, without end, with the right operations.

The bank of a row is the oracle's, so its questions tell a right operation from a wrong one (`rl.world.questions`). What
chit-chat tells is no row: a turn without facts asks the manager nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count as numbers
from itertools import islice
from typing import Literal

from memory_r1.graphs.remember import exact_repeats
from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Fact, Hit, Memory, Operation, Turn
from memory_r1.rl.rollouts.types import AnswererRow, BankState, ManagerRow, Step
from memory_r1.rl.tasks.types import Question
from memory_r1.rl.training.rows import bank_state
from memory_r1.rl.world.chance import Chance
from memory_r1.rl.world.events import Slot, State
from memory_r1.rl.world.known import CATEGORIES, answer, read_question
from memory_r1.rl.world.language import read_event
from memory_r1.rl.world.make import Size, World, make_world
from memory_r1.rl.world.memories import Memories, facts_by_turn
from memory_r1.rl.world.oracle import decide
from memory_r1.rl.world.questions import known_of
from memory_r1.rl.world.task import NAME, Options, read_options

Role = Literal["manager", "answerer"]
"""Whom rows train."""

KINDS = ("delete", "update", "add", "noop")
"""Kinds of operations, the rarest in the world first: a turn that needs several counts as the first of them."""
BALANCED: Mapping[str, float] = {"add": 0.28, "update": 0.28, "delete": 0.28, "noop": 0.16}
"""Shares in which every operation can be learned. By itself the world has 45 % add, 25 update, 9 delete, 21 noop."""
IDLE = 200
"""So many worlds without a row that is wanted, and none is expected any more."""


MOMENTS = 4
"""So many moments of a world are asked about, at most, for the answerer's rows."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which moments of the worlds become rows, and what is asked there.

    `size`: of the worlds. `shares`: of the rows, by their right operation (`KINDS`) for the manager, by the question's
    category for the answerer; {}: as they come; None: as far as the worlds allow `BALANCED` for single decisions and
    all categories alike for the answerer, {} for sessions. `questions`: at most so many of a step whose evidence names
    the turn; for the answerer, of a moment. `guards`: so many others of a step, those first that ask about what the
    facts tell of. `memories`: of the bank, at most.
    """

    size: Size = field(default_factory=Size)
    shares: Mapping[str, float] | None = None
    questions: int = 4
    guards: int = 2
    memories: int = 60

    def __post_init__(self) -> None:
        for name in ("questions", "guards", "memories"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}={getattr(self, name)} is less than none")


def world_manager_rows(
    seed: int, split: str, count: int, choice: Choice = Choice(), turns: int = 1
) -> list[ManagerRow]:
    """`count` rows of the manager from the worlds of `seed` and `split`, shuffled; the same for the same arguments.

    A row teaches nothing, and is left out, where nothing is asked afterwards (without guards: repeats and remarks), or
    where the graph asks no manager (`remember.exact_repeats`).

    `turns`: steps of a row, one after the other among the turns that tell facts; a row of several counts as the kind of
    its rarest right operation. Raises InputError for shares, sizes and numbers that no world can give.
    """
    if turns < 1:
        raise InputError(f"turns={turns} is no number of steps: give 1 for single decisions, more for sessions")
    quota = _Quota(count, choice.shares, BALANCED if turns == 1 else {}, KINDS)
    made: list[ManagerRow] = []
    for world in quota.worlds(seed, split, choice.size):
        spots = list(_spots(world))
        for first in range(0, len(spots) - turns + 1, turns):
            part = spots[first : first + turns]
            kind = _kind(part)
            if len(part[0].memories) <= choice.memories and any(map(_asks, part)) and quota.wants(kind):
                row = _manager_row(world, split, seed, part, choice)
                if any(step.questions for step in row.steps) and quota.take(kind):
                    made.append(row)
    return Chance("manager rows", seed, split).shuffled(made)


def world_session_rows(
    seed: int, split: str, count: int, choice: Choice = Choice(), turns: int = 4
) -> list[ManagerRow]:
    """As `world_manager_rows`, `turns` steps in each row."""
    return world_manager_rows(seed, split, count, choice, turns)


def world_answerer_rows(seed: int, split: str, count: int, choice: Choice = Choice()) -> list[AnswererRow]:
    """`count` rows of the answerer from the worlds of `seed` and `split`, shuffled; the same for the same arguments.

    The bank is the oracle's after some turn, the question one that can be asked then. Raises as `world_manager_rows`.
    """
    quota = _Quota(count, choice.shares, dict.fromkeys(CATEGORIES, 1.0), CATEGORIES)
    made: list[AnswererRow] = []
    for world in quota.worlds(seed, split, choice.size):
        chance = Chance("moments", seed, world.conversation.id)
        for spot in chance.shuffled([one for one in _spots(world) if len(one.memories) <= choice.memories])[:MOMENTS]:
            _, bank = _banks(world, spot)
            bank.learn(spot.facts)
            asked = (one for one in chance.shuffled(world.questions(spot.count)) if quota.take(one.category))
            made += [
                _answerer_row(world, split, seed, tuple(bank.live.values()), question, choice.size)
                for question in islice(asked, choice.questions)
            ]
    return Chance("answerer rows", seed, split).shuffled(made)


def world_rows(
    role: Role, name: str, split: str, count: int, choice: Choice = Choice(), turns: int = 1
) -> list[ManagerRow] | list[AnswererRow]:
    """`count` rows for `role` from the worlds of task `name`, as "world:seed=1,names=120". Raises InputError.

    The name says seed and size, in place of those of `choice`; how many conversations it names doesn't matter.
    """
    kind, _, given = name.partition(":")
    if kind != NAME:
        raise InputError(f"task {name!r} is none of the synthetic world's: write {NAME}, or {NAME}:KEY=NUMBER,…")
    options = read_options(given)
    choice = replace(choice, size=options.size)
    if role == "answerer":
        return world_answerer_rows(options.seed, split, count, choice)
    return world_manager_rows(options.seed, split, count, choice, turns)


@dataclass(frozen=True, slots=True)
class _Spot:
    """A moment at which the manager is asked: turn number `count` (from 1) tells `facts` to a bank of `memories`."""

    count: int
    turn: Turn
    facts: tuple[Fact, ...]
    memories: tuple[Memory, ...]
    right: tuple[Operation, ...]


class _Quota:
    """How many rows of each kind are still wanted. `usual`: the shares where none are asked for, as far as possible."""

    def __init__(
        self, count: int, asked: Mapping[str, float] | None, usual: Mapping[str, float], known: Sequence[str]
    ) -> None:
        shares = usual if asked is None else asked
        for name, share in shares.items():
            if name not in known or share < 0:
                raise InputError(f"the share {name}={share} is none: give numbers for any of {', '.join(known)}")
        if count < 1 or (shares and not sum(shares.values())):
            raise InputError(f"{count} rows with the shares {dict(shares)!r} are none: ask for at least one")
        self._left = count
        self._kinds = _parts(count, shares) if shares else None
        self._strict = asked is not None

    def wants(self, kind: str) -> bool:
        """Whether a row of this kind is wanted."""
        return bool(self._left and (self._kinds is None or self._kinds.get(kind)))

    def take(self, kind: str) -> bool:
        """Whether a row of this kind is wanted; then it counts as had."""
        if not self.wants(kind):
            return False
        self._left -= 1
        if self._kinds is not None:
            self._kinds[kind] -= 1
        return True

    def worlds(self, seed: int, split: str, size: Size) -> Iterator[World]:
        """Worlds, until enough rows are had. Raises InputError when they don't give what is wanted."""
        idle = 0
        for number in numbers():
            before = self._left
            yield make_world(seed, split, number, size)
            if not self._left:
                return
            idle = idle + 1 if self._left == before else 0
            if idle == IDLE and not self._strict and self._kinds:
                self._kinds, idle = None, 0
            if idle == IDLE:
                lacking = {kind: left for kind, left in (self._kinds or {}).items() if left} or self._left
                raise InputError(
                    f"{IDLE} worlds of {size} gave none of the rows still wanted ({lacking}): ask for others"
                )


def _parts(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """`count` in whole numbers by `shares`; what is left over goes to the largest remainders."""
    exact = {kind: count * share / sum(shares.values()) for kind, share in shares.items()}
    parts = {kind: int(value) for kind, value in exact.items()}
    order = sorted(exact, key=lambda kind: parts[kind] - exact[kind])
    for kind in order[: count - sum(parts.values())]:
        parts[kind] += 1
    return parts


def _spots(world: World) -> Iterator[_Spot]:
    """The moments at which the oracle decides, each on the bank that it kept until then."""
    turns = world.conversation.turns
    bank = Memories(turns)
    for count, (turn, facts) in enumerate(zip(turns, facts_by_turn(world), strict=True), 1):
        if facts:
            memories = tuple(bank.live.values())
            right = decide(facts, [memories] * len(facts))
            yield _Spot(count, turn, tuple(facts), memories, tuple(right))
            bank.write(right)


def _asks(spot: _Spot) -> bool:
    """Whether the graph asks the manager at `spot`."""
    hits = [[Hit(memory, 1.0) for memory in spot.memories]] * len(spot.facts)
    return len(exact_repeats(spot.facts, hits)) < len(spot.facts)


def _kind(spots: Iterable[_Spot]) -> str:
    """The rarest kind among the right operations."""
    found = {operation.kind for spot in spots for operation in spot.right}
    return next(kind for kind in KINDS if kind in found)


def _manager_row(world: World, split: str, seed: int, spots: Sequence[_Spot], choice: Choice) -> ManagerRow:
    conversation, first = world.conversation, spots[0]
    state, bank = _banks(world, first)
    steps = tuple(_step(world, spot, bank, choice) for spot in spots)
    id = f"{conversation.id}:{first.count}" + (f"+{len(steps)}" if len(steps) > 1 else "")
    return ManagerRow(id, Options(seed=seed, size=choice.size).name, split, conversation.id, state, steps)


def _banks(world: World, spot: _Spot) -> tuple[BankState, Memories]:
    """The bank before `spot`, as a row has it, and as operations can be applied to it."""
    turns = world.conversation.turns
    state = bank_state(spot.memories, turns)
    return state, Memories.holding(turns, state.memories)


def _step(world: World, spot: _Spot, bank: Memories, choice: Choice) -> Step:
    """The step at `spot`; `bank` is as it stands before it, and after the right operations afterwards."""
    right = tuple(decide(spot.facts, [tuple(bank.live.values())] * len(spot.facts)))
    bank.write(right)
    slots = {event.slot for fact in spot.facts if (event := read_event(fact.text))}
    states = world.states(spot.count)
    asked = world.questions(spot.count)
    linked = [one for one in asked if spot.turn.id in one.evidence][: choice.questions]
    others = [one for one in asked if one.evidence and spot.turn.id not in one.evidence]
    others.sort(key=lambda one: slots.isdisjoint(_slots(one, states)))
    return Step(spot.turn, spot.facts, (*linked, *others[: choice.guards]), right)


def _slots(question: Question, states: Mapping[Slot, State]) -> set[Slot]:
    """What the answer looks at."""
    known, asking = known_of(states), read_question(question.text)
    if asking is not None:
        answer(asking, known)
    return known.seen


def _answerer_row(
    world: World, split: str, seed: int, memories: Sequence[Memory], question: Question, size: Size
) -> AnswererRow:
    conversation = world.conversation
    state = bank_state(memories, conversation.turns)
    return AnswererRow(question.id, Options(seed=seed, size=size).name, split, conversation.id, state, question)
