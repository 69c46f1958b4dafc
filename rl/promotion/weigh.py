"""Weighs a candidate against the policy in use: both answer the same questions now, by the project's own evaluation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from memory_r1 import __version__
from memory_r1.graphs.models import ModelOptions
from memory_r1.graphs.policies.registry import Registry
from memory_r1.graphs.policies.types import Candidate, Policy, read_candidate
from memory_r1.graphs.roles import Role
from memory_r1.memory.embedders import Embedder
from memory_r1.memory.embedders.load import load_embedder
from memory_r1.memory.errors import InputError
from memory_r1.memory.stores.open import redacted
from memory_r1.rl.evaluation.evaluate import evaluate, held, run_here
from memory_r1.rl.evaluation.files import ANSWERS, Place, read_rows
from memory_r1.rl.evaluation.plan import Chosen, Plan
from memory_r1.rl.evaluation.records import AnswerRow
from memory_r1.rl.evaluation.run import OnStep
from memory_r1.rl.metrics.bootstrap import Interval, interval, paired
from memory_r1.rl.metrics.mem0 import find_punkt
from memory_r1.rl.systems.ours import GOLD, GraphSystem
from memory_r1.rl.systems.registry import Row
from memory_r1.rl.systems.types import System
from memory_r1.rl.tasks import load_task

CANDIDATE, IN_USE = "candidate", "in-use"
"""The rows of the evaluation."""
METRICS: Mapping[str, tuple[str, str]] = {
    "em": ("mem0", "em"),
    "f1": ("mem0", "f1"),
    "bleu1": ("mem0", "bleu1"),
    "locomo.em": ("locomo", "em"),
    "locomo.f1": ("locomo", "f1"),
}
"""What a policy can be weighed by: the convention and the measure of `metrics.answers`."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What policies are weighed on: of `split` of `task` the first `conversations` the first `questions` each.

    None: all of them. `metric`: one of `METRICS`. `data`: the task's file, "" for the prepared one. `gold`: the facts
    that the task gives with its turns stand in for both extractors. `url`: of an OpenAI-compatible server that runs the
    folders of both under their absolute paths; "" runs them in this process.
    """

    task: str = "world"
    split: str = "validation"
    metric: str = "em"
    conversations: int | None = None
    questions: int | None = None
    data: str = ""
    gold: bool = False
    embedder: str = "hashed"
    url: str = ""
    at_once: int = 8


@dataclass(frozen=True, slots=True)
class Score:
    """A mean in [0, 1], or a difference of two, and its 95 % bootstrap interval; None of one conversation alone."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Weighed:
    """How a candidate did beside the policy in use. `candidate`: its digest; `in_use`: a version's id, "" for none.

    `candidate_score`, `in_use_score`: of each; `difference`: the first minus the second on the same questions. The last
    two are None without a policy in use. `folder`: the results, which `memory-r1 report` takes.
    """

    candidate: str
    in_use: str
    trial: Trial
    conversations: int
    questions: int
    candidate_score: Score
    in_use_score: Score | None
    difference: Score | None
    folder: str

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        return WEIGHED.dump_python(self, mode="json")


WEIGHED: TypeAdapter[Weighed] = TypeAdapter(Weighed)


async def weigh(
    registry: str | Path,
    candidate: Mapping[str, str],
    out: str | Path,
    trial: Trial = Trial(),
    api_key: str = "",
    on_step: OnStep = lambda _: None,
) -> Weighed:
    """Let `candidate` and the policy in use answer the same questions; both are measured, nothing is remembered.

    `candidate`: roles → model folders or model strings, as `policies.types.read_candidate` takes them. The results go
    into a folder of their own below `out`, named by what is weighed: the same call goes on there. `api_key`: for models
    given by URL. One policy after the other is in memory. Raises InputError, SettingsError, PolicyError, and what
    stopped an evaluation; what was done is kept.
    """
    case = await asyncio.to_thread(_case, registry, candidate, out, trial, api_key)
    with held(case.plan.out):
        await _evaluate(case.plan, await asyncio.to_thread(load_embedder, trial.embedder), on_step)
    return _weighed(case, trial)


@dataclass(frozen=True, slots=True)
class _Case:
    plan: Plan
    candidate: Candidate
    in_use: Policy | None


def _case(registry: str | Path, candidate: Mapping[str, str], out: str | Path, trial: Trial, api_key: str) -> _Case:
    """Who is weighed against whom, and the evaluation that does it, checked."""
    if trial.metric not in METRICS:
        raise InputError(f"there is no metric {trial.metric!r}: choose from {', '.join(METRICS)}")
    if redacted(trial.url) != trial.url:
        raise InputError(f"the URL {redacted(trial.url)!r} holds a secret, which the log must not keep: leave it out")
    shelf = Registry(Path(registry).expanduser().absolute())
    asked, used = read_candidate(candidate), shelf.in_use()
    models: dict[str, Mapping[Role, str]] = {CANDIDATE: asked.models(trial.url)}
    if used is not None and used.digest != asked.digest:
        models[IN_USE] = shelf.models(used, trial.url)
    folder = Path(out).expanduser().absolute() / _name(asked, used, trial)
    plan = _plan(trial, models, folder, api_key)
    find_punkt()  # the metric's needs, before the work
    return _Case(plan, asked, used)


def _plan(trial: Trial, models: Mapping[str, Mapping[Role, str]], folder: Path, api_key: str) -> Plan:
    gold = {"extractor": GOLD} if trial.gold else {}
    rows = tuple(Row(name, {**one, **gold}, trial.embedder, api_key=api_key) for name, one in models.items())
    chosen = Chosen(trial.conversations, trial.questions)
    plan = Plan(load_task(trial.task, trial.data or None), trial.split, chosen, rows, folder, trial.at_once)
    if not plan.questions:
        raise InputError(f"{trial.task!r} asks no question in {trial.split!r}: policies can't be weighed on it")
    return plan


async def _evaluate(plan: Plan, embedder: Embedder, on_step: OnStep) -> None:
    """Run the rows one by one, each with its models loaded and closed again."""
    for row in plan.rows:
        alone = Plan(plan.task, plan.split, plan.chosen, (row,), plan.out, plan.at_once)
        for error in (await evaluate(alone, on_step, embedder=embedder, runner=run_here, make=_system)).values():
            raise error


async def _system(row: Row, embedder: Embedder) -> System:
    return GraphSystem(row.name, row.models, embedder, ModelOptions(api_key=row.api_key))


def _weighed(case: _Case, trial: Trial) -> Weighed:
    plan, used = case.plan, case.in_use
    ours = _values(plan, CANDIDATE, trial.metric)
    theirs = _values(plan, plan.rows[-1].name, trial.metric)
    clusters = [conversation for conversation, _ in ours]
    values, others = list(ours.values()), [theirs[key] for key in ours]
    return Weighed(
        case.candidate.digest, used.id if used else "", trial, len(plan.conversations), len(ours),
        _score(interval(values, clusters)),
        _score(interval(others, clusters)) if used else None,
        _score(paired(values, others, clusters)) if used else None,
        str(plan.out),
    )  # fmt: skip


def _values(plan: Plan, row: str, metric: str) -> dict[tuple[str, str], float]:
    """The score of each question that counts, by conversation and question."""
    convention, name = METRICS[metric]
    place = Place(plan.out, row)
    answers: list[AnswerRow] = [
        answer for one in plan.conversations for answer in read_rows(place.answers(one.id), ANSWERS)
    ]
    return {
        (answer.conversation, answer.question_id): answer.scores[convention][name]
        for answer in answers
        if not answer.apart
    }


def _score(found: Interval) -> Score:
    return Score(*found)


def _name(asked: Candidate, used: Policy | None, trial: Trial) -> str:
    """The folder's name: who is weighed against whom, on what."""
    how = sha256(json.dumps([asdict(trial), __version__], sort_keys=True).encode()).hexdigest()
    return f"{asked.digest[:8]}-against-{used.id if used else 'nothing'}-{how[:8]}"
