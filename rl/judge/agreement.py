"""How far two judges agree beyond chance: Cohen's kappa.

Source: J. Cohen, "A coefficient of agreement for nominal scales", 1960.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from memory_r1.rl.evaluation.records import VerdictRow
from memory_r1.rl.judge.judge import CORRECT, WRONG, same_answer

JUDGED = (CORRECT, WRONG)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two judges over the same answers.

    `table[one][other]`: answers to which `first` said `one` and `second` said `other`. `answers`: their number.
    `left_out`: those without two verdicts: UNUSABLE from one, judged by one only, or given anew between the two.
    `agreed`: share with the same verdict, None without answers. `kappa`: in [-1, 1], 1 when they always agree, 0 when
    no more than chance would have it; None, and `why`, where it isn't defined.
    """

    first: str
    second: str
    table: Mapping[str, Mapping[str, int]]
    answers: int
    left_out: int
    agreed: float | None
    kappa: float | None
    why: str = ""


def agreement(first: Sequence[VerdictRow], second: Sequence[VerdictRow]) -> Agreement:
    """How far the verdicts of two judges agree, matched by system and question."""
    ours, theirs = _by_place(first), _by_place(second)
    pairs = [
        (ours[place].label, theirs[place].label)
        for place in ours.keys() & theirs.keys()
        if same_answer(ours[place].key, theirs[place].key)
    ]
    counts = Counter(pair for pair in pairs if set(pair) <= set(JUDGED))
    table = {one: {other: counts[one, other] for other in JUDGED} for one in JUDGED}
    answers = counts.total()
    agreed = sum(table[label][label] for label in JUDGED) / answers if answers else None
    value, why = kappa(table)
    left_out = len(ours.keys() | theirs.keys()) - answers
    return Agreement(_judge(first), _judge(second), table, answers, left_out, agreed, value, why)


def kappa(table: Mapping[str, Mapping[str, int]]) -> tuple[float | None, str]:
    """Cohen's kappa of a square table of counts, (observed - expected) / (1 - expected); or None and why not."""
    total = sum(sum(row.values()) for row in table.values())
    if not total:
        return None, "no answer has a verdict of both"
    observed = sum(table[label][label] for label in table) / total
    expected = sum(sum(table[label].values()) * sum(row[label] for row in table.values()) for label in table) / total**2
    if expected == 1:
        return None, "both gave every answer the same verdict, so chance alone would agree as often"
    return (observed - expected) / (1 - expected), ""


def agreements(judges: Iterable[Sequence[VerdictRow]]) -> list[Agreement]:
    """The agreement of each pair of `judges`, each given by its verdicts."""
    return [agreement(first, second) for first, second in combinations(judges, 2)]


def _by_place(rows: Sequence[VerdictRow]) -> dict[tuple[str, str], VerdictRow]:
    return {(row.system, row.question_id): row for row in rows}


def _judge(rows: Sequence[VerdictRow]) -> str:
    return rows[0].judge if rows else ""
