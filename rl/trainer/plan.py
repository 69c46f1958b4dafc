"""What a training command asks for, made ready: the data, one resolved config, and the folder that remembers both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from memory_r1.graphs.local.folder import checked, find_folder, read_limits
from memory_r1.graphs.policies.pinned import pinned
from memory_r1.graphs.remember import Limits
from memory_r1.memory.errors import FileFormatError, InputError, SettingsError
from memory_r1.memory.stores.open import redacted
from memory_r1.rl.evaluation.files import write_whole, written
from memory_r1.rl.trainer.configs import ROLES, SFT, Algorithm, check, compose_config, find, write_config
from memory_r1.rl.trainer.cpu.environment import PLATFORM, environment
from memory_r1.rl.training.leaks import check_files

CONFIG, RUN = "config.yaml", "run.json"
WORLD = "world"
MOST_ROWS, VALIDATION_ROWS = 4_000, 200
"""Rows made of the synthetic world: a batch for every step up to the first; for each validation the second."""
NETWORK = {"RAY_USAGE_STATS_ENABLED": "0", "TOKENIZERS_PARALLELISM": "false", "HYDRA_FULL_ERROR": "1"}


@dataclass(frozen=True, slots=True)
class Request:
    """A training command. `roles`: one for RL; for SFT all whose examples are used.

    `data`, `validation`: a file, or world:…, of which files are made in `out`. `model`: a folder, local:PATH, tiny, or
    a hub's name. `rewards`: as "em" or "em=1,malformed=-0.2"; "" as the config says. `settings`: key=value each.
    """

    roles: tuple[str, ...]
    algorithm: Algorithm
    config: str
    data: str
    model: str
    out: Path
    validation: str = ""
    answerer: str = ""
    rewards: str = ""
    steps: int | None = None
    seed: int = 0
    ray_address: str = ""
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that can start. `steps`: in all. `gpus`: of each of `nodes`. `env`: variables beside those there are."""

    out: Path
    steps: int
    supervised: bool
    gpus: int
    env: dict[str, str] = field(default_factory=dict[str, str])
    nodes: int = 1

    @property
    def slots(self) -> int:
        """How many devices it keeps busy: GPUs, or processes on CPUs."""
        return max(1, self.gpus) * self.nodes


def prepare(asked: Request) -> Prepared:
    """Compose, check, make the data, and write `out`/config.yaml. The same request again changes nothing.

    Raises SettingsError, InputError for an `out` that holds another run, and what making data raises.
    """
    asked = _settled(asked)
    _remember(asked, write=False)
    supervised = asked.algorithm == SFT
    config = _composed(asked)
    check(config)
    with written(asked.out):
        asked.out.mkdir(parents=True, exist_ok=True)
    _make_data(asked, config)
    env = _environment(asked, config)
    if asked.ray_address:
        _join(config, asked.ray_address, env)
    trainer = config.trainer
    if supervised and trainer.nnodes > 1:
        raise SettingsError("supervised fine-tuning runs on one machine here: set trainer.nnodes=1")
    _remember(asked)
    write_config(config, asked.out / CONFIG)
    gpus, nodes = int(trainer.n_gpus_per_node), int(trainer.nnodes)
    return Prepared(asked.out, int(trainer.total_training_steps), supervised, gpus, env, nodes)


def read_rewards(text: str) -> dict[str, float]:
    """Weights from "em", or "em=1,malformed=-0.2". Raises InputError."""
    found: dict[str, float] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, weight = part.partition("=")
        try:
            found[name.strip()] = float(weight or 1)
        except ValueError:
            raise InputError(f"--reward {part!r}: {weight!r} is no weight; write NAME, or NAME=NUMBER,…") from None
    return found


def model_path(name: str) -> str:
    """The folder that `name` means, absolute and checked, or the name itself if it is a hub's. Raises SettingsError."""
    folder = find_folder(name) or Path(name).expanduser()
    if folder.is_dir() or name.startswith(("local:", ".", "/", "~")) or name == "tiny":
        return str(checked(folder).absolute())
    return name


def _settled(asked: Request) -> Request:
    """`asked` with absolute paths, and the policy in use now, so that it means the same from everywhere and later."""
    _check_no_secret(asked)
    answerer = pinned({"answerer": asked.answerer})["answerer"]
    if answerer.startswith("local:"):
        answerer = f"local:{model_path(answerer)}"
    if asked.algorithm != SFT and (len(asked.roles) != 1 or asked.roles[0] not in ROLES):
        raise InputError(f"{','.join(asked.roles)!r}: {asked.algorithm} trains one role, manager or answerer")
    return replace(
        asked, out=asked.out.expanduser().absolute(), model=_began(asked), answerer=answerer,
        data=_absolute(asked.data), validation=_absolute(asked.validation),
    )  # fmt: skip


def _check_no_secret(asked: Request) -> None:
    """Refuse a password or key in a URL: the run's files keep what was asked for."""
    for text in (asked.answerer, asked.model, *asked.settings):
        if "://" in text and redacted(text) != text:
            raise SettingsError(
                f"{redacted(text)!r} holds a secret, which a run's files would keep: leave it out of the URL, "
                "and give the key as MEMORY_R1_API_KEY"
            )


def _began(asked: Request) -> str:
    """The model that training begins with; of the policy in use, that of the role."""
    role = asked.roles[0] if len(asked.roles) == 1 else "manager"
    return model_path(pinned({role: asked.model}).get(role, asked.model))


def _absolute(data: str) -> str:
    return data if not data or is_world(data) else str(Path(data).expanduser().absolute())


def is_world(data: str) -> bool:
    """Whether `data` names the synthetic world, not a file."""
    return data.partition(":")[0] == WORLD and not Path(data).is_file()


def _composed(asked: Request) -> DictConfig:
    """The config with the knobs in it, and the user's own settings over them."""
    named = find(asked.config, asked.algorithm, asked.roles[0])
    config = compose_config(named, [*_knobs(asked), *asked.settings])
    if asked.rewards:
        if asked.algorithm == SFT:
            raise InputError("--reward is for grpo and ppo: sft learns from right replies")
        with open_dict(config.memory_r1):
            config.memory_r1.rewards = OmegaConf.create(read_rewards(asked.rewards))
    return config


def _knobs(asked: Request) -> list[str]:
    train, validation = _files(asked)
    found = [f"out={_quoted(asked.out)}", f"data.train_files={_quoted(train)}"]
    if asked.algorithm == SFT:
        found += [
            f"model.path={_quoted(asked.model)}", f"trainer.seed={asked.seed}",
            f"data.roles=[{','.join(asked.roles)}]", f"data.val_files={_quoted(validation) if validation else 'null'}",
        ]  # fmt: skip
    else:
        found += [
            f"actor_rollout_ref.model.path={_quoted(asked.model)}", f"memory_r1.seed={asked.seed}",
            f"data.val_files={_quoted(validation or train)}",
        ]  # fmt: skip
        if asked.answerer:
            found.append(f"memory_r1.answerer={_quoted(asked.answerer)}")
        if not validation:
            found += ["trainer.test_freq=-1", "trainer.val_before_train=false"]
    if asked.steps is not None:
        found.append(f"trainer.total_training_steps={asked.steps}")
    return found


def _files(asked: Request) -> tuple[str, str]:
    """The files of train and validation; "" for no validation. Of the world, validation rows cost nothing."""
    folder = asked.out / "data"
    kind = SFT if asked.algorithm == SFT else asked.roles[0]
    train = str(folder / f"{kind}-train.parquet") if is_world(asked.data) else asked.data
    validation = asked.validation or (asked.data if is_world(asked.data) else "")
    return train, str(folder / f"{kind}-validation.parquet") if is_world(validation) else validation


def _make_data(asked: Request, config: DictConfig) -> None:
    """Make the files of the world that aren't there yet, and check that nothing leaks.

    Raises FileFormatError for a missing file of the user's, or one of something else, and LeakError.
    """
    train, validation = _files(asked)
    batch = int(config.data.train_batch_size)
    rows = min(MOST_ROWS, batch * int(config.trainer.total_training_steps))
    wanted = [(train, asked.data, "train", max(rows, batch))]
    if validation:
        wanted.append((validation, asked.validation or asked.data, "validation", VALIDATION_ROWS))
    for file, source, split, count in wanted:
        path = Path(file)
        if not path.is_file():
            if not is_world(source):
                raise FileFormatError(f"there is no file {file!r}: make it with `memory-r1 data build`")
            _make(asked, path, source, split, count)
    if asked.algorithm != SFT:
        check_files(Path(train), [Path(validation)] if validation else [])


def _make(asked: Request, path: Path, source: str, split: str, count: int) -> None:
    from memory_r1.rl.training.build import Wanted, build_world
    from memory_r1.rl.training.sft import Taught
    from memory_r1.rl.training.sft_file import world_examples, world_options, write_examples

    if asked.algorithm != SFT:
        role: Any = asked.roles[0]
        build_world(Wanted(role, split, path), source, count)
        return
    options = world_options(source)
    if split != "train":
        options = replace(options, conversations=max(1, options.conversations // 20))
    taught = _taught(asked.model, Taught(seed=asked.seed))
    made = asyncio.run(world_examples(options, split, taught, asked.roles))
    write_examples(path, made, {"task": source, "split": split, "roles": asked.roles})


def _taught(model: str, taught: Any) -> Any:
    """How examples are made for `model`: within the limits that its folder states."""
    if not Path(model).is_dir():
        return taught
    stated = read_limits(Path(model)).model_dump(exclude_none=True)
    own = {name: stated[name] for name in ("hits", "per_speaker", "candidates") if name in stated}
    limits: Limits = replace(taught.limits, **own)
    return replace(taught, limits=limits, chars=stated.get("answer_chars", taught.chars))


def _environment(asked: Request, config: DictConfig) -> dict[str, str]:
    env = dict(NETWORK)
    if config.trainer.device == PLATFORM:
        env |= environment()
    if Path(asked.model).is_dir():
        env["HF_HUB_OFFLINE"] = "1"
    return env


def _join(config: DictConfig, address: str, env: dict[str, str]) -> None:
    """Use a Ray cluster that runs: its size is its own, and its workers get our variables."""
    if SFT in config or "ray_kwargs" not in config:
        raise InputError("--ray-address is for grpo and ppo: sft runs without Ray")
    with open_dict(config):
        given = config.ray_kwargs.ray_init
        for key in ("num_cpus", "num_gpus", "include_dashboard"):
            given.pop(key, None)
        given.address = address
        given.runtime_env = OmegaConf.merge(given.get("runtime_env") or {}, {"env_vars": env})


def _remember(asked: Request, write: bool = True) -> None:
    """Refuse a folder that holds another run. More or fewer steps are the same run."""
    path = asked.out / RUN
    told = {**asdict(asked), "out": str(asked.out)}
    told.pop("steps")
    plain: dict[str, Any] = json.loads(json.dumps(told))
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        other = [key for key in plain if before.get(key) != plain[key]]
        if other:
            key = other[0]
            raise InputError(
                f"{str(asked.out)!r} holds another run, with {key} {before.get(key)!r} where you say {plain[key]!r}: "
                "use another --out, or delete it"
            )
    elif write:
        write_whole(path, (json.dumps(plain, indent=2) + "\n").encode())


def _quoted(value: str | Path) -> str:
    """A string as Hydra's overrides take it, whatever it holds."""
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def parse_settings(settings: Sequence[str]) -> tuple[str, ...]:
    """The --set options, each KEY=VALUE. Raises InputError."""
    for one in settings:
        if "=" not in one:
            raise InputError(f"--set {one!r} is no KEY=VALUE; as --set trainer.save_freq=5")
    return tuple(settings)
