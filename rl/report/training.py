"""The report of training runs: one HTML page with their curves, and the same figures as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from memory_r1 import __version__
from memory_r1.rl.evaluation.files import write_whole
from memory_r1.rl.report import curves
from memory_r1.rl.report.curves import DASH, VALIDATION, variants
from memory_r1.rl.report.drawing import SERIES, Chart
from memory_r1.rl.report.markdown import counted, escaped, table
from memory_r1.rl.report.page import read_template, template
from memory_r1.rl.report.runs import TrainingRun, read_runs
from memory_r1.rl.trainer.metrics import PREFIX

COLUMNS = (
    "run", "steps", "reward, first", "reward, last", "always NOOP", "oracle", "validation, first", "validation, best",
    "validation, last", "signal, last", "malformed, last", "lost, most", "probability difference, most", "s a step",
    "loss, last", "validation loss, last",
)  # fmt: skip
SHOWN = (
    "memory_r1.", "algorithm.adv_estimator", "algorithm.kl", "actor_rollout_ref.model.path",
    "actor_rollout_ref.actor.optim.lr", "actor_rollout_ref.actor.kl_loss", "actor_rollout_ref.actor.use_kl_loss",
    "actor_rollout_ref.actor.clip_ratio", "actor_rollout_ref.actor.ppo_", "actor_rollout_ref.rollout.n",
    "actor_rollout_ref.rollout.temperature", "critic.optim.lr", "data.train_batch_size", "data.train_files",
    "data.val_files", "data.seed", "trainer.total_training_steps", "trainer.total_epochs", "trainer.n_gpus_per_node",
    "trainer.nnodes",
)  # fmt: skip
"""How the settings' names begin that the page shows."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page. `shared`: its figures have the runs' legend; `phases`: its own."""

    key: str
    title: str
    about: str
    charts: list[Chart]
    shared: bool = True
    phases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """Runs that differ in their seed alone, with the number of their colour."""

    name: str
    runs: list[TrainingRun]
    at: int


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What was written, and the summary."""

    page: Path
    markdown: Path
    summary: Summary


@dataclass(frozen=True, slots=True)
class Summary:
    """A row for each run. `columns`: those of `COLUMNS` that some run has a figure for."""

    columns: list[str]
    rows: list[list[str]]


def write_training(folders: Sequence[Path], out: Path | None = None, text: Path | None = None) -> TrainingReport:
    """Write the report of the training runs in `folders` to `out` and `text`; without them to report.html and report.md
    in the first. The same runs give the same bytes.

    Raises as `read_runs`; MissingExtraError without Jinja or matplotlib; StoreUnavailableError when the disk refuses.
    """
    runs = read_runs(folders)
    out = out or folders[0] / "report.html"
    text = text or folders[0] / "report.md"
    parts = sections(runs)
    write_whole(out, page(runs, parts).encode("utf-8", "replace"))
    write_whole(text, markdown(runs, parts).encode("utf-8", "replace"))
    return TrainingReport(out, text, summary(runs))


def sections(runs: Sequence[TrainingRun]) -> list[Section]:
    """The figures of `runs` by section; a section that no run logged anything for is left out."""
    found = [
        Section("reward", "Reward", "What the policy earns, beside the floor and the ceiling.", curves.reward(runs)),
        Section("operations", "Reward by operation", _OPERATIONS, curves.parts(runs, "reward/")),
        Section("categories", "Reward by category", _CATEGORIES, curves.parts(runs, "reward/category/")),
        Section("right", "Right operations", _RIGHT, curves.parts(runs, "right/")),
        Section("chosen", "Chosen operations", _CHOSEN, curves.parts(runs, "operation/")),
        Section("parts", "Parts of the reward", _PARTS, curves.parts(runs, "part/")),
        Section("supervised", "Supervised fine-tuning", _SUPERVISED, curves.plain(runs, curves.SUPERVISED)),
        Section("learning", "Learning", _LEARNING, curves.plain(runs, curves.LEARNING)),
        Section("faults", "Faults", _FAULTS, curves.plain(runs, curves.FAULTS)),
        Section("time", "Time", _TIME, curves.seconds(runs), shared=False, phases=curves.PHASES),
    ]
    return [one for one in found if any(chart.svg for chart in one.charts)] or found[:1]


_OPERATIONS = "Where the right operation is known, decisions count for it; else for the one that was chosen."
_CATEGORIES = "By the category of the questions that a decision was rewarded for."
_RIGHT = "How often the right operation was chosen, by what was right."
_CHOSEN = "What the policy did, by share."
_PARTS = "The reward's parts by themselves, before their weights."
_SUPERVISED = "How well the right replies are predicted."
_LEARNING = "Whether there is something to learn from, and how far the policy moves."
_FAULTS = "What must stay low: bad replies, lost rollouts, disagreement between rollout and trainer."
_TIME = "Where the seconds of a step go."


def page(runs: Sequence[TrainingRun], parts: Sequence[Section]) -> str:
    """The whole page, which needs nothing else and runs no script. Raises MissingExtraError without Jinja."""
    coloured = [Variant(name, mates, at % SERIES) for at, (name, mates) in enumerate(variants(runs).items())]
    return template("training.html").render(
        {
            "title": coloured[0].name if len(coloured) == 1 else f"{len(coloured)} variants of training",
            "lead": lead(runs), "version": __version__, "style": read_template("style.css"), "runs": runs,
            "variants": coloured, "sections": parts, "summary": summary(runs), "settings": shown,
            "colours": {run.name: variant.at for variant in coloured for run in variant.runs},
        }
    )  # fmt: skip


def markdown(runs: Sequence[TrainingRun], parts: Sequence[Section]) -> str:
    """The summary and each figure's table, as Markdown."""
    told = summary(runs)
    blocks = ["# Training", lead(runs), table([told.columns, *(list(map(escaped, row)) for row in told.rows)])]
    for part in parts:
        blocks += [f"## {part.title}", part.about]
        for chart in part.charts:
            rows = [list(chart.columns), *(list(map(escaped, row)) for row in chart.rows)]
            blocks += [f"### {escaped(chart.title)}", table(rows) if chart.rows else chart.missing]
    return "\n\n".join(blocks) + "\n"


def lead(runs: Sequence[TrainingRun]) -> str:
    """What the report is about, in a sentence."""
    found = variants(runs)
    seeds = f" of {counted(len(found), 'variant')}" if len(found) < len(runs) else ""
    steps = sorted({run.steps for run in runs})
    told = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
    return f"{counted(len(runs), 'run')}{seeds}, {told} steps{' each' if len(runs) > 1 else ''}."


def summary(runs: Iterable[TrainingRun]) -> Summary:
    """What each run came to."""
    rows = [_row(run) for run in runs]
    told = [at for at in range(len(COLUMNS)) if any(row[at] != DASH for row in rows)]
    return Summary([COLUMNS[at] for at in told], [[row[at] for at in told] for row in rows])


def _row(run: TrainingRun) -> list[str]:
    first, last, _ = curves.ends(run.points(PREFIX + "reward/mean"))
    held = [value for _, value in run.points(VALIDATION + "reward/mean")]
    validation = [f"{value:.4f}" for value in (held[0], max(held), held[-1])] if held else [DASH] * 3
    times = [run.points(f"{PREFIX}seconds/{phase}") for phase in curves.PHASES]
    total = sum(sum(value for _, value in points) / len(points) for points in times if points)
    return [
        run.name, str(run.steps), first, last,
        *(curves.ends(run.points(f"{PREFIX}baseline/{name}"))[1] for name in ("noop", "oracle")),
        *validation,
        *(curves.ends(run.points(PREFIX + name))[1] for name in ("groups/with_signal", "malformed")),
        _most(run, PREFIX + "lost"), _most(run, "training/rollout_probs_diff_max"),
        f"{total:.2f}" if total else DASH, *(curves.ends(run.points(name))[1] for name in ("train/loss", "val/loss")),
    ]  # fmt: skip


def _most(run: TrainingRun, name: str) -> str:
    values = [value for _, value in run.points(name)]
    return f"{max(values):.3g}" if values else DASH


def shown(run: TrainingRun) -> Mapping[str, str]:
    """The settings of a run that the page shows."""
    return {name: value for name, value in run.settings.items() if name.startswith(SHOWN) and value}
