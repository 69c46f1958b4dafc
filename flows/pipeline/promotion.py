"""The task that weighs a trained policy against the one in use, and puts it in use if it is better by a margin."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from prefect import get_run_logger, task
from prefect.runtime import flow_run

from memory_r1.flows.pipeline.artifacts import show_decision
from memory_r1.flows.pipeline.work import may_pass
from memory_r1.graphs.policies.types import Decision
from memory_r1.memory.settings import load_settings
from memory_r1.rl.promotion.publish import publish
from memory_r1.rl.promotion.weigh import Trial, Weighed, weigh


@task(name="weigh", retries=3, retry_delay_seconds=[10, 60, 300], retry_condition_fn=may_pass)
def weighed(candidate: Mapping[str, str], trial: Trial) -> Weighed:
    """Score the candidate and the policy in use on the same held-out questions."""
    settings = load_settings({})
    out = settings.runs_path / "promotion"
    key = settings.api_key.get_secret_value()
    return asyncio.run(weigh(settings.policies_path, candidate, out, trial, key))


@task(name="promote")
def promote(candidate: Mapping[str, str], found: Weighed, margin: float) -> Decision:
    """Put the candidate in use if it scored at least `margin` more; record why, or why not."""
    source = f"flow run {flow_run.get_name()}"
    decision = publish(load_settings({}).policies_path, candidate, found, margin, source, datetime.now(UTC))
    get_run_logger().info("%s: %s", decision.kind, decision.reason)
    show_decision(_shown(decision, found))
    return decision


def _shown(decision: Decision, found: Weighed) -> dict[str, Any]:
    """The decision beside what it rests on."""
    scores = {"candidate": found.candidate_score, "in use": found.in_use_score, "difference": found.difference}
    told = {name: "none" if score is None else asdict(score) for name, score in scores.items()}
    return {
        "decision": decision.kind, "version": decision.version, "before": decision.previous or "none",
        "reason": decision.reason, **told, "questions": found.questions, "folder": found.folder,
    }  # fmt: skip
