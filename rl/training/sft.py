"""What a policy should reply in the synthetic world: the oracle plays all roles in the compiled graphs and is recorded.

So an example is what the graphs ask for, to the letter: the facts of a turn together, without exact repeats, over the
memories that retrieval finds, with the oracle's decision on what is shown. Some operations can be replaced by mistakes
(`Taught.spoiled`), so that a policy also learns what to do with a bank that went wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from memory_r1.graphs import parse, prompts
from memory_r1.graphs.build import Agent, Settings, build_agent
from memory_r1.graphs.completers import Message
from memory_r1.graphs.remember import Limits
from memory_r1.graphs.roles import Roles
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.types import Answer, Delete, Fact, Hit, Memory, Operation, Turn, Update
from memory_r1.rl.tasks.types import Question
from memory_r1.rl.training.replies import answerer_reply, extractor_reply, manager_reply
from memory_r1.rl.world.chance import Chance
from memory_r1.rl.world.make import World
from memory_r1.rl.world.mistakes import mistakes
from memory_r1.rl.world.oracle import GoldExtractor, answer_from, decide

BANK = "taught"
TINY = Limits(candidates=5, hits=8, per_speaker=8)
"""What a tiny policy is shown."""


@dataclass(frozen=True, slots=True)
class Example:
    """One call of a role, with the right reply.

    `kinds`: of an operation for each fact ("add", …), or the question's category. `source`: the world, and the turn or
    question. `gold`: the question's gold answer, which the memories shown may lack; "" for other roles.
    """

    role: Literal["extractor", "manager", "answerer"]
    messages: tuple[Message, ...]
    reply: str
    kinds: tuple[str, ...]
    source: str
    gold: str = ""


@dataclass(frozen=True, slots=True)
class Taught:
    """How examples are made. `asked`: questions after each turn that had facts, and five times so many at the end.

    `spoiled`: the share of decisions that the bank doesn't get as they are right. `chars`: of the memories that the
    answerer is shown.
    """

    limits: Limits = TINY
    asked: int = 2
    spoiled: float = 0.0
    chars: int = 2_000
    seed: int = 0


async def examples(world: World, taught: Taught = Taught()) -> list[Example]:
    """The examples of all roles that `world` gives, in its order: the same for the same arguments."""
    chance = Chance("taught", taught.seed, world.conversation.id)
    teacher = _Teacher(world, taught, chance)
    agent = build_agent(
        InMemoryStore(), HashedEmbedder(), roles=Roles(teacher, teacher, teacher), settings=Settings(taught.limits)
    )
    told = {fact.turns[-1] for fact in world.conversation.facts}
    last = len(world.conversation.turns)
    for count, turn in enumerate(world.conversation.turns, 1):
        teacher.source = f"{world.conversation.id} {turn.id}"
        await agent.learn(turn, BANK)
        if turn.id in told and taught.asked:
            await _ask(agent, teacher, _chosen(world.questions(count), taught.asked, chance))
        if count == last:
            await _ask(agent, teacher, _chosen(world.conversation.questions, 5 * taught.asked, chance))
    return teacher.made


async def _ask(agent: Agent, teacher: _Teacher, questions: Sequence[Question]) -> None:
    for question in questions:
        teacher.question = question
        await agent.ask(question.text, BANK, question.asked)


def _chosen(questions: Sequence[Question], most: int, chance: Chance) -> list[Question]:
    """At most `most` of `questions`: a category first, then one of it, so that rare categories are asked as often."""
    left: dict[str, list[Question]] = {}
    for question in questions:
        left.setdefault(question.category, []).append(question)
    chosen: list[Question] = []
    while left and len(chosen) < most:
        category = chance.pick(list(left))
        chosen.append(left[category].pop(chance.below(len(left[category]))))
        if not left[category]:
            del left[category]
    return chosen


@dataclass(slots=True)
class _Teacher:
    """Plays the three roles rightly and keeps what it was asked. `source`, `question`: what is being asked now."""

    world: World
    taught: Taught
    chance: Chance
    made: list[Example] = field(default_factory=list[Example])
    source: str = ""
    question: Question | None = None
    _gold: GoldExtractor = field(init=False)

    def __post_init__(self) -> None:
        self._gold = GoldExtractor(self.world.conversation.facts)

    async def extract(self, turn: Turn, context: Sequence[Turn]) -> list[Fact]:
        """The gold facts, as they come out of the reply that states them."""
        found = await self._gold.extract(turn, context)
        reply = extractor_reply(found)
        prompt = prompts.extractor(turn, context)
        self.made.append(Example("extractor", tuple(prompt.messages), reply, (str(len(found)),), self.source))
        return parse.facts(reply, turn)

    async def decide(self, facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> list[Operation]:
        """The right operations, as they come out of the reply that states them; now and then a mistake instead."""
        prompt = prompts.manager(facts, candidates)
        right = decide(facts, [prompt.shown] * len(facts))
        reply = manager_reply(right, facts, prompt.shown)
        kinds = tuple(operation.kind for operation in right)
        self.made.append(Example("manager", tuple(prompt.messages), reply, kinds, self.source))
        read = parse.operations(reply, facts, prompt.shown)
        spoiled = [self._spoiled(fact, operation) for fact, operation in zip(facts, read, strict=True)]
        return spoiled if _apart(spoiled) else read

    async def answer(self, question: str, hits: Sequence[Hit], asked: datetime | None) -> Answer:
        """The right answer from what is shown."""
        assert self.question is not None
        if not hits:
            return Answer(question, self.question.answer)
        prompt = prompts.answerer(question, hits, asked, self.taught.chars)
        right = telling(question, prompt.shown)
        reply = answerer_reply(right, prompt.shown)
        about = f"{self.source} {self.question.id}"
        self.made.append(
            Example("answerer", tuple(prompt.messages), reply, (self.question.category,), about, self.question.answer)
        )
        return right

    def _spoiled(self, fact: Fact, right: Operation) -> Operation:
        wrong = [mistake for _, mistake in mistakes(fact, right)]
        return self.chance.pick(wrong) if wrong and self.chance.odds(self.taught.spoiled) else right


def telling(question: str, shown: Sequence[Memory]) -> Answer:
    """The oracle's answer, resting on those memories without which it would be another; on all seen if none is such.

    The most telling first: those that name what the question names.
    """
    whole = answer_from(question, shown)
    seen = [memory for memory in shown if memory.id in whole.selected]
    needed = [m for m in seen if answer_from(question, [one for one in shown if one.id != m.id]).text != whole.text]
    named = {word.strip("?'s.,") for word in question.split()[1:] if word[:1].isupper()}
    kept = sorted(needed or seen, key=lambda memory: not any(name in memory.text for name in named))
    return Answer(question, whole.text, tuple(memory.id for memory in kept))


def _apart(operations: Sequence[Operation]) -> bool:
    """Whether no two of `operations` end the same memory."""
    ended = [id for operation in operations for id in _ended(operation)]
    return len(ended) == len(set(ended))


def _ended(operation: Operation) -> tuple[str, ...]:
    return operation.targets if isinstance(operation, Update | Delete) else ()


def count_kinds(made: Sequence[Example]) -> Mapping[str, int]:
    """How many examples there are of each role and kind: "manager add", "answerer present"; a turn counts for each."""
    counts: dict[str, int] = {}
    for example in made:
        for kind in example.kinds:
            key = f"{example.role} {kind}"
            counts[key] = counts.get(key, 0) + 1
    return counts
