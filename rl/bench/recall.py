"""Recall of LoCoMo's evidence: does a search for the question find the turns that answer it?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from memory_r1.memory.analysis import index_text
from memory_r1.memory.embedders import Embedder, HashedEmbedder, Vectors
from memory_r1.memory.store import Store
from memory_r1.memory.types import Add, Turn, Write
from memory_r1.rl.bench.made import Table, opened
from memory_r1.rl.tasks.locomo import CATEGORIES, TRAIN, VALIDATION
from memory_r1.rl.tasks.types import Conversation, Question

CUTS = (10, 30, 60)
"""The sizes of the result at which recall is measured."""

_NOTE = (
    "share of a question's evidence turns among the best memories of a search for it, each turn stored as one memory; "
    "mean over questions, in percent (micro: over evidence turns); adversarial questions and those without evidence "
    "are left out. at 30+30: 60 memories, 30 of each speaker"
)


@dataclass(frozen=True, slots=True)
class Found:
    """How many of a question's `evidence` turns were among the best 10, 30, 60, and in the budget of 30 + 30."""

    question: Question
    test: bool
    best: tuple[int, int, int]
    budget: int


async def recall(
    conversations: Iterable[Conversation], embedder: Embedder | None = None, store: str = "memory"
) -> Table:
    """The recall of LoCoMo's evidence turns, by part and category.

    `store`: "memory", "sqlite", or a URL, whose banks are erased afterwards. `embedder`: the built-in one if None.
    """
    embedder = embedder or HashedEmbedder()
    found: list[Found] = []
    async with opened(store) as held:
        for conversation in conversations:
            bank = f"bench-recall-{conversation.id}"
            await store_turns(held, bank, conversation, embedder)
            try:
                found += await search_evidence(held, bank, conversation, embedder)
            finally:
                await held.erase_bank(bank)
    columns = ("part", "category", "questions", "evidence", "at_10", "at_30", "at_60", "at_30+30", "micro_10",
               "micro_30", "micro_60", "micro_30+30")  # fmt: skip
    return Table("recall", f"{embedder.name}: {_NOTE}", columns, _rows(found))


async def store_turns(store: Store, bank: str, conversation: Conversation, embedder: Embedder) -> None:
    """Store every turn of the conversation, caption and all, as one memory; a write for each session."""
    await store.open_bank(bank, embedder, conversation.turns[0].time)
    for session, group in groupby(conversation.turns, key=lambda turn: turn.session):
        await store.write(bank, *await turns_write(f"session:{session}", tuple(group), embedder))


async def turns_write(key: str, turns: Sequence[Turn], embedder: Embedder) -> tuple[Write, Vectors]:
    """The write that stores each of `turns`, one memory for each, and the memories' vectors."""
    adds = tuple(Add(said(turn), turn.speaker, (turn.id,)) for turn in turns)
    texts = [index_text(add.text, add.speaker, "", turn.time) for add, turn in zip(adds, turns, strict=True)]
    return Write(key, turns[-1].time, tuple(turns), adds), await embedder.embed(texts)


async def search_evidence(store: Store, bank: str, conversation: Conversation, embedder: Embedder) -> list[Found]:
    """Search for every question that has evidence and is not adversarial; one `Found` for each."""
    found: list[Found] = []
    for question in conversation.questions:
        if question.unanswerable or not question.evidence:
            continue
        wanted = set(question.evidence)
        hits = await store.search(bank, question.text, embedder, total=max(CUTS), per_speaker=None)
        turns = [hit.memory.turns[-1] for hit in hits]
        spent = await store.search(bank, question.text, embedder)
        budget = len(wanted.intersection(hit.memory.turns[-1] for hit in spent))
        ten, thirty, sixty = (len(wanted.intersection(turns[:cut])) for cut in CUTS)
        found.append(Found(question, conversation.id not in TRAIN + VALIDATION, (ten, thirty, sixty), budget))
    return found


def said(turn: Turn) -> str:
    """What was said in `turn`, its picture's caption included."""
    return f"{turn.text} [picture: {turn.caption}]" if turn.caption else turn.text


def _rows(found: Sequence[Found]) -> list[tuple[str | int | float, ...]]:
    rows: list[tuple[str | int | float, ...]] = []
    for test in (False, True):
        part = [one for one in found if one.test is test]
        for category in ("all", *CATEGORIES.values()):
            chosen = [one for one in part if category in ("all", one.question.category)]
            if chosen:
                rows.append(("test" if test else "tuned on", category, *_means(chosen)))
    return rows


def _means(found: Sequence[Found]) -> tuple[int | float, ...]:
    """Questions, evidence turns, then recall by question and by evidence turn, in percent."""
    sizes = [len(one.question.evidence) for one in found]
    counts = [(*one.best, one.budget) for one in found]
    macro = [sum(count[at] / size for count, size in zip(counts, sizes, strict=True)) / len(found) for at in range(4)]
    micro = [sum(count[at] for count in counts) / sum(sizes) for at in range(4)]
    return (len(found), sum(sizes), *(round(100 * value, 1) for value in (*macro, *micro)))
