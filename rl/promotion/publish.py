"""Publishes a weighed candidate if it beats the policy in use by a margin, and records why, or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from memory_r1.graphs.policies.registry import Registry
from memory_r1.graphs.policies.types import Decision, Policy, Verdict, read_candidate, withdrawn
from memory_r1.memory.errors import InputError
from memory_r1.rl.promotion.weigh import Score, Weighed

_EXACT = 1e-9
"""Means of equal scores differ by less."""


def publish(  # noqa: PLR0913, PLR0917 - what a decision rests on
    registry: str | Path,
    candidate: Mapping[str, str],
    weighed: Weighed | None,
    margin: float,
    source: str,
    when: datetime,
    reason: str = "",
) -> Decision:
    """Put `candidate` in use, copied into a version, if it scored at least `margin` more than the policy in use.

    `weighed`: by `weigh`, of this candidate against the policy that is in use still; None promotes without a score, for
    a `reason`. The first policy is published against nothing. What is in use already stays, and what was rolled back
    comes back only without a score. The log has the decision either way. `margin`: a difference of the metric, in
    [-1, 1]. `source`: who publishes, as the name of a flow's run. The same call after a crash ends the same.

    Raises InputError, SettingsError, PolicyError, and StoreUnavailableError when the disk refuses; nothing is decided
    then.
    """
    if weighed is None and not reason.strip():
        raise InputError("a promotion without a score needs a reason: give one")
    if not -1 <= margin <= 1:
        raise InputError(f"margin {margin!r} is not in [-1, 1]: it is a difference of means, as 0.01 of 1 %")
    shelf, asked = Registry(Path(registry).expanduser().absolute()), read_candidate(candidate)
    if weighed is not None and weighed.candidate != asked.digest:
        raise InputError("what was weighed is not this candidate: its files or models changed since, weigh it again")
    scores = weighed.data() if weighed else {}
    known, before = shelf.find(asked.digest), shelf.decisions()
    last = next((one for one in reversed(before) if one.kind != "kept"), None)
    if weighed and known and last and last.promoted and (last.version, last.scores) == (known.id, scores):
        return last
    previous = last.version if last else ""
    case = _Case(known, asked.digest, weighed, margin, reason)
    if known is None and not case.objection(previous, before):
        case = _Case(shelf.store(asked, source, scores, when), asked.digest, weighed, margin, reason)
    return shelf.decide(case.verdict, when, source)


@dataclass(frozen=True, slots=True)
class _Case:
    """A candidate to be decided on. `policy`: its version, None while it has none."""

    policy: Policy | None
    digest: str
    weighed: Weighed | None
    margin: float
    reason: str

    def verdict(self, previous: str, before: Sequence[Decision]) -> Verdict:
        """What to do while `previous` is in use."""
        scores = self.weighed.data() if self.weighed else {}
        margin = self.margin if self.weighed else None
        objection = self.objection(previous, before)
        if objection or self.policy is None:
            why = objection or "another policy was put in use meanwhile: weigh it again"
            return Verdict("kept", previous, why, self.digest, scores, margin)
        why = _compared(self.weighed) if self.weighed else self.reason
        return Verdict("promoted", self.policy.id, why, self.digest, scores, margin)

    def objection(self, previous: str, before: Sequence[Decision]) -> str:
        """Why the policy `previous` stays in use; "" where it doesn't."""
        if self.policy is not None and self.policy.id == previous:
            return f"{previous} is in use already"
        if self.weighed is None:
            return ""
        if self.weighed.in_use != previous:
            was, now = self.weighed.in_use or "nothing", previous or "nothing"
            return f"it was weighed against {was}, and {now} is in use now: weigh it again"
        back = withdrawn(self.policy.id, before) if self.policy else None
        if back is not None:
            return (
                f"{back.previous} was rolled back on {back.when:%Y-%m-%d} ({back.reason}): only `memory-r1 policy "
                f"promote --force` brings it back"
            )
        gap = self.weighed.difference
        if gap is not None and gap.mean < self.margin - _EXACT:
            return f"{_compared(self.weighed)}; less than the margin of {100 * self.margin:.1f}"
        return ""


def _compared(weighed: Weighed) -> str:
    """As "em 54.2 % against 51.0 % of v0001-… on 60 questions: +3.2 points (95 % interval +0.4 to +6.0)"."""
    asked = f"on {weighed.questions} questions about {weighed.conversations} conversations"
    ours = f"{weighed.trial.metric} {100 * weighed.candidate_score.mean:.1f} %"
    if weighed.in_use_score is None or weighed.difference is None:
        return f"the first policy, with none to compare it with: {ours} {asked}"
    theirs = f"{100 * weighed.in_use_score.mean:.1f} % of {weighed.in_use}"
    return f"{ours} against {theirs} {asked}: {_gap(weighed.difference)}"


def _gap(gap: Score) -> str:
    points = f"{100 * gap.mean:+.1f} points"
    if gap.low is None or gap.high is None:
        return points
    return f"{points} (95 % interval {100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
