"""The flows `train-manager` and `train-answerer`: one training for each seed, the best of them by validation reward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from prefect import Flow, get_run_logger, task

from memory_r1.flows.pipeline.artifacts import Live, show_training
from memory_r1.flows.pipeline.data import Kind, prepare_data
from memory_r1.flows.pipeline.work import by_inputs, may_pass, place, signature, slots
from memory_r1.rl.trainer.learn import Learned, learn
from memory_r1.rl.trainer.plan import Request, model_path, parse_settings, prepare

Role = Literal["manager", "answerer"]
Algorithm = Literal["grpo", "ppo", "sft"]


@dataclass(frozen=True, slots=True)
class Trained:
    """What a flow trained. `best`: the run with the best validation reward, the first where none was measured."""

    runs: tuple[Learned, ...]
    best: Learned

    @property
    def policy(self) -> str:
        """The best policy's folder."""
        return str(self.best.policy)


@task(
    name="train", cache_key_fn=by_inputs, persist_result=True,
    retries=2, retry_delay_seconds=[10, 60], retry_condition_fn=may_pass,
)  # fmt: skip
def train(asked: Request) -> Learned:
    """One training, from its newest checkpoint if it was begun; it ends whatever it started, however it ends."""
    run = prepare(asked)
    with slots(run.slots):
        return learn(run, Live(f"{asked.algorithm}-{asked.roles[0]}-progress", get_run_logger().info))


def train_all(role: Role, asked: Request, seeds: Sequence[int]) -> Trained:
    """Train `asked` with each of `seeds`, one after another, and show what came of it."""
    runs = tuple(_run(role, replace(asked, seed=seed)) for seed in seeds)
    show_training(f"train-{role}" if asked.algorithm != "sft" else "train-sft", runs)
    return Trained(runs, max(runs, key=lambda run: -1.0 if run.reward is None else run.reward))


def _run(role: Role, asked: Request) -> Learned:
    """One seed's training. More or fewer steps are the same run, which then goes on, or is done already."""
    files = (model_path(asked.model), asked.answerer.removeprefix("local:"), asked.data, asked.validation)
    inputs: dict[str, Any] = {"asked": replace(asked, out=Path(), steps=None)}
    inputs |= {name: signature(name) for name in files if name}
    out = place("training", inputs) / f"{asked.algorithm}-{role}-s{asked.seed}"
    asked = replace(asked, out=out)
    return train.with_options(refresh_cache=not (out / "policy" / "config.json").is_file())(asked)


def _flow(role: Role) -> Flow[..., Trained]:
    def train_role(  # noqa: PLR0913, PLR0917 - what an operator sets
        task: str = "world:names=120",
        algorithm: Algorithm = "grpo",
        config: str = "tiny-cpu",
        model: str = "tiny",
        seeds: Sequence[int] = (0,),
        steps: int | None = None,
        answerer: str = "",
        reward: str = "",
        rows: int = 1_000,
        data: str = "",
        validation: str = "",
        roles: Sequence[Role] = (role,),
        settings: Sequence[str] = (),
        ray_address: str = "",
    ) -> Trained:
        files = (data, validation)
        if not data:
            kind: Kind = "sft" if algorithm == "sft" else role
            made = prepare_data(task, [kind], rows)
            files = (made.path(kind), made.path(kind, "validation"))
        asked = Request(
            tuple(roles), algorithm, config, files[0], model, Path(), files[1], answerer, reward, steps,
            ray_address=ray_address, settings=parse_settings(settings),
        )  # fmt: skip
        return train_all(role, asked, seeds)

    return _named(train_role, role)


def _named(work: Callable[..., Trained], role: Role) -> Flow[..., Trained]:
    work.__name__ = f"train_{role}"
    work.__doc__ = _ABOUT.format(role=role)
    return Flow(work, name=f"train-{role}", flow_run_name=f"{{algorithm}}-{role}-{{config}}", persist_result=True)


_ABOUT = """Train the {role} over the agent's own graphs; what is done is not done again, what broke goes on.

Args:
    task: what the rows are made of, as in `prepare-data`; not used where `data` names a file.
    algorithm: grpo, ppo or sft.
    config: sizes and hardware, as `memory-r1 train configs` lists them.
    model: the policy to begin with: tiny, a folder, local:PATH, or a hub's name.
    seeds: a training for each, one after another; the best by validation reward is the result.
    steps: in all; default: the config's.
    answerer: who answers while the manager learns: oracle (default), tiny, local:PATH, openai:NAME@URL.
    reward: em (default), f1, judge, or weights as em=1,malformed=-0.2.
    rows: of the world.
    data: a file of rows, instead of `task`.
    validation: another, to validate on; only with `data`.
    roles: for sft, whose examples are used.
    settings: KEY=VALUE each, any key of the config.
    ray_address: a Ray cluster; default: Ray is started for the training.
"""

train_manager = _flow("manager")
train_answerer = _flow("answerer")
