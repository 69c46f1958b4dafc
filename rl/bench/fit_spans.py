"""Fits the weights of the rules' span reader (`graphs.rules.weights`) on LoCoMo's conv-26 and conv-30.

    python -m memory_r1.rl.bench.fit_spans ../shared/data/locomo/locomo10.json

Two kinds of examples: the conversations' own questions, and questions made of their `observation`s (statements with
their evidence turns) by leaving a phrase out. Both are searched in a bank that the rules built. Each word of the first
passages is a case: is it in the gold answer? Logistic regression, L2.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory_r1.graphs.build import Agent, build_agent
from memory_r1.graphs.rules.features import Features, echoes, features
from memory_r1.graphs.rules.kinds import RULES
from memory_r1.graphs.rules.lexis import CONTENT, OPENERS, word_class
from memory_r1.graphs.rules.question import Asked
from memory_r1.graphs.rules.spans import take_apart
from memory_r1.graphs.rules.text import words
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.rl.metrics import mem0
from memory_r1.rl.tasks.locomo import TRAIN, VALIDATION, load_locomo
from memory_r1.rl.tasks.types import Conversation, Question

L2 = 3.0
MADE = 0.4
"""What a made question counts against a real one."""
PER_QUESTION = 120.0
"""The weight that a question's words share, so that long passages don't count for more."""
RARE = 20
"""Words that must show a feature before it gets a weight."""
_TURN = re.compile(r"D\d+:\d+")

Floats = NDArray[np.float64]
Case = tuple[list[Features], list[bool], float]
"""One question's words: their features, whether each is in the gold answer, the weight of each."""


async def fit(
    conversations: Iterable[Conversation], observations: Mapping[str, Any], l2: float = L2
) -> dict[str, float]:
    """The weights by name, fitted on those `conversations` that are not for testing.

    `observations`: each conversation's "observation" in LoCoMo's file, by its id.
    """
    real: list[Case] = []
    made: list[Case] = []
    for conversation in conversations:
        if conversation.id in TRAIN + VALIDATION:
            agent = build_agent(InMemoryStore())
            for turn in conversation.turns:
                await agent.learn(turn, conversation.id)
            real += await _cases(agent, conversation, [q for q in conversation.questions if not q.unanswerable], 1.0)
            left_out = list(leave_out(observations[conversation.id], conversation, random.Random(7)))
            made += await _cases(agent, conversation, left_out, MADE)
            await agent.store.close()
    counts = Counter(name for rows, _, _ in real for row in rows for name in row)
    names = ["bias", *sorted(name for name, count in counts.items() if count >= RARE and name != "bias")]
    return dict(zip(names, _regress([*real, *made], names, l2), strict=True))


async def _cases(agent: Agent, conversation: Conversation, questions: Iterable[Question], weight: float) -> list[Case]:
    """The words of the passages that a search for each question finds; questions that a rule answers left out."""
    cases: list[Case] = []
    for question in questions:
        asked = Asked.read(question.text, conversation.speakers)
        hits = await agent.store.search(conversation.id, question.text, agent.embedder)
        rule = RULES.get(asked.kind)
        if hits and rule and rule(asked, hits):
            continue
        passages, rarity = take_apart(asked, hits)
        echo, gold = echoes(passages), mem0.tokens(question.answer)
        rows = [row for at in range(len(passages)) for row in features(asked, passages, at, rarity, echo)]
        told = [word.low in gold for part in passages for word in part.words]
        if rows:
            cases.append((rows, told, weight * PER_QUESTION / len(rows)))
    return cases


def leave_out(observation: dict[str, Any], conversation: Conversation, chance: random.Random) -> Iterator[Question]:
    """Questions made of statements: up to two for each, whose answer is the phrase left out."""
    said = {turn.id: {word.lower() for word in words(turn.text)} for turn in conversation.turns}
    names = {name.lower() for name in conversation.speakers}
    for session in observation.values():
        for who, statements in session.items():
            for text, evidence in statements:
                ids = [id for id in _TURN.findall(str(evidence)) if id in said]
                heard = {word for id in ids for word in said[id]}
                found = words(text)
                phrases = [p for p in _phrases(found) if _answers(found[p[0] : p[1]], heard, names)]
                chance.shuffle(phrases)
                for first, end in phrases[:2]:
                    rest = [word for word in found[max(0, first - 6) : first] + found[end : end + 3] if word != who]
                    asked = _asks(found, first, chance)
                    question = f"{asked} {who} {' '.join(rest)}?"
                    yield Question(question, question, " ".join(found[first:end]), "single-hop", tuple(ids))


def _phrases(found: Sequence[str]) -> list[tuple[int, int]]:
    """Where a phrase of at most 7 words begins and ends: it starts at a boundary and ends before one."""
    kinds = [word_class(word, at == 0) for at, word in enumerate(found)]
    phrases: list[tuple[int, int]] = []
    for first in range(1, len(found)):
        opens = found[first].lower() in OPENERS
        if (not opens and kinds[first] not in CONTENT) or (
            kinds[first - 1] in CONTENT and kinds[first] not in ("to", "article", "possessive")
        ):
            continue
        for end in range(first + 1, min(len(found), first + 7) + 1):
            if kinds[end - 1] in CONTENT and (end == len(found) or kinds[end] not in CONTENT):
                phrases.append((first, end))
    return phrases


def _answers(phrase: Sequence[str], heard: set[str], names: set[str]) -> bool:
    """Whether most of a phrase was said in the evidence, and none of it is a speaker's name."""
    low = [word.lower() for word in phrase]
    content = [word for word, at in zip(low, phrase, strict=True) if word_class(at, False) in CONTENT]
    named = any(word.removesuffix("'s") in names for word in low)
    return not named and sum(word in heard for word in content) >= 0.6 * len(content)


def _asks(found: Sequence[str], first: int, chance: random.Random) -> str:
    before, start = found[first - 1].lower(), found[first].lower()
    if (start == "to" and chance.random() < 0.5) or before in ("because", "for"):
        return "Why"
    if before in ("in", "at") and found[first][0].isupper():
        return "Where"
    return "What"


def _regress(cases: Sequence[Case], names: Sequence[str], l2: float, steps: int = 15) -> list[float]:
    """Logistic regression by Newton's method; the bias ("bias", the first name) is all but free."""
    place = {name: at for at, name in enumerate(names)}
    total = sum(len(rows) for rows, _, _ in cases)
    x: Floats = np.zeros((total, len(names)))
    y = np.array([told for _, case, _ in cases for told in case], dtype=float)
    weight = np.concatenate([np.full(len(rows), share) for rows, _, share in cases])
    for at, row in enumerate(row for rows, _, _ in cases for row in rows):
        for name, value in row.items():
            if name in place:
                x[at, place[name]] = value
    penalty = np.diag([1e-3, *[l2] * (len(names) - 1)])
    beta: Floats = np.zeros(len(names))
    for _ in range(steps):
        p = 1 / (1 + np.exp(-x @ beta))
        slope = x.T @ (weight * (p - y)) + penalty @ beta
        curve = (x * (weight * p * (1 - p))[:, None]).T @ x + penalty
        beta -= np.linalg.solve(curve, slope)
    return [float(value) for value in beta]


def main() -> None:
    """Write the weights of the file named on the command line as `graphs/rules/weights.py` holds them."""
    path = Path(sys.argv[1])
    conversations = load_locomo(path)
    data: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    found = asyncio.run(fit(conversations, {sample["sample_id"]: sample["observation"] for sample in data}))
    kept = {name: round(value, 2) for name, value in sorted(found.items()) if abs(value) >= 0.005}
    sys.stdout.write("SPAN: dict[str, float] = {\n")
    for name, value in kept.items():
        quoted = f"'{name}'" if '"' in name else f'"{name}"'
        sys.stdout.write(f"    {quoted}: {value:.2f},\n")
    sys.stdout.write("}\n")


if __name__ == "__main__":
    main()
