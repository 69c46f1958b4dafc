"""What tells whether a word belongs to the answer: the features of the span reader's linear model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from memory_r1.graphs.rules.lexis import meanings
from memory_r1.graphs.rules.passage import Passage, Rarity
from memory_r1.graphs.rules.question import Asked
from memory_r1.graphs.rules.text import CHIT_CHAT

Features = dict[str, float]
"""Name to value; what is absent is 0."""

STEEP = 8.0
"""How fast a passage's weight falls with its score: exp(-8) for one that scores nothing."""
_FAR = 99
_LISTED = frozenset("and to the a of in her his for with".split())
_REASONS = frozenset("because since so to for cause cuz 'cause as".split())
_PURPOSE = frozenset("because to since for".split())


def features(
    asked: Asked, passages: Sequence[Passage], at: int, rarity: Rarity, echo: dict[str, float]
) -> list[Features]:
    """The features of each word of `passages[at]`. `echo`: see `echoes`."""
    passage = passages[at]
    common = _common(passage, at)
    left, right = _distances(passage)
    rows: list[Features] = []
    for i, word in enumerate(passage.words):
        row = common.copy()
        row.update(_place(passage, i, left[i], right[i]))
        row.update(_kind(asked, passage, i))
        if word.content:
            row.update(_content(asked, passage, i, rarity, echo))
            row.update(_weighed(row, common["weight"], min(left[i], right[i])))
            if asked.of_a_kind and right[i] == 1:
                row["of a kind, before match"] = 1
        elif min(left[i], right[i]) <= 2:
            row["function near"] = 1
        rows.append(row)
    return rows


def _common(passage: Passage, at: int) -> Features:
    """What all words of the passage in place `at` share."""
    weight = math.exp(STEEP * (passage.score - 1))
    common: Features = {"bias": 1, "weight": weight, "reply": passage.reply, "reply*weight": passage.reply * weight}
    if at == 0:
        common["first passage"] = 1
    if passage.photo:
        common["photo"] = 1
    return common


def _weighed(row: Features, weight: float, distance: int) -> Iterator[tuple[str, float]]:
    """Features that count by their passage's weight."""
    yield "content*weight", weight
    if distance <= 3:
        yield "near*weight", weight
    if row.get("means focus"):
        yield "means focus*weight", weight


def echoes(passages: Sequence[Passage]) -> dict[str, float]:
    """How often each root stands in the passages, each counted by its weight."""
    found: dict[str, float] = {}
    for passage in passages:
        weight = math.exp(STEEP * (passage.score - 1))
        for root in {word.root for word in passage.words}:
            found[root] = found.get(root, 0.0) + weight
    return found


def _distances(passage: Passage) -> tuple[list[int], list[int]]:
    """For each word, how many words before and after it the next match of the question stands."""
    places = [i for i, word in enumerate(passage.words) if word.matches]
    size = range(len(passage.words))
    left = [min((i - p for p in places if p < i), default=_FAR) for i in size]
    right = [min((p - i for p in places if p > i), default=_FAR) for i in size]
    return left, right


def _step(distance: int) -> str:
    return "1" if distance == 1 else "2" if distance == 2 else "4" if distance <= 4 else "8" if distance <= 8 else ""


def _place(passage: Passage, at: int, left: int, right: int) -> Iterator[tuple[str, float]]:
    if step := _step(left):
        yield f"after match {step}", 1
    if step := _step(right):
        yield f"before match {step}", 1
    if at < 8:
        yield "reply, early", passage.reply


def _kind(asked: Asked, passage: Passage, at: int) -> Iterator[tuple[str, float]]:
    word = passage.words[at]
    yield word.kind, 1
    yield f"{word.kind}, {asked.shape}", 1
    if word.low in _LISTED:
        yield f'"{word.low}"', 1
    if word.dated:
        yield "in a date", 1
    if asked.kind == "why":
        if any(passage.words[i].low in _REASONS for i in range(max(0, at - 8), at)):
            yield "after a reason", 1
        if word.low in _PURPOSE:
            yield "a reason", 1


def _content(
    asked: Asked, passage: Passage, at: int, rarity: Rarity, echo: dict[str, float]
) -> Iterator[tuple[str, float]]:
    word = passage.words[at]
    before = passage.words[at - 1].kind if at else "start"
    yield "content", 1
    yield "rarity", rarity.of(word.root) / 5
    yield "length", min(len(word.low), 12) / 10
    yield f"follows {before}", 1
    if word.matches:
        yield "match", 1
        yield f"match, {asked.shape}", 1
        if asked.of_a_kind:
            yield "match, of a kind", 1
    else:
        yield "echo", math.log1p(echo.get(word.root, 0.0))
        if meanings(word.root) & asked.meant:
            yield "means", 1
    if meanings(word.root) & asked.focus_meant and word.root not in asked.focus:
        yield "means focus", 1
    flags = {
        "has meaning": bool(meanings(word.root)),
        "name asked about": word.low.removesuffix("'s") in asked.names,
        "small talk": word.low in CHIT_CHAT,
        "plural": word.low.endswith("s"),
        "quoted": word.quoted,
        "quoted, titled": word.quoted and asked.titled,
        "name, titled": word.kind == "name" and asked.titled,
    }
    yield from ((name, 1) for name, holds in flags.items() if holds)
    yield from _for_kind(asked, passage, at)


def _for_kind(asked: Asked, passage: Passage, at: int) -> Iterator[tuple[str, float]]:
    kinds = [w.kind for w in passage.words[max(0, at - 2) : at]]
    placed = kinds[-1:] == ["preposition"] or (kinds[:1] == ["preposition"] and kinds[-1] in ("article", "possessive"))
    if asked.kind in ("where", "who"):
        if passage.words[at].kind == "name":
            yield f"name, {asked.kind}", 1
        if placed:
            yield f"placed, {asked.kind}", 1
    if asked.kind in ("many", "long", "often"):
        if passage.words[at].kind == "number":
            yield "number asked for", 1
        if kinds[-1:] == ["number"]:
            yield "unit asked for", 1
    if asked.shape == "deed" and passage.words[at].kind in ("ed", "ing"):
        yield "deed asked for", 1
