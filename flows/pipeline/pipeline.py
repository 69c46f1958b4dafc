"""The flow `memory-r1-pipeline`: prepare → SFT → manager → answerer → evaluate → promote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field

from memory_r1.flows.pipeline.data import prepare_data
from memory_r1.flows.pipeline.evaluation import Evaluated, evaluate
from memory_r1.flows.pipeline.promotion import promote, weighed
from memory_r1.flows.pipeline.rows_made import Prepared
from memory_r1.flows.pipeline.training import Algorithm, Trained, train_answerer, train_manager
from memory_r1.flows.rows import is_world
from memory_r1.graphs.policies.types import Decision
from memory_r1.rl.promotion.weigh import Trial

ROW = "memory-r1-grpo"
"""The row of the evaluation that is the trained policy."""


class Steps(BaseModel):
    """Steps of each training; none: the config's. `sft` 0: no SFT, RL begins with the model itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sft: int | None = Field(default=None, ge=0)
    manager: int | None = Field(default=None, ge=1)
    answerer: int | None = Field(default=None, ge=1)


class Gate(BaseModel):
    """When a policy goes into use: its score on a held-out task beats that of the one in use by `margin`.

    `task`: "" for the pipeline's own, of its split `split`. `conversations`, `questions`: the first so many, of the
    split and of each conversation. `gold`: facts are a world's gold ones, not the extractor's. `margin`: of the metric.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = ""
    split: Literal["validation", "test"] = "validation"
    metric: Literal["em", "f1"] = "em"
    margin: float = Field(default=0.01, ge=-1, le=1)
    conversations: int | None = Field(default=None, ge=1)
    questions: int | None = Field(default=None, ge=1)
    gold: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the pipeline came to. `policy`: the model of each role."""

    policy: Mapping[str, str]
    evaluation: Evaluated
    decision: Decision


@flow(name="memory-r1-pipeline", flow_run_name="{algorithm}-{config}", persist_result=True)
def memory_r1_pipeline(  # noqa: PLR0913, PLR0917 - what an operator sets
    task: str = "world:names=120",
    algorithm: Algorithm = "grpo",
    config: str = "tiny-cpu",
    model: str = "tiny",
    seeds: Sequence[int] = (0,),
    steps: Steps = Steps(),  # noqa: B008 - a frozen value
    rows: int = 1_000,
    data: str = "",
    sft_task: str = "world:names=120",
    extractor: str = "rules",
    answerer: str = "",
    settings: Sequence[str] = (),
    sft_settings: Sequence[str] = (),
    systems: Sequence[str] = ("rules",),
    gate: Gate = Gate(),  # noqa: B008 - a frozen value
) -> Outcome:
    """Prepare data, train the manager and the answerer, evaluate both together, and put them in use if they are better.

    What was done with the same data, settings and source is not done again; a retry goes on where it broke.

    Args:
        task: what the policy learns on: world:…, locomo, …
        algorithm: grpo or ppo, for both roles.
        config: sizes and hardware of all trainings, as `memory-r1 train configs` lists them.
        model: the base model: tiny, a folder, local:PATH, or a hub's name.
        seeds: of the RL trainings; the best by validation reward is taken.
        steps: of SFT, of the manager, of the answerer.
        rows: of the world, for each training.
        data: the task's own file.
        sft_task: the worlds whose right replies SFT teaches.
        extractor: the model that finds facts in the policy that is put in use.
        answerer: who answers while the manager learns; "": the policy as RL begins, which must be a folder then.
        settings: KEY=VALUE each, for the RL configs.
        sft_settings: the same for the config of SFT.
        systems: rows of the evaluation beside the trained policy.
        gate: what decides about the promotion.
    """
    sft = {"config": config, "model": model, "steps": steps.sft, "settings": sft_settings}
    start = model if steps.sft == 0 else _taught(sft_task, rows, sft)
    rl = {"algorithm": algorithm, "config": config, "model": start, "seeds": seeds, "settings": settings}
    made = prepare_data(task, ["manager"], rows, data)
    manager: Trained = train_manager(
        **rl, **_files(made, "manager"), steps=steps.manager, answerer=answerer or _frozen(start)
    )
    builder = "" if is_world(task) else f"local:{manager.policy}"
    made = prepare_data(task, ["answerer"], rows, data, builder)
    answered: Trained = train_answerer(**rl, **_files(made, "answerer"), steps=steps.answerer)
    policy = {"extractor": extractor, "manager": manager.policy, "answerer": answered.policy}
    judged = gate.task or task
    found: Evaluated = evaluate(
        judged, "test", [*systems, ROW], _models(policy),
        conversations=gate.conversations, questions=gate.questions, data=data,
    )  # fmt: skip
    trial = Trial(judged, gate.split, gate.metric, gate.conversations, gate.questions, data, gate.gold)
    return Outcome(policy, found, promote(policy, weighed(policy, trial), gate.margin))


def _taught(task: str, rows: int, how: Mapping[str, Any]) -> str:
    """The policy that RL begins with: both roles taught by SFT."""
    made = prepare_data(task, ["sft"], rows)
    taught: Trained = train_manager(algorithm="sft", roles=("manager", "answerer"), **how, **_files(made, "sft"))
    return f"local:{taught.policy}"


def _files(made: Prepared, kind: str) -> dict[str, str]:
    return {"data": made.path(kind), "validation": made.path(kind, "validation")}


def _models(policy: Mapping[str, str]) -> list[str]:
    """The trained policy as models of its row."""
    named = {role: model if role == "extractor" else f"local:{model}" for role, model in policy.items()}
    return [f"{ROW}.{role}={model}" for role, model in named.items()]


def _frozen(start: str) -> str:
    """Who answers while the manager learns: the policy itself as it begins."""
    return start if ":" in start or start == "tiny" else f"local:{start}"
