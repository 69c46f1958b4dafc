"""The shipped configs: which there are, composing one, and what must hold of its numbers.

NAME                              --algorithm   file
paper/qwen2.5-7b-grpo-manager     as it says    config/paper/qwen2.5-7b-grpo-manager.yaml
paper/qwen2.5-7b                  grpo, ppo     the same, completed by the algorithm and the role
tiny-cpu, gpu-small, lora/SIZE    grpo, ppo     config/NAME.yaml, with the parts of the algorithm and the role
all of these                      sft           config/sft/NAME.yaml
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from memory_r1.memory.errors import MissingExtraError, SettingsError

CONFIGS = Path(__file__).with_name("config")
PARTS = "parts"
SFT = "sft"

Algorithm = Literal["grpo", "ppo", "sft"]
ALGORITHMS: tuple[Algorithm, ...] = ("grpo", "ppo", "sft")
ROLES = ("manager", "answerer")


@dataclass(frozen=True, slots=True)
class Named:
    """A config file, and the parts that are put into it: `overrides` of Hydra."""

    name: str
    overrides: tuple[str, ...] = ()


def names() -> list[str]:
    """Every name that `--config-name` takes, sorted."""
    files = (path.relative_to(CONFIGS) for path in CONFIGS.rglob("*.yaml"))
    return sorted(str(file.with_suffix("")) for file in files if file.parts[0] != PARTS)


def find(name: str, algorithm: Algorithm, role: str) -> Named:
    """The file that `name` means for an algorithm and a role. Raises SettingsError for none, or one that disagrees."""
    known = names()
    if algorithm == SFT:
        wanted = f"{SFT}/{name.removeprefix(SFT + '/')}"
        if wanted in known:
            return Named(wanted)
        raise SettingsError(f"there is no config {name!r} for {algorithm}: choose from {_list(known, SFT + '/')}")
    ending = f"-{algorithm}-{role}"
    if name + ending in known:
        return Named(name + ending)
    if name not in known or name.startswith(SFT + "/"):
        raise SettingsError(f"there is no config {name!r}: choose from {', '.join(families())}")
    if not name.startswith("paper/"):
        return Named(name, (f"{PARTS}/algorithm@_global_={algorithm}", f"{PARTS}/role@_global_={role}"))
    if not name.endswith(ending):
        raise SettingsError(f"config {name!r} is not for {algorithm} of the {role}: name the one that ends in {ending}")
    return Named(name)


def compose_config(named: Named, overrides: Sequence[str] = ()) -> DictConfig:
    """The config with verl's below it. `overrides`: as Hydra's command line takes them, key=value.

    Raises SettingsError for what can't be composed, MissingExtraError without verl.
    """
    initialised = GlobalHydra.instance().is_initialized()
    if initialised:
        GlobalHydra.instance().clear()
    search = f"hydra.searchpath=[file://{verl_configs()}]"
    try:
        with initialize_config_dir(str(CONFIGS), version_base=None):
            return compose(named.name, overrides=[search, *named.overrides, *overrides])
    except (HydraException, OmegaConfBaseException) as error:
        first = str(error).strip().splitlines()[0]
        raise SettingsError(f"config {named.name!r} can't be composed: {first}") from error


def verl_configs() -> Path:
    """The folder of verl's configs, without importing verl. Raises MissingExtraError."""
    found = find_spec("verl")
    if found is None or found.origin is None:
        raise MissingExtraError.of("train", "verl")
    return Path(found.origin).parent / "trainer" / "config"


def write_config(config: DictConfig, path: Path) -> None:
    """Write `config` with every reference resolved. Raises SettingsError naming what is missing."""
    missing = [key for key in sorted(OmegaConf.missing_keys(config)) if key in NEEDED]
    if missing:
        raise SettingsError(f"config key {missing[0]} has no value: give it with --set {missing[0]}=…")
    plain = OmegaConf.to_container(config, resolve=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(plain), path)


NEEDED = frozenset({"out", "actor_rollout_ref.rollout.name", "actor_rollout_ref.actor.strategy"})
"""Keys that verl or we leave open on purpose; others of verl's are open because they don't apply."""


def supervised(config: DictConfig) -> bool:
    """Whether `config` is one of supervised fine-tuning."""
    return "engine" in config


def check(config: DictConfig) -> None:
    """Whether the numbers of a config fit each other, before half a minute of start-up. Raises SettingsError."""
    wrong = next(_wrong_sft(config) if supervised(config) else _wrong(config), "")
    if wrong:
        raise SettingsError(wrong)


def _wrong(config: DictConfig) -> Iterator[str]:
    """What verl would refuse, or do otherwise than was meant."""
    data, policy, rollout = config.data, config.actor_rollout_ref, config.actor_rollout_ref.rollout
    gpus = config.trainer.n_gpus_per_node * config.trainer.nnodes
    rows = data.train_batch_size * rollout.n
    mini, micro = policy.actor.ppo_mini_batch_size, policy.actor.ppo_micro_batch_size_per_gpu
    if rows % gpus:
        yield f"data.train_batch_size × rollout.n = {rows} rows can't be shared by {gpus} GPUs: change one of them"
    if data.train_batch_size % mini:
        yield f"data.train_batch_size={data.train_batch_size} is no multiple of actor.ppo_mini_batch_size={mini}"
    if (mini * rollout.n) % gpus:
        yield f"actor.ppo_mini_batch_size × rollout.n = {mini * rollout.n} rows can't be shared by {gpus} GPUs"
    share = mini * rollout.n // gpus
    if not policy.actor.use_dynamic_bsz and share % micro:
        yield f"a GPU's {share} rows of a mini-batch are no multiple of ppo_micro_batch_size_per_gpu={micro}"
    if gpus % rollout.tensor_model_parallel_size:
        yield f"{gpus} GPUs are no multiple of rollout.tensor_model_parallel_size={rollout.tensor_model_parallel_size}"
    yield from _wrong_lengths(config)


def _wrong_lengths(config: DictConfig) -> Iterator[str]:
    data, rollout, ours = config.data, config.actor_rollout_ref.rollout, config.memory_r1
    whole = data.max_prompt_length + data.max_response_length
    if rollout.max_model_len is not None and rollout.max_model_len < whole:
        yield f"rollout.max_model_len={rollout.max_model_len} is less than prompt and response together, {whole}"
    if ours.get("max_tokens") is not None and ours.max_tokens > data.max_response_length:
        yield f"memory_r1.max_tokens={ours.max_tokens} is more than data.max_response_length={data.max_response_length}"


def _wrong_sft(config: DictConfig) -> Iterator[str]:
    data, gpus = config.data, config.trainer.n_gpus_per_node * config.trainer.nnodes
    if data.train_batch_size % gpus:
        yield f"data.train_batch_size={data.train_batch_size} can't be shared by {gpus} GPUs: change one of them"
    share = data.train_batch_size // gpus
    if not data.use_dynamic_bsz and share % data.micro_batch_size_per_gpu:
        yield f"a GPU's {share} examples are no multiple of data.micro_batch_size_per_gpu"
    if data.use_dynamic_bsz and data.max_token_len_per_gpu < data.max_length:
        yield f"data.max_token_len_per_gpu={data.max_token_len_per_gpu} is less than data.max_length={data.max_length}"


def _list(known: Iterable[str], prefix: str) -> str:
    return ", ".join(name.removeprefix(prefix) for name in known if name.startswith(prefix))


def families() -> list[str]:
    """The names that `find` takes, without what the algorithm and the role complete."""
    endings = [f"-{algorithm}-{role}" for algorithm in ALGORITHMS for role in ROLES]
    short = set[str]()
    for name in names():
        ending = next((one for one in endings if name.endswith(one)), "")
        if not name.startswith(SFT + "/"):
            short.add(name.removesuffix(ending))
    return sorted(short)
