"""Episodes become training samples: the tokens of each call as they were sampled, beside the record of its decision.

Pure: no verl here. A decision for which the graph asked nobody (exact repeats, no facts) is no sample. One whose prompt
was too long is: it has no tokens to learn from, but it counts as malformed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memory_r1.graphs.completers import Completion
from memory_r1.rl.rollouts.baselines import Baselines
from memory_r1.rl.rollouts.types import AnswererRow, Decision, Episode, ManagerRow, Record, Row


@dataclass(frozen=True, slots=True)
class Sample:
    """One call of the policy and what came of it. `call` is None where it had no say (its prompt was too long)."""

    call: Completion | None
    record: Record


def samples_of(row: Row, episode: Episode, baselines: Baselines) -> list[Sample]:
    """The samples of `episode`, a run of `row`, in the order of its decisions; the first carries the seconds."""
    found: list[Sample] = []
    for decision in episode.decisions:
        if decision.call is not None or decision.outcome.malformed:
            record = _record(row, decision, episode if not found else None, baselines)
            found.append(Sample(decision.call, record))
    return found


def lost_record(row: str) -> Record:
    """The record of a rollout of row `row` that failed for good: no reward; its sample is masked."""
    return Record(row=row, group="", reward=0.0, lost=True)


def _record(row: Row, decision: Decision, episode: Episode | None, baselines: Baselines) -> Record:
    seconds = episode.seconds if episode else None
    return Record(
        row=row.id,
        group=decision.group,
        reward=decision.reward,
        parts=dict(decision.parts),
        operations=() if decision.outcome.malformed else tuple(operation.kind for operation in decision.operations),
        right=tuple(operation.kind for operation in decision.right or ()),
        category=_category(row, decision),
        malformed=decision.outcome.malformed,
        truncated=decision.call is not None and not decision.call.ended,
        rewarded=bool(decision.outcome.replies or decision.outcome.malformed),
        noop_reward=baselines.noop,
        oracle_reward=baselines.oracle,
        generation_s=seconds.generation if seconds else 0.0,
        answering_s=seconds.answering if seconds else 0.0,
        environment_s=seconds.environment if seconds else 0.0,
    )


def _category(row: Row, decision: Decision) -> str:
    """The one category of the questions that the decision was rewarded by: its turn's own, else all of them."""
    if isinstance(row, AnswererRow):
        return row.question.category
    asked = [reply.question for reply in decision.outcome.replies]
    own = [question for question in asked if _turn(row, decision) in question.evidence]
    return _one([question.category for question in own or asked])


def _turn(row: ManagerRow, decision: Decision) -> str:
    return row.steps[decision.step].turn.id


def _one(names: Sequence[str]) -> str:
    return names[0] if len(set(names)) == 1 else ""
