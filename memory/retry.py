"""Which failures of an HTTP endpoint may pass, and how long it is tried: the rules for chat models and embedders."""

from __future__ import annotations

from dataclasses import dataclass

_PASSING = frozenset({408, 409, 425, 429})


def passes(status: int) -> bool:
    """Whether the same request may succeed later: time-outs, conflicts, too many requests, and all of 5xx."""
    return status in _PASSING or status >= 500


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an endpoint that fails is tried: `tries` of at most `timeout` seconds each.

    Between them it is left alone for `first` seconds, doubled each time, or for what its Retry-After asks if that is
    more, but never for more than `longest`.
    """

    tries: int = 5
    first: float = 0.5
    longest: float = 30.0
    timeout: float = 60.0

    def after(self, failed: int, asked: str = "") -> float:
        """The seconds to wait after try number `failed` (1, 2, …); `asked`: Retry-After, of which dates don't count."""
        doubled = self.first * 2 ** min(failed - 1, 60)
        return min(max(doubled, float(asked) if asked.isdecimal() else 0.0), self.longest)
