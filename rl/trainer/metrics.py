"""What a step did, as numbers by name: from the records of its decisions. Pure; lost rollouts count in `lost` alone.

reward/mean, reward/<operation>, reward/category/<name>, part/<name>     means over decisions that could earn one
groups/with_signal          share of the groups of two or more in which rewards differ
baseline/noop, baseline/oracle    what always-NOOP and the oracle earn on the same rows
malformed, truncated        shares of decisions
lost                        share of rollouts
operation/<kind>            share of the operations that were chosen
right/<kind>                of the decisions for which one kind is right: share that chose that kind alone
response_tokens, decisions, groups
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

from memory_r1.rl.rollouts.types import Record

PREFIX = "memory_r1/"
SEVERAL = "several"
"""The operation of a decision that has several kinds."""
UPDATES = (
    "old_log_prob", "ref", "values", "adv", "update_critic", "update_actor", "update_weights",
)  # fmt: skip
"""verl's phases of a step after sampling."""


def step_metrics(records: Sequence[Record], rollouts: int, lost: int, prefix: str = PREFIX) -> dict[str, float]:
    """The metrics of one step. `rollouts`: how many were run, of which `lost` failed for good."""
    kept = [record for record in records if not record.lost]
    found: dict[str, float] = {"lost": lost / rollouts if rollouts else 0.0, "decisions": float(len(kept))}
    if kept:
        rewarded = [record for record in kept if record.rewarded]
        found |= _rewards(rewarded) | _signal(rewarded) | _baselines(kept) | _operations(kept)
        found["malformed"] = fmean(record.malformed > 0 for record in kept)
        found["truncated"] = fmean(record.truncated for record in kept)
    return {prefix + name: value for name, value in found.items()}


def second_metrics(
    records: Sequence[Record], timing: Mapping[str, float], workers: int = 1, prefix: str = PREFIX
) -> dict[str, float]:
    """Where the wall seconds of a step went, saving apart. `timing`: verl's, by phase ("step" is all).

    generation, answering: in which models were called, as `rollouts.clocks` divides them: the mean over the `workers`,
    the processes that roll out. update: verl's phases from the log probabilities to the new weights. environment: all
    the rest, in which no model was at work: graphs, banks, rewards, and verl's queue and dispatch. environment_cpu: the
    processor seconds that rollouts took of a worker; a part of them passes while models are at work.
    """
    found = {
        "generation": sum(record.generation_s for record in records) / workers,
        "answering": sum(record.answering_s for record in records) / workers,
        "update": sum(timing.get(phase, 0.0) for phase in UPDATES),
    }
    rest = timing.get("step", 0.0) - timing.get("save_checkpoint", 0.0) - sum(found.values())
    found["environment"] = max(0.0, rest)
    found["environment_cpu"] = sum(record.environment_s for record in records) / workers
    return {f"{prefix}seconds/{name}": value for name, value in found.items()}


def operation_of(record: Record) -> str:
    """The operation that a decision counts for: the right one where it is known, else the one chosen; "" for none."""
    kinds = set(record.right or record.operations)
    acting = kinds - {"noop"} or kinds
    return next(iter(acting), "") if len(acting) < 2 else SEVERAL


def _rewards(records: Sequence[Record]) -> dict[str, float]:
    found = {"reward/mean": fmean(record.reward for record in records)} if records else {}
    found |= _by("reward/", records, operation_of)
    found |= _by("reward/category/", records, lambda record: record.category)
    parts: dict[str, list[float]] = {}
    for record in records:
        for name, value in record.parts.items():
            parts.setdefault(name, []).append(value)
    return found | {f"part/{name}": fmean(values) for name, values in sorted(parts.items())}


def _by(prefix: str, records: Iterable[Record], key: Callable[[Record], str]) -> dict[str, float]:
    """The mean reward by what `key` says of a record; "" counts nowhere."""
    rewards: dict[str, list[float]] = {}
    for record in records:
        if key(record):
            rewards.setdefault(key(record), []).append(record.reward)
    return {prefix + name: fmean(values) for name, values in sorted(rewards.items())}


def _signal(records: Sequence[Record]) -> dict[str, float]:
    groups: dict[str, list[float]] = {}
    for record in records:
        groups.setdefault(record.group, []).append(record.reward)
    compared = [rewards for rewards in groups.values() if len(rewards) > 1]
    found = {"groups": float(len(groups))}
    if compared:
        found["groups/with_signal"] = fmean(max(rewards) - min(rewards) > 1e-9 for rewards in compared)
    return found


def _baselines(records: Sequence[Record]) -> dict[str, float]:
    noop = [record.noop_reward for record in records if record.noop_reward is not None]
    oracle = [record.oracle_reward for record in records if record.oracle_reward is not None]
    return {f"baseline/{name}": fmean(values) for name, values in (("noop", noop), ("oracle", oracle)) if values}


def _operations(records: Sequence[Record]) -> dict[str, float]:
    chosen = [kind for record in records for kind in record.operations]
    found = {f"operation/{kind}": chosen.count(kind) / len(chosen) for kind in sorted(set(chosen))}
    hits: dict[str, list[bool]] = {}
    for record in records:
        if len(set(record.right)) == 1:
            hits.setdefault(record.right[0], []).append(set(record.operations) == set(record.right))
    return found | {f"right/{kind}": fmean(values) for kind, values in sorted(hits.items())}
