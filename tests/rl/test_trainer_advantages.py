"""Advantages of decisions: equal to verl's GRPO where that is defined, blind to what was lost; how many there are,
and in which order one rank gets them."""

from tests import verl_imports  # noqa: F401  isort: skip - first of all that imports verl

import copy
import math
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage, get_adv_estimator_fn
from verl.trainer.ppo.v1 import PPOTrainerSync

from memory_r1.rl.trainer.advantages import grpo_decisions, shuffled
from memory_r1.rl.trainer.configs import Algorithm, compose_config, find
from memory_r1.rl.trainer.trainer import MemoryTrainer

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
@settings(max_examples=60)
def test_one_decision_a_rollout_gives_what_grpo_gives(groups: list, by_std: bool) -> None:
    rewards, mask, index = batch(groups)
    ours, returns = grpo_decisions(rewards, mask, index, {"norm_adv_by_std_in_grpo": by_std})
    theirs, _ = compute_grpo_outcome_advantage(rewards.clone(), mask, index, norm_adv_by_std_in_grpo=by_std)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert torch.equal(ours, returns)


@given(GROUPS, st.integers(0, 10**6))
@settings(max_examples=60)
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


@cache
def composed(algorithm: Algorithm) -> DictConfig:
    """The config of a tiny manager."""
    return compose_config(find("tiny-cpu", algorithm, "manager"), ["out=x"])


def filled(rows: int, sizes: dict[str, int | bool], algorithm: Algorithm = "grpo") -> int:
    """The number that `rows` rows of a step become on two GPUs."""
    trainer = MemoryTrainer.__new__(MemoryTrainer)
    trainer.config = copy.deepcopy(composed(algorithm))
    for key, value in sizes.items():
        OmegaConf.update(trainer.config, key, value)
    trainer.use_critic, trainer.use_reference_policy, trainer.global_steps = algorithm == "ppo", True, 1
    multiple = trainer._get_required_batch_multiple(2)
    return -(-rows // multiple) * multiple


@pytest.mark.parametrize(("rows", "mini", "rollout", "reference"), [(188, 12, 48, 4), (1, 3, 8, 32), (96, 48, 8, 4)])
def test_any_number_of_decisions_is_filled_up_to_what_each_phase_divides(
    rows: int, mini: int, rollout: int, reference: int
) -> None:
    policy = "actor_rollout_ref"
    sizes: dict[str, int | bool] = {
        f"{policy}.rollout.log_prob_micro_batch_size_per_gpu": rollout,
        f"{policy}.ref.log_prob_micro_batch_size_per_gpu": reference,
        f"{policy}.actor.ppo_mini_batch_size": mini, f"{policy}.rollout.n": 2,
    }  # fmt: skip
    least = math.lcm(2 * mini, 2 * rollout, 2 * reference)
    assert rows <= filled(rows, sizes) < rows + least and not filled(rows, sizes) % least
    assert not filled(rows, {**sizes, "critic.forward_micro_batch_size_per_gpu": 5}, "ppo") % 10
    dynamic = {f"{policy}.{one}.log_prob_use_dynamic_bsz": True for one in ("rollout", "ref")}
    assert filled(1, {**sizes, **dynamic}) == 2 * mini


@pytest.mark.parametrize("ranks", [1, 2])
def test_rows_are_shared_out_as_by_verl(ranks: int) -> None:
    trainer: Any = MemoryTrainer.__new__(MemoryTrainer)
    trainer._get_required_batch_multiple = lambda dp_size: dp_size
    trainer.tokenizer = SimpleNamespace(eos_token_id=0)
    trainer.actor_rollout_wg = SimpleNamespace(_dispatch_info={}, _query_dispatch_info=lambda role: list(range(ranks)))
    found: list[tuple[list[str], dict[str, float]]] = []
    for kind in (MemoryTrainer, PPOTrainerSync):
        tags = [{"seq_len": length} for length in (300, 260, 20, 41, 7, 90)]
        batch, metrics = KVBatchMeta(partition_id="train", keys=list("abcdef"), tags=tags), dict[str, float]()
        shared = kind._balance_batch(trainer, batch, metrics)
        found.append((shared.keys, metrics))
    assert found[0] == found[1]
    assert (found[0][0] == list("abcdef")) == (ranks == 1)
