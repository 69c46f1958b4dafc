"""Every shipped config composes, verl accepts it, and its numbers fit each other and our limits."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("verl", reason="training is an extra: pip install 'memory-r1[train]'")

from omegaconf import OmegaConf

from memory_r1.memory.errors import SettingsError
from memory_r1.rl.trainer.configs import (
    ALGORITHMS,
    CONFIGS,
    Named,
    check,
    compose_config,
    families,
    find,
    names,
    supervised,
    write_config,
)
from memory_r1.rl.trainer.settings import read_settings
from tests.tiny_models import make_model

SIZES = ("llama3.1-8b", "qwen2.5-3b", "qwen2.5-7b", "qwen2.5-14b")
PAPER = [f"paper/{size}-{how}-{role}" for size in SIZES for how in ("grpo", "ppo") for role in ("manager", "answerer")]
CHARS, AROUND = 3, 600
"""Characters a token at least, in dense text; tokens of the instructions and the template at most."""


def test_the_configs_that_were_promised_are_there() -> None:
    assert set(PAPER) <= set(names())
    assert {"tiny-cpu", "gpu-small", "lora/llama3.1-8b", "lora/qwen2.5-3b", "lora/qwen2.5-7b"} <= set(names())
    assert {"sft/tiny-cpu", "sft/gpu-small", *(f"sft/paper/{size}" for size in SIZES)} <= set(names())


@pytest.mark.parametrize("name", names())
def test_a_config_composes_and_its_numbers_fit(name: str, tmp_path: Path, model: Path) -> None:
    variants = [Named(name)] if name.startswith(("paper/", "sft/")) else [
        find(name, "grpo", "manager"), find(name, "ppo", "answerer")
    ]  # fmt: skip
    for named in variants:
        config = composed(named)
        check(config)
        write_config(config, tmp_path / "config.yaml")
        resolved = OmegaConf.load(tmp_path / "config.yaml")
        assert OmegaConf.to_container(resolved) == OmegaConf.to_container(config, resolve=True)
        if supervised(config):
            _verl_takes_sft(resolved)
        else:
            _verl_takes(resolved, model)
            _fits_our_limits(name, resolved)


@cache
def composed(named: Named):
    return compose_config(named, ["out=/a/run"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is here: verl reads the one that a critic begins with."""
    return make_model(tmp_path_factory.mktemp("model") / "model")


def _verl_takes(config, model: Path) -> None:
    from verl.trainer.ppo.utils import need_reference_policy
    from verl.utils.config import validate_config

    from memory_r1.rl.trainer import advantages  # noqa: F401  registers the estimator

    rollout = config.actor_rollout_ref.rollout
    lora = config.actor_rollout_ref.model.lora_rank
    config.actor_rollout_ref.model.path = config.critic.model.path = str(model)
    config.actor_rollout_ref.model.lora_rank = 0  # verl asks vLLM itself about its ranks
    validate_config(
        config, use_reference_policy=need_reference_policy(config), use_critic=config.algorithm.adv_estimator == "gae"
    )
    config.actor_rollout_ref.model.lora_rank = lora
    assert lora in (0, 8, 16, 32, 64, 128, 256, 320, 512), "vLLM's ranks"
    assert rollout.temperature == 1.0
    assert rollout.val_kwargs.temperature == 0


def _verl_takes_sft(config) -> None:
    from verl.utils.config import omega_conf_to_dataclass

    for part in ("engine", "optim", "checkpoint", "profiler"):
        assert omega_conf_to_dataclass(config[part]) is not None
    assert config.data.pad_mode == "no_padding"


def _fits_our_limits(name: str, config) -> None:
    settings = read_settings(config)
    if name.startswith(("paper/", "lora/")):  # the others bring a vocabulary in which a prompt is short
        assert settings.limits.answer_chars / CHARS + AROUND <= config.data.max_prompt_length
    assert (settings.max_tokens or 0) <= config.data.max_response_length
    assert config.trainer.save_freq > 0


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_values_are_in_the_papers_configs(name: str) -> None:
    config = composed(Named(name))
    policy, data = config.actor_rollout_ref, config.data
    assert (data.train_batch_size, data.max_prompt_length, data.max_response_length) == (128, 4096, 2048)
    assert policy.actor.ppo_micro_batch_size_per_gpu == config.critic.ppo_micro_batch_size_per_gpu == 2
    assert (policy.actor.optim.lr, config.critic.optim.lr) == (1e-6, 1e-5)
    assert policy.actor.optim.lr_scheduler_type == "constant"
    assert policy.actor.optim.lr_warmup_steps_ratio > 0
    assert policy.model.lora_rank == 0
    assert policy.rollout.name == "vllm"
    assert config.trainer.n_gpus_per_node == (8 if "14b" in name else 4)
    assert config.memory_r1.role in name
    assert (config.algorithm.adv_estimator == "gae") == ("ppo" in name)
    assert (config.memory_r1.limits.hits, config.memory_r1.limits.per_speaker) == (60, 30)


def test_every_line_of_a_part_that_sets_a_value_is_explained() -> None:
    for path in (CONFIGS / "parts" / "paper.yaml", CONFIGS / "parts" / "lora.yaml"):
        text = path.read_text(encoding="utf-8")
        assert text.count("#") >= 10, path


def test_a_name_is_completed_by_the_algorithm_and_the_role() -> None:
    assert find("paper/qwen2.5-7b", "ppo", "answerer").name == "paper/qwen2.5-7b-ppo-answerer"
    assert find("paper/qwen2.5-7b-ppo-answerer", "ppo", "answerer").name == "paper/qwen2.5-7b-ppo-answerer"
    assert find("tiny-cpu", "ppo", "answerer").overrides == (
        "parts/algorithm@_global_=ppo",
        "parts/role@_global_=answerer",
    )
    assert find("tiny-cpu", "sft", "manager").name == "sft/tiny-cpu"
    assert {"paper/qwen2.5-7b", "tiny-cpu"} <= set(families())


def test_a_config_that_is_not_there_or_disagrees_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"there is no config 'tiny'.*tiny-cpu"):
        find("tiny", "grpo", "manager")
    with pytest.raises(SettingsError, match="is not for ppo of the answerer"):
        find("paper/qwen2.5-7b-grpo-manager", "ppo", "answerer")
    with pytest.raises(SettingsError, match="choose from"):
        find("nothing", "sft", "manager")


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("actor_rollout_ref.actor.ppo_mini_batch_size=5", "no multiple of actor.ppo_mini_batch_size=5"),
        ("actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=7", "no multiple of ppo_micro_batch_size_per_gpu=7"),
        ("trainer.n_gpus_per_node=5", "can't be shared by 5 GPUs"),
        ("actor_rollout_ref.rollout.max_model_len=100", "is less than prompt and response together"),
        ("memory_r1.max_tokens=1000", "is more than data.max_response_length"),
        ("actor_rollout_ref.rollout.tensor_model_parallel_size=3", "no multiple of rollout.tensor_model_parallel"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_before_anything_starts(override: str, complaint: str) -> None:
    config = compose_config(find("tiny-cpu", "grpo", "manager"), ["out=x", override])
    with pytest.raises(SettingsError, match=complaint):
        check(config)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="can't be composed"):
        compose_config(find("tiny-cpu", "grpo", "manager"), ["trainer.nothing=1"])


def test_algorithms_are_those_of_the_command() -> None:
    assert ALGORITHMS == ("grpo", "ppo", "sft")
