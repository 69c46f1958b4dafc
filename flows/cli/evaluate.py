"""The command that runs the table: eval."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memory_r1.memory.errors import MemoryR1Error

from .shared import ConversationsOption, Options, QuestionsOption, clean, console, options, show, show_json, show_table

if TYPE_CHECKING:
    from memory_r1.rl.evaluation.evaluate import Failures
    from memory_r1.rl.evaluation.plan import Plan
    from memory_r1.rl.evaluation.run import Step
    from memory_r1.rl.judge import Judge

EPILOG = """\b
Rows: full-context, rag, rules, memory-r1, memory-r1-sft, memory-r1-ppo, memory-r1-grpo, mem0, zep, a-mem, langmem.
Task world also has oracle, always-add, always-noop.
A row that can't run here (no model, no library, no Neo4j) is named with its reason and gets no number.

\b
Examples:
  memory-r1 eval --task locomo --system rules,rag --out results
  memory-r1 eval --system all --model openai:qwen@http://localhost:8000/v1 \\
    --row-model memory-r1-grpo=openai:grpo@http://localhost:8001/v1 \\
    --judge openai:judge@http://localhost:8002/v1 --judge-style lenient,strict --out results
  memory-r1 report results"""

TASKS = "locomo, longmemeval-oracle, longmemeval-s, msc, msc-personas or world."
TaskOption = Annotated[str, typer.Option(metavar="NAME", help=TASKS)]
SplitOption = Annotated[str, typer.Option(metavar="NAME", help="train, validation, test, or all.")]
SystemOption = Annotated[str, typer.Option("--system", metavar="NAME,…", help="The rows to run, or all.")]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the results go, and are gone on with.")]
DataOption = Annotated[Path | None, typer.Option(metavar="PATH", help="The task's file. Default: what was prepared.")]
RowModelOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=MODEL", help="Another model for one row, or one role of it: NAME.ROLE=MODEL. May be repeated."
    ),
]
JudgeOption = Annotated[str, typer.Option(metavar="MODEL,…", help="Chat models that judge the answers.")]
StyleOption = Annotated[str, typer.Option(metavar="STYLE,…", help="How they judge: lenient, strict, or both.")]
AdversarialOption = Annotated[
    bool, typer.Option("--adversarial", help="Also ask what the conversation doesn't answer; scored apart.")
]
ConcurrencyOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Turns and questions under way at once where a model is asked.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume/--fresh", help="Go on with the results in DIR, or throw them away and start anew.")
]
RayOption = Annotated[
    str, typer.Option("--ray", metavar="ADDRESS", help="Run on a Ray cluster that sees DIR; local:N starts one here.")
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("eval", epilog=EPILOG)(evaluate)


def evaluate(  # noqa: PLR0913, PLR0917 - the options are what they are
    ctx: typer.Context,
    out: OutOption,
    task: TaskOption = "locomo",
    split: SplitOption = "test",
    system: SystemOption = "rules,rag",
    data: DataOption = None,
    row_model: RowModelOption = None,
    judge: JudgeOption = "",
    judge_style: StyleOption = "lenient",
    limit_conversations: ConversationsOption = None,
    limit_questions: QuestionsOption = None,
    adversarial: AdversarialOption = False,
    concurrency: ConcurrencyOption = 8,
    resume: ResumeOption = True,
    ray: RayOption = "",
) -> None:
    """Run rows of the paper's table on a benchmark.

    Each row learns every conversation turn by turn, then answers its questions, which are scored. Stop it whenever you
    like: the same command goes on there, and a finished run asked again costs nothing. More rows and judges can be
    added to the same DIR later.
    """
    from memory_r1.flows.evaluating import Evaluation, judges_of, plan_of
    from memory_r1.rl.evaluation.plan import Chosen

    given = options(ctx)
    asked = Evaluation(
        task, split, _listed(system), out, data, tuple(row_model or ()), _listed(judge), _listed(judge_style),
        Chosen(limit_conversations, limit_questions, adversarial), concurrency,
    )  # fmt: skip
    plan = plan_of(asked, given.settings)
    failures = asyncio.run(_evaluate(given, plan, judges_of(asked, given.settings), not resume, ray))
    _report(given, plan)
    if failures:
        _raise(failures)


async def _evaluate(given: Options, plan: Plan, judges: Sequence[Judge], fresh: bool, ray: str) -> Failures:
    from memory_r1.flows.evaluating import Watch, run_plan

    with _progress(plan, len(judges)) as bars:
        return await run_plan(plan, judges, given.settings, Watch(bars.step, bars.verdict), ray, fresh)


def _raise(failures: Failures) -> None:
    """Say which rows stopped and that the same command goes on; raise the first error."""
    first, *others = failures
    typer.echo(f"Stopped: {', '.join(failures)}; what was done is kept, and the same command goes on there.", err=True)
    for name in others:
        typer.echo(f"{name}: {clean(failures[name].message)}", err=True)
    raise failures[first]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


class _Bars:
    """What is done, counted and shown: turns learned, questions answered, verdicts given."""

    def __init__(self, bar: Any, plan: Plan, judges: int) -> None:
        self._bar = bar
        self._plan = plan
        self._judges = judges
        self.questions = self.asked = 0
        names = ("turns", "questions", *(["verdicts"] if judges else []))
        self._tasks = {name: bar.add_task(name, total=None, row="") for name in names}

    def _begin(self) -> None:
        """Count what there is to do: rows that can't run are left out, as `run.json` has them."""
        from memory_r1.rl.evaluation.files import read_run

        run, plan = read_run(self._plan.out), self._plan
        rows = [row for row in plan.rows if run is not None and not run.rows[row.name].not_run]
        self.asked = len(rows) * plan.questions
        totals = {"turns": len(rows) * plan.turns, "questions": self.asked, "verdicts": self._judges * self.asked}
        for name, task in self._tasks.items():
            self._bar.update(task, total=totals[name])

    def step(self, step: Step) -> None:
        """A step of a row was done."""
        if not self.asked:
            self._begin()
        self.questions += step.questions
        row = clean(f"{step.system} {step.conversation}")
        self._bar.update(self._tasks["turns"], advance=step.turns, row=row)
        self._bar.update(self._tasks["questions"], advance=step.questions, row=row)

    def verdict(self, verdict: Any) -> None:
        """A verdict was given."""
        self._bar.update(self._tasks["verdicts"], advance=1, row=clean(verdict.judge))


@contextmanager
def _progress(plan: Plan, judges: int) -> Iterator[_Bars]:
    """Bars with the time left, on stderr and on a terminal only. What ends early says how to go on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    errors = console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[row]}"),
    )  # fmt: skip
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
        bars = _Bars(bar, plan, judges)
        try:
            yield bars
        except (asyncio.CancelledError, MemoryR1Error):
            bar.stop()
            if bars.questions:
                done = f"{bars.questions} of {bars.asked} questions are answered"
                typer.echo(f"Stopped: {done}; the same command goes on there.", err=True)
            raise


def _report(given: Options, plan: Plan) -> None:
    from memory_r1.rl.evaluation.table import HELD, summarize

    table = summarize(plan.out)
    if given.json:
        show_json(table.data())
        return
    asked = f"{_count(plan.questions, 'question')} about {_count(len(plan.conversations), 'conversation')}"
    show(f"{plan.task.name}, {plan.split}: {asked}. Percent, with 95 % intervals;")
    answering = ", and of a question's search + answer" if plan.questions else ""
    show(f"ms: p50/p95 of a turn{answering}.")
    show("")
    show_table(table.columns, table.overall())
    show("")
    if held := table.held():
        show_table(HELD, held)
        show("")
    if by_category := table.by_category():
        show_table(table.category_columns, by_category)
        show("")
    for line in table.notes():
        show(line)
    trace = ", with every question's trace" if plan.questions else ""
    show(f"`memory-r1 report {plan.out}` makes a page of it{trace}.")


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'s' if number != 1 else ''}"
