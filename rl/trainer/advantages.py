"""Advantages for rollouts of several decisions: each decision is compared with those that met the same state.

verl's GRPO compares the last outputs of the rollouts of a prompt and gives each rollout's one advantage to all of its
outputs. A memory manager decides turn by turn, and what came of one turn says little about another. So every decision
is a row of its own here, with its own reward and its own group.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from verl.trainer.ppo.core_algos import register_adv_est

NAME = "grpo_decisions"
"""The estimator's name in `algorithm.adv_estimator`."""
EPSILON = 1e-6
"""Added to the standard deviation, as verl's GRPO does."""


@register_adv_est(NAME)
def grpo_decisions(
    token_level_rewards: torch.Tensor,
    response_mask: torch.Tensor,
    index: np.ndarray,
    config: Any = None,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`A = (r - mean) / (std + 1e-6)` within each group, on every token of the decision; the advantages, twice.

    token_level_rewards, response_mask: (rows, tokens); index: (rows,), the group of each row. A row whose mask is 0
    everywhere (a lost rollout, padding) is in no group: neither mean nor std sees it, and its advantage is 0. A group
    of one has nothing to be compared with: advantage 0. `config.norm_adv_by_std_in_grpo` false: no division.

    For groups of two or more and one decision a rollout it equals verl's `compute_grpo_outcome_advantage`.
    """
    by_std = True if config is None else bool(config.get("norm_adv_by_std_in_grpo", True))
    with torch.no_grad():
        kept = response_mask.sum(-1) > 0
        rewards = token_level_rewards.sum(-1)
        found = torch.zeros_like(rewards)
        for group in _groups(index, kept):
            scores = rewards[group]
            centred = scores - scores.mean()
            found[group] = centred / (scores.std() + EPSILON) if by_std else centred
        advantages = found.unsqueeze(-1) * response_mask
    return advantages, advantages


def _groups(index: np.ndarray, kept: torch.Tensor) -> list[list[int]]:
    """The rows of each group that has two or more kept ones."""
    groups: dict[Any, list[int]] = {}
    for row, (group, keep) in enumerate(zip(index, kept.tolist(), strict=True)):
        if keep:
            groups.setdefault(group, []).append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def shuffled(rewards: Sequence[float], groups: Sequence[str | None], seed: str) -> list[float]:
    """`rewards`, permuted within each group: the control that must not learn. Rows of group None keep theirs."""
    chance = random.Random(seed)
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        if group is not None:
            rows.setdefault(group, []).append(row)
    found = list(rewards)
    for members in rows.values():
        given = [rewards[row] for row in members]
        chance.shuffle(given)
        for row, reward in zip(members, given, strict=True):
            found[row] = reward
    return found
