"""How well an agent answers LoCoMo: F1, BLEU-1 and exact match by category, through the product's own graphs.

A conversation is remembered turn by turn, then each of its questions is asked (category 5, adversarial, left out).
Scores follow Mem0's convention (`rl.metrics.mem0`). The split is Memory-R1's: conv-26 and conv-30 to tune on, the other
eight conversations, 1,307 questions, to report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from memory_r1.graphs.build import Agent, build_agent
from memory_r1.graphs.models import RULES, Models
from memory_r1.memory.embedders import Embedder
from memory_r1.memory.store import Store
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.rl.bench.made import Table
from memory_r1.rl.metrics import locomo, mem0
from memory_r1.rl.tasks.locomo import CATEGORIES, TRAIN, VALIDATION
from memory_r1.rl.tasks.types import Conversation, Question

COLUMNS = ("split", "category", "questions", "f1", "bleu1", "em", "locomo_f1", "cited")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question asked. `scores`: Mem0's convention; `own`: LoCoMo's F1; both in [0, 1].

    `cited`: whether a turn that the answer rests on is one of the question's evidence turns.
    """

    conversation: str
    question: Question
    answer: str
    selected: tuple[str, ...]
    scores: mem0.Scores
    own: float
    cited: bool
    test: bool


async def answers(
    conversations: Sequence[Conversation],
    models: Models = RULES,
    *,
    embedder: Embedder | None = None,
    store: Store | None = None,
) -> list[Outcome]:
    """Remember each conversation in a bank of its own, ask all its questions, score the answers.

    `store` (in memory unless given) keeps the banks, named by conversation; turns that it knows already cost nothing.
    Raises InputError when NLTK's data is missing, and what the graphs raise.
    """
    mem0.score("a", "a")  # the metric's needs, before the work
    own = store is None
    place = store or InMemoryStore()
    agent = build_agent(place, embedder, models)
    try:
        return [outcome for one in conversations for outcome in await _converse(agent, one)]
    finally:
        await agent.close()
        if own:
            await place.close()


async def _converse(agent: Agent, conversation: Conversation) -> list[Outcome]:
    for turn in conversation.turns:
        await agent.learn(turn, conversation.id)
    asked = [question for question in conversation.questions if not question.unanswerable]
    return [await _ask(agent, conversation, question) for question in asked]


async def _ask(agent: Agent, conversation: Conversation, question: Question) -> Outcome:
    found = await agent.ask(question.text, conversation.id, question.asked)
    text = found.answer.text
    return Outcome(
        conversation.id,
        question,
        text,
        found.answer.selected,
        mem0.score(text, question.answer),
        locomo.f1(text, question.answer, question.category),
        bool(set(found.turns) & set(question.evidence)),
        conversation.id not in TRAIN + VALIDATION,
    )


def table(outcomes: Sequence[Outcome]) -> Table:
    """Means in percent by split and category; "overall" is the plain mean over a split's questions."""
    rows: list[tuple[str | int | float, ...]] = []
    for split, test in (("tuning", False), ("test", True)):
        mine = [outcome for outcome in outcomes if outcome.test is test]
        for category in CATEGORIES.values():
            if part := [outcome for outcome in mine if outcome.question.category == category]:
                rows.append((split, category, *_means(part)))
        if mine:
            rows.append((split, "overall", *_means(mine)))
    note = "LoCoMo's questions without category 5, answered from memory; percent, Mem0's convention unless named"
    return Table("answers", note, COLUMNS, rows)


def _means(part: Sequence[Outcome]) -> tuple[int | float, ...]:
    columns: Iterable[list[float]] = (
        [outcome.scores.f1 for outcome in part],
        [outcome.scores.bleu1 for outcome in part],
        [outcome.scores.em for outcome in part],
        [outcome.own for outcome in part],
        [float(outcome.cited) for outcome in part],
    )
    return (len(part), *(round(100 * sum(column) / len(part), 1) for column in columns))
