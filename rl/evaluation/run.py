"""One system, one conversation: learn its turns in order, then ask its questions, each row durable as it is had.

The same function runs in this process and on a cluster. What an earlier run left is not done again; a conversation
that is finished is not even opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from memory_r1.graphs.roles import Failure
from memory_r1.memory.errors import MalformedOutputError
from memory_r1.memory.types import Turn
from memory_r1.rl.evaluation.files import ANSWERS, COSTS, MEMORY, Journal, Place, sound, write_whole, written
from memory_r1.rl.evaluation.records import CUTS, AnswerRow, CostRow, Found, MemoryRow
from memory_r1.rl.metrics import recall, scores
from memory_r1.rl.metrics.held import held, repeats
from memory_r1.rl.systems.types import Asked, Item, Kept, Learned, Learner, System
from memory_r1.rl.tasks.types import Conversation, Question


@dataclass(frozen=True, slots=True)
class Step:
    """So many `turns` or `questions` of a system's conversation were just done; `known`: by an earlier run."""

    system: str
    conversation: str
    turns: int = 0
    questions: int = 0
    known: bool = False


OnStep = Callable[[Step], None]


async def run_conversation(
    system: System, conversation: Conversation, place: Place, slots: asyncio.Semaphore, on_step: OnStep
) -> None:
    """Do what is left to do of `conversation`. Each turn and each question takes one of `slots` while it is under way.

    Raises MemoryR1Error, as the system does; what was done is kept then.
    """

    def step(turns: int = 0, questions: int = 0, known: bool = False) -> None:
        on_step(Step(place.system, conversation.id, turns, questions, known))

    if place.finished(conversation.id):
        step(len(conversation.turns), len(conversation.questions), known=True)
        return
    with (
        Journal(place.costs(conversation.id), COSTS, _cost_key) as costs,
        Journal(place.answers(conversation.id), ANSWERS, _answer_key) as answers,
    ):
        work = _Work(system, conversation, place, costs, answers, slots)
        turns = [turn for turn in conversation.turns if ("learn", turn.id) not in costs.rows]
        done = {id for id in answers.rows if ("ask", id) in costs.rows}
        questions = [question for question in conversation.questions if question.id not in done]
        step(len(conversation.turns) - len(turns), len(conversation.questions) - len(questions), known=True)
        if turns or questions or not place.memory(conversation.id).exists():
            await work.do(turns, questions, step)
        order = [("learn", turn.id) for turn in conversation.turns]
        costs.finish([*order, *(("ask", question.id) for question in conversation.questions)])
        answers.finish(question.id for question in conversation.questions)


@dataclass(frozen=True, slots=True)
class _Work:
    system: System
    conversation: Conversation
    place: Place
    costs: Journal[CostRow]
    answers: Journal[AnswerRow]
    slots: asyncio.Semaphore

    async def do(self, turns: list[Turn], questions: list[Question], step: Callable[[int, int], None]) -> None:
        folder = self.place.bank(self.conversation.id)
        with written(folder):
            folder.mkdir(parents=True, exist_ok=True)
        learner = await self.system.open(self.conversation, folder)
        try:
            for turn in turns:
                async with self.slots:
                    await self._learn(learner, turn)
                step(1, 0)
            await self._look(learner)

            async def ask(question: Question) -> None:
                async with self.slots:
                    await self._ask(learner, question)
                    step(0, 1)

            await all_or_first(ask(question) for question in questions)
        finally:
            await learner.close()

    async def _learn(self, learner: Learner, turn: Turn) -> None:
        try:
            done = await learner.learn(turn)
        except MalformedOutputError as error:
            done = Learned({}, {}, failures=(Failure("extractor", "malformed", sound(error)),))
        last = turn.id == self.conversation.turns[-1].id
        self.costs.append(
            CostRow(
                self.conversation.id, turn.id, "learn", done.seconds, done.usage, done.operations, done.failures,
                done.cpu, done.embedded, await learner.size() if last else None,
            )
        )  # fmt: skip

    async def _look(self, learner: Learner) -> None:
        """Note what is held now that everything is learned, unless an earlier run has."""
        path = self.place.memory(self.conversation.id)
        if not path.exists():
            row = memory_row(self.conversation, await learner.memories())
            with written(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, MEMORY.dump_json(row) + b"\n")

    async def _ask(self, learner: Learner, question: Question) -> None:
        """Ask one question. Its cost is written before its answer, which says that it is done."""
        try:
            asked = await learner.ask(question)
        except MalformedOutputError as error:
            failure = Failure("answerer", "malformed", sound(error))
            asked = Asked("", (), (), {}, failures=(failure,), tells_turns=False)
        self.costs.append(
            CostRow(
                self.conversation.id, question.id, "ask", asked.seconds, asked.usage, {}, asked.failures, asked.cpu,
                asked.embedded,
            )
        )  # fmt: skip
        self.answers.append(answer_row(self.conversation.id, question, asked))


def answer_row(conversation: str, question: Question, asked: Asked) -> AnswerRow:
    """The row of a question: its answer, scored, and the recall of its evidence among what was found."""
    text = sound(asked.text)
    found = [item.turns for item in asked.items]
    return AnswerRow(
        conversation, question.id, question.text, question.category, question.answer, text,
        tuple(map(_found, asked.items)), asked.selected, question.evidence,
        scores(text, question.answer, question.category),
        recall(found, question.evidence, CUTS) if asked.tells_turns else None,
        asked.failures, question.unanswerable, question.apart,
    )  # fmt: skip


def memory_row(conversation: Conversation, kept: Kept | None) -> MemoryRow:
    """How good what is kept of `conversation` is; None if the system has no memory."""
    turns = {turn.id for turn in conversation.turns}
    if kept is None:
        return MemoryRow(conversation.id, len(turns))
    named = {turn for item in kept.items for turn in item.turns}
    return MemoryRow(
        conversation.id, len(turns), len(kept.items), sum(len(item.text) for item in kept.items),
        len(named & turns) if named or not kept.items else None, repeats(kept.items),
        held(kept.items, conversation.facts) if conversation.facts else None, kept.fates,
    )  # fmt: skip


def _found(item: Item) -> Found:
    return Found(sound(item.id), sound(item.text), sound(item.speaker), item.recorded, item.turns)


def _cost_key(row: CostRow) -> tuple[str, str]:
    return row.kind, row.id


def _answer_key(row: AnswerRow) -> str:
    return row.question_id


async def all_or_first(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all `works` at once. When one fails, the others are stopped and its error is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await _first(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first(tasks: Sequence[asyncio.Future[None]]) -> None:
    if tasks:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task in done:
                task.result()
