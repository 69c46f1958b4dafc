"""How sure a mean is: bootstrap intervals that take conversations, not questions, as what was sampled.

Questions about one conversation share its memories, so their scores aren't independent. Whole conversations are drawn
with replacement, as many as there are; the statistic is the mean over the questions drawn; the interval runs between
the percentiles of its resamples. (Cameron, Gelbach and Miller 2008, section III, call it the pairs cluster bootstrap.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.errors import InputError

Floats = NDArray[np.float64]

_CHUNK = 1 << 20
"""Draws held at once, so that many clusters need no more memory."""


class Interval(NamedTuple):
    """A mean and its interval; `low` and `high` are None where one cluster alone can't tell how means would vary."""

    mean: float
    low: float | None
    high: float | None


def interval(
    values: Sequence[float], clusters: Sequence[str], *, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The mean of `values` and the interval that holds it with probability `level`.

    `clusters[i]`: the conversation of `values[i]`; their order makes no difference. The same arguments give the same
    interval, on any machine and version of numpy. Few clusters give too narrow an interval: of normal values in
    clusters, the 95 % interval held the true mean 87 % of the time for 8 conversations, 92 % for 20 and 95 % for 50
    (1,000 trials; `tests/rl/test_metrics_bootstrap.py` has them). Raises InputError without values, or when `clusters`
    are more or fewer.
    """
    if len(values) != len(clusters):
        raise InputError(f"{len(values)} values have {len(clusters)} clusters: give one for each value")
    order = {name: place for place, name in enumerate(sorted(set(clusters)))}
    places = np.array([order[name] for name in clusters], dtype=np.int64)
    sums = np.bincount(places, np.asarray(values, dtype=np.float64)).astype(np.float64)
    return from_sums(sums, np.bincount(places), resamples=resamples, seed=seed, level=level)


def paired(
    ours: Sequence[float], theirs: Sequence[float], clusters: Sequence[str], *, resamples: int = 2000, seed: int = 0,
    level: float = 0.95,
) -> Interval:  # fmt: skip
    """The mean difference `ours - theirs` on the same questions, with its interval (see `interval`).

    An interval without 0 says that the two systems differ, whichever conversations were taken. Raises InputError when
    the two don't have a value for each question.
    """
    if len(ours) != len(theirs):
        raise InputError(f"{len(ours)} values can't be paired with {len(theirs)}: give both for the same questions")
    gaps = (np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)).tolist()
    return interval(gaps, clusters, resamples=resamples, seed=seed, level=level)


def from_sums(
    sums: Sequence[float] | Floats, counts: Sequence[int] | NDArray[np.int64], *, resamples: int = 2000, seed: int = 0,
    level: float = 0.95,
) -> Interval:  # fmt: skip
    """`interval` of what is known by cluster only: `sums[c]` of its values, `counts[c]` of them."""
    total, number = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if not number.sum():
        raise InputError("there is no value to take the mean of")
    mean = float(total.sum() / number.sum())
    if len(total) < 2:
        return Interval(mean, None, None)
    means = _resampled(total, number, resamples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))


def _resampled(sums: Floats, counts: Floats, resamples: int, seed: int) -> Floats:
    """The means of the resamples. numpy promises that RandomState's numbers never change, unlike its successor's."""
    size = len(sums)
    random = np.random.RandomState(seed)
    means: list[Floats] = []
    for start in range(0, resamples, max(1, _CHUNK // size)):
        rows = min(max(1, _CHUNK // size), resamples - start)
        drawn = random.randint(0, size, (rows, size), dtype=np.int64)
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)
