"""Recall of evidence: how many of the turns that answer a question are among what a system found for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def recall(found: Sequence[Sequence[str]], evidence: Iterable[str], cuts: Sequence[int]) -> dict[str, float] | None:
    """Recall at each k of `cuts`: |evidence turns that the best k items name| / |evidence turns|, by k as text.

    `found`: the turn ids that each item comes from, the best item first. An item counts for every evidence turn that
    it names, and takes one place whether it names none or ten: k counts what is put before the answerer. An evidence
    turn counts once. None where `evidence` is empty: such a question has no recall, it isn't 0 or 1.
    """
    wanted = frozenset(evidence)
    if not wanted:
        return None
    places: dict[str, int] = {}
    for place, turns in enumerate(found):
        for turn in wanted.intersection(turns):
            places.setdefault(turn, place)
    return {str(cut): sum(place < cut for place in places.values()) / len(wanted) for cut in cuts}
