"""One decision, one answer, one run through a row: the graphs with a rollout's own bank and policy in them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from memory_r1.graphs.build import Settings, build_agent
from memory_r1.graphs.chat_roles import ChatAnswerer, ChatManager
from memory_r1.graphs.completers import Completer
from memory_r1.graphs.endpoint import Patience
from memory_r1.graphs.prompts import ANSWER_CHARS
from memory_r1.graphs.remember import Limits
from memory_r1.graphs.roles import Answerer, Failure, Role, Roles
from memory_r1.graphs.state import FAILURES, Json
from memory_r1.memory.analysis import index_text
from memory_r1.memory.apply import texts
from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import InputError, ModelUnavailableError, StoreError
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.types import Answer, Operation, Write
from memory_r1.rl.rewards.compose import Rewards, Scored
from memory_r1.rl.rollouts.alike import Alike
from memory_r1.rl.rollouts.clocks import Clocks, Ledger
from memory_r1.rl.rollouts.errors import RolloutLostError
from memory_r1.rl.rollouts.floor import Floor
from memory_r1.rl.rollouts.recent import Once
from memory_r1.rl.rollouts.scene import Cast, Scene, SceneStore, Timed, Told, Voice, staged
from memory_r1.rl.rollouts.snapshots import BANK, Place, Snapshots, follow
from memory_r1.rl.rollouts.types import AnswererRow, Decision, ManagerRow, Outcome, Reply, Row, Step
from memory_r1.rl.rollouts.vectors import KeptVectors
from memory_r1.rl.tasks.types import Question

log = logging.getLogger(__name__)

T = TypeVar("T")
CONFIG = {"configurable": {"bank": BANK}}
LOST = (ModelUnavailableError, StoreError, TimeoutError, ConnectionError)
"""What ends an attempt and is no fault of the policy's or of the row's."""
ONCE = Patience(tries=1, repair=False)
"""The trained role says one thing, and that counts; a model that doesn't answer ends the attempt."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How episodes are played.

    `limits`: how much the graphs look at. `answer_chars`: characters of the memories that a trained answerer is shown;
    `distil`: whether it selects among them. `retries`: further attempts of an episode whose models or store fail.
    `snapshots`, `answers`: how many banks, how many answers of the frozen answerer are kept. Raises InputError.
    """

    limits: Limits = field(default_factory=Limits)
    answer_chars: int = ANSWER_CHARS
    distil: bool = True
    retries: int = 2
    snapshots: int = 512
    answers: int = 100_000

    def __post_init__(self) -> None:
        for name, least in (("retries", 0), ("snapshots", 1), ("answers", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)!r} is too few: give {least} or more")


@dataclass(frozen=True, slots=True)
class Played:
    """A decision and the bank that it left; after the last step, which none follows, None."""

    decision: Decision
    store: InMemoryStore | None
    digest: str


class Player:
    """Plays, any number of rollouts at once on one event loop at a time. `answerer` is the frozen one.

    It keeps what is the same for all: one compiled agent, a snapshot for each bank, the vectors of texts, the frozen
    answers by bank and question, and what came of each reply (`rollouts.alike`).
    """

    def __init__(self, embedder: Embedder, answerer: Answerer, rewards: Rewards, rules: Rules) -> None:
        self.rules = rules
        self.rewards = rewards
        self.embedder: Embedder = KeptVectors(embedder)
        self.clocks = Clocks()
        self.floor = Floor()
        self.snapshots = Snapshots(self.embedder, rules.snapshots)
        self._answers: Once[tuple[str, str, str], Reply] = Once(rules.answers)
        self.decided: Alike[Played] = Alike(rules.snapshots)
        self.answered: Alike[Decision] = Alike(rules.snapshots)
        voice = Voice()
        trained = ChatAnswerer(voice, ONCE, rules.answer_chars, rules.distil)
        roles = Roles(Told(), ChatManager(voice, ONCE), Cast(trained, answerer, self.clocks))
        self._agent = build_agent(SceneStore(), self.embedder, roles=roles, settings=Settings(rules.limits))

    async def kept(self, row: Row, ledger: Ledger, play: Callable[[], Awaitable[T]]) -> T:
        """What `play` returns, at the first of `rules.retries` + 1 attempts that no model and no store fails."""
        attempt = 1
        with self.clocks.rollout(ledger), self.floor.seat():
            await self.floor.take()
            while True:
                try:
                    return await play()
                except LOST as error:
                    log.warning("row %r, attempt %d of %d: %s", row.id, attempt, self.rules.retries + 1, error)
                    if attempt > self.rules.retries:
                        raise RolloutLostError.of(row.id, attempt, error) from error
                attempt += 1

    async def start(self, row: Row) -> Place:
        """Where the rollouts of `row` start."""
        return await self.snapshots.of(row)

    async def through(self, row: ManagerRow, policy: Completer, ledger: Ledger) -> list[Decision]:
        """One decision for each step of `row`, each on the bank that the one before left."""
        place = await self.start(row)
        decisions: list[Decision] = []
        for number in range(len(row.steps)):
            played = await self.decide(row, number, place, policy, ledger)
            decisions.append(played.decision)
            if number + 1 < len(row.steps):
                place = await self.leave(row, number, place, played)
        return decisions

    async def decide(self, row: ManagerRow, number: int, place: Place, policy: Completer, ledger: Ledger) -> Played:
        """One decision: step `number` of `row` on the bank at `place`."""
        state = (row.id, number, row.steps[number], place.digest, place.right)
        asked = Timed(policy, self.clocks, self.floor, ledger)
        with self.floor.seat():
            await self.floor.take()
            heard = await self.decided.play(state, asked, lambda voice: self._decide(row, number, place, voice, ledger))
        played = heard.played
        return replace(played, decision=replace(played.decision, call=heard.call))

    async def _decide(self, row: ManagerRow, number: int, place: Place, policy: Completer, ledger: Ledger) -> Played:
        step = row.steps[number]
        scene = Scene(place.snapshot.fork(), ledger, "manager", policy, step.facts)
        failures, operations = await self._remember(row, step, scene)
        malformed = _malformed(failures, "manager")
        digest = follow(place.digest, step.turn, operations)
        replies = () if malformed else await self.ask(scene.store, digest, step.questions, ledger)
        outcome = Outcome(replies, malformed, place.held, (await scene.store.bank(BANK)).live)
        scored = await self.score(outcome, ledger)
        decision = Decision(
            number, _group(row, number, place), None, outcome, scored.reward, scored.parts, operations,
            step.right if place.right else None, failures,
        )  # fmt: skip
        return Played(decision, scene.store if number + 1 < len(row.steps) else None, digest)

    async def leave(self, row: ManagerRow, number: int, place: Place, played: Played) -> Place:
        """The bank that `played`, which is step `number` of `row` on the bank at `place`, left: the next one starts."""
        assert played.store is not None, f"step {number} of row {row.id!r} is its last"
        right = place.right and await self._is_right(row, row.steps[number], place, played.store)
        return Place(played.store.snapshot(), played.digest, played.decision.outcome.after, right)

    async def ask(
        self, store: InMemoryStore, digest: str, questions: Sequence[Question], ledger: Ledger
    ) -> tuple[Reply, ...]:
        """The frozen answerer's reply to each of `questions` on the bank in `store`, whose memories are `digest`."""

        async def one(question: Question) -> Reply:
            asked = question.asked.isoformat() if question.asked else ""
            made = await self._answers.get(
                (digest, question.text, asked), lambda: self._answer(question, Scene(store, ledger))
            )
            return made if made.question is question else Reply(question, made.answer, made.failures)

        if len(questions) == 1:
            return (await one(questions[0]),)
        return tuple(await together([one(question) for question in questions]))

    async def score(self, outcome: Outcome, ledger: Ledger) -> Scored:
        """The reward of `outcome`. A judge's time counts as answering."""
        if self.rewards.judge is None:
            return await self.rewards.score(outcome)
        return await self.clocks.call("answering", ledger, self.rewards.score(outcome))

    async def answer(self, row: AnswererRow, policy: Completer, ledger: Ledger) -> Decision:
        """The policy's answer to the question of `row`."""
        place = await self.start(row)
        heard = await self.answered.play(
            (row.id, row.question, place.digest), Timed(policy, self.clocks, self.floor, ledger),
            lambda voice: self._answered(row, place, voice, ledger),
        )  # fmt: skip
        return replace(heard.played, call=heard.call)

    async def _answered(self, row: AnswererRow, place: Place, policy: Completer, ledger: Ledger) -> Decision:
        scene = Scene(place.snapshot.fork(), ledger, "answerer", policy)
        reply = await self._answer(row.question, scene)
        outcome = Outcome((reply,), _malformed(reply.failures, "answerer"), place.held, place.held)
        scored = await self.score(outcome, ledger)
        return Decision(0, _group(row, 0, place), None, outcome, scored.reward, scored.parts, failures=reply.failures)

    async def _is_right(self, row: ManagerRow, step: Step, place: Place, store: InMemoryStore) -> bool:
        """Whether the bank in `store` holds what the right operations would have made of the bank at `place`."""
        if step.right is None:
            return False
        twin = place.snapshot.fork()
        await apply(self.embedder, row, step, step.right, twin)
        return await _held(twin) == await _held(store)

    async def _remember(
        self, row: ManagerRow, step: Step, scene: Scene
    ) -> tuple[tuple[Failure, ...], tuple[Operation, ...]]:
        """Run `remember` on the turn of `step`: the failures, and the operations that were applied."""
        with staged(scene):
            out: Json = await cast(Any, self._agent.remember).ainvoke({"turn": step.turn}, CONFIG)
        receipt: Json = out["receipt"]
        if receipt["repeated"]:
            raise InputError(f"row {row.id!r} can't be played: its bank holds turn {step.turn.id!r} already")
        entry = (await scene.store.log(BANK, receipt["revision"] - 1))[0]
        return _failures(out), entry.operations

    async def _answer(self, question: Question, scene: Scene) -> Reply:
        """Run `answer` on `question`."""
        given = {"question": question.text, "asked": question.asked.isoformat() if question.asked else None}
        with staged(scene):
            out: Json = await cast(Any, self._agent.answer).ainvoke(given, CONFIG)
        found: Json = out["answer"]
        return Reply(question, Answer(found["question"], found["text"], tuple(found["selected"])), _failures(out))


async def apply(
    embedder: Embedder, row: ManagerRow, step: Step, operations: Sequence[Operation], store: InMemoryStore
) -> None:
    """Write `operations` of `step` to `store` as they stand. Raises InputError where the bank can't take them."""
    turn = step.turn
    made = [index_text(op.text, op.speaker, op.when, turn.time) for op in texts(operations)]
    vectors = await embedder.embed(made)
    try:
        await store.write(BANK, Write(f"turn:{turn.id}", turn.time, (turn,), tuple(operations)), vectors)
    except (StoreError, InputError) as error:
        raise InputError(f"the right operations of row {row.id!r} can't be applied: {error}") from error


async def _held(store: InMemoryStore) -> dict[str, str]:
    return {memory.id: memory.text for memory in await store.memories(BANK)}


async def together(work: Sequence[Awaitable[T]]) -> list[T]:
    """The results of `work`, done at once. Raises the first error when all have ended."""
    found = await asyncio.gather(*work, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if not isinstance(one, BaseException)]


def whole(decisions: Sequence[Decision]) -> float:
    """The reward of an episode: the mean over the decisions that could earn one, 0.0 without any.

    A decision that was followed by no question, and was no malformed one, could not.
    """
    earned = [one.reward for one in decisions if one.outcome.replies or one.outcome.malformed]
    return sum(earned) / len(earned) if earned else 0.0


def _group(row: Row, number: int, place: Place) -> str:
    return f"{row.id}#{number}:{place.digest[:12]}"


def _failures(out: Json) -> tuple[Failure, ...]:
    return tuple(FAILURES.validate_python(out["failures"])) if out["failures"] else ()


def _malformed(failures: Sequence[Failure], role: Role) -> int:
    return sum(one.role == role and one.kind == "malformed" for one in failures)
