"""Which failures of an HTTP endpoint may pass: one rule for chat models and embedders."""

from __future__ import annotations

_PASSING = frozenset({408, 409, 425, 429})


def passes(status: int) -> bool:
    """Whether the same request may succeed later: time-outs, conflicts, too many requests, and all of 5xx."""
    return status in _PASSING or status >= 500
