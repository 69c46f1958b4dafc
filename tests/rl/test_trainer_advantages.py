"""Advantages of decisions: equal to verl's GRPO where that is defined, blind to what was lost."""

from tests import verl_imports  # noqa: F401  isort: skip - first of all that imports verl

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage, get_adv_estimator_fn

from memory_r1.rl.trainer.advantages import grpo_decisions, shuffled

GROUPS = st.lists(
    st.tuples(st.integers(2, 6), st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, -0.2]), min_size=6, max_size=6)),
    min_size=1,
    max_size=5,
)


def batch(groups: list[tuple[int, list[float]]], tokens: int = 4) -> tuple:
    """Rewards on the last tokens of rows of several lengths, their masks and their groups."""
    rows = [(f"g{number}", reward) for number, (size, rewards) in enumerate(groups) for reward in rewards[:size]]
    rewards, mask = torch.zeros(len(rows), tokens), torch.zeros(len(rows), tokens)
    for row, (_, reward) in enumerate(rows):
        length = 1 + row % tokens
        mask[row, :length] = 1
        rewards[row, length - 1] = reward
    return rewards, mask, np.array([group for group, _ in rows], dtype=object)


@given(GROUPS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_one_decision_a_rollout_gives_what_grpo_gives(groups: list, by_std: bool) -> None:
    rewards, mask, index = batch(groups)
    ours, returns = grpo_decisions(rewards, mask, index, {"norm_adv_by_std_in_grpo": by_std})
    theirs, _ = compute_grpo_outcome_advantage(rewards.clone(), mask, index, norm_adv_by_std_in_grpo=by_std)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert torch.equal(ours, returns)


@given(GROUPS, st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_a_lost_row_changes_nobodys_advantage(groups: list, where: int) -> None:
    rewards, mask, index = batch(groups)
    alone, _ = grpo_decisions(rewards, mask, index)
    at = where % (len(index) + 1)
    lost = torch.zeros(1, mask.shape[1])
    wide = [torch.cat([one[:at], new, one[at:]]) for one, new in ((rewards, lost + 9.0), (mask, lost))]
    among, _ = grpo_decisions(*wide, np.insert(index, at, index[at % len(index)]))
    assert torch.equal(torch.cat([among[:at], among[at + 1 :]]), alone)
    assert not among[at].any()


def test_a_group_of_one_has_nothing_to_be_compared_with() -> None:
    rewards, mask, index = torch.ones(1, 3), torch.ones(1, 3), np.array(["g"], dtype=object)
    assert not grpo_decisions(rewards, mask, index)[0].any()


def test_the_estimator_is_registered_by_name() -> None:
    assert get_adv_estimator_fn("grpo_decisions") is grpo_decisions


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.floats(-1, 1)), max_size=30), st.text(max_size=5))
def test_shuffled_rewards_stay_in_their_group(rows: list, seed: str) -> None:
    groups, rewards = [group for group, _ in rows], [reward for _, reward in rows]
    found = shuffled(rewards, groups, seed)
    assert found == shuffled(rewards, groups, seed)
    for group in ("a", "b"):
        before = sorted(reward for reward, member in zip(rewards, groups, strict=True) if member == group)
        assert sorted(reward for reward, member in zip(found, groups, strict=True) if member == group) == before
    assert all(f == r for f, r, g in zip(found, rewards, groups, strict=True) if g is None)


def test_shuffled_rewards_move() -> None:
    rewards = [float(number) for number in range(20)]
    assert shuffled(rewards, ["g"] * 20, "1:1") != rewards
    assert shuffled(rewards, ["g"] * 20, "1:1") != shuffled(rewards, ["g"] * 20, "1:2")
