"""Commands that judge answers with a chat model, and judge the judges: judge run, probe, agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from memory_r1.memory.errors import InputError, MemoryR1Error

from .shared import console, options, show, show_json, show_table

if TYPE_CHECKING:
    from memory_r1.graphs.roles import Usage
    from memory_r1.rl.judge import Agreement, Judge
    from memory_r1.rl.judge.folder import Judged
    from memory_r1.rl.judge.measure import Errors, JudgeErrors
    from memory_r1.rl.judge.probes import Probe
    from memory_r1.rl.judge.run import OnVerdict

T = TypeVar("T")

HELP = """Judge answers with a chat model, and find out how far to trust it.

Verdicts are kept with their reasons: stop a command whenever you like, the same one goes on there, and asks nothing
that it knows. The judges' key is MEMORY_R1_JUDGE_API_KEY; MEMORY_R1_API_KEY is never sent to them."""

PROBE_EPILOG = """\b
Example:
  memory-r1 judge probe --task locomo --judge openai:gpt-4o-mini --style lenient,strict --out judged"""

AGREE_EPILOG = """\b
Examples:
  memory-r1 judge agree results
  memory-r1 judge agree judged/probes"""

app = typer.Typer(help=HELP, no_args_is_help=True)

DirArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `memory-r1 eval --out` wrote.")]
VerdictsArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that verdicts were written into.")]
JudgeOption = Annotated[str, typer.Option("--judge", metavar="MODEL,…", help="Chat models, as openai:MODEL@URL.")]
StyleOption = Annotated[str, typer.Option(metavar="STYLE,…", help="How they judge: lenient, strict, or both.")]
RetryOption = Annotated[bool, typer.Option("--retry", help="Ask again where the reply couldn't be read.")]
ConcurrencyOption = Annotated[int, typer.Option(min=1, metavar="N", help="Answers judged at once.")]
TaskOption = Annotated[str, typer.Option(metavar="NAME", help="locomo, longmemeval-oracle, longmemeval-s or msc.")]
SplitOption = Annotated[str, typer.Option(metavar="NAME", help="train, validation, test, or all.")]
DataOption = Annotated[Path | None, typer.Option(metavar="PATH", help="The task's file. Default: what was prepared.")]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where probes and verdicts go.")]
CountOption = Annotated[int, typer.Option(min=1, metavar="N", help="Probes of each kind, at most.")]
SeedOption = Annotated[int, typer.Option(metavar="N", help="Which questions they are made from.")]


def register(parent: typer.Typer) -> None:
    """Add the commands to `parent`."""
    parent.add_typer(app, name="judge")


@app.command(epilog="Example: memory-r1 judge run results --judge openai:gpt-4o-mini --style lenient,strict")
def run(
    ctx: typer.Context,
    folder: DirArgument,
    judge: JudgeOption,
    style: StyleOption = "lenient",
    retry: RetryOption = False,
    concurrency: ConcurrencyOption = 8,
) -> None:
    """Judge the answers of an evaluation.

    All systems in DIR, each answer once; the report shows the verdicts and their reasons.
    """
    from memory_r1.rl.evaluation.evaluate import held
    from memory_r1.rl.judge.folder import judge_folder, read_answers

    answers = read_answers(folder)
    judges = _judges(ctx, judge, style)

    async def work(on_verdict: OnVerdict) -> list[Judged]:
        with held(folder):
            return await judge_folder(judges, answers, folder, on_verdict, concurrency=concurrency, retry=retry)

    found, usage = _judged(judges, len(answers), work)
    if options(ctx).json:
        show_json({"judged": found, "usage": usage})
        return
    rows = [
        (one.judge, one.system, one.answers, _percent(one.rate), _between(one.low, one.high), one.unusable)
        for one in found
    ]
    show_table(("judge", "system", "answers", "correct %", "95 %", "unusable"), rows)
    _show_end(usage, sum(one.unusable for one in found))


@app.command(epilog=PROBE_EPILOG)
def probe(  # noqa: PLR0913, PLR0917 - the options are what they are
    ctx: typer.Context,
    out: OutOption,
    judge: JudgeOption,
    style: StyleOption = "lenient,strict",
    task: TaskOption = "locomo",
    split: SplitOption = "test",
    data: DataOption = None,
    count: CountOption = 50,
    seed: SeedOption = 0,
    retry: RetryOption = False,
    concurrency: ConcurrencyOption = 8,
) -> None:
    """Count how often a judge errs.

    It judges answers that are deliberately right, vague and wrong, made from gold answers by rule.
    """
    from memory_r1.rl.judge.measure import errors_of, judge_probes, write_probes
    from memory_r1.rl.judge.probes import make_probes
    from memory_r1.rl.tasks import load_task

    judges = _judges(ctx, judge, style)
    probes = make_probes(load_task(task, data).split(split), count, seed)
    path = write_probes(out, probes)

    async def work(on_verdict: OnVerdict) -> tuple[list[JudgeErrors], list[Agreement]]:
        from memory_r1.rl.judge import agreements

        verdicts = [
            await judge_probes(one, probes, out, on_verdict, concurrency=concurrency, retry=retry) for one in judges
        ]
        return [errors_of(one, probes, said) for one, said in zip(judges, verdicts, strict=True)], agreements(verdicts)

    (errors, pairs), usage = _judged(judges, len(probes), work)
    if options(ctx).json:
        show_json({"probes": len(probes), "seed": seed, "judges": errors, "agreement": pairs, "usage": usage})
        return
    _show_errors(path, probes, errors)
    show("")
    _show_pairs(pairs)
    _show_end(usage, sum(kind.unusable for one in errors for kind in one.kinds))


@app.command(epilog=AGREE_EPILOG)
def agree(ctx: typer.Context, folder: VerdictsArgument) -> None:
    """Say how far judges agree beyond chance.

    Cohen's kappa of each two judges whose verdicts are in DIR. Asks no model.
    """
    from memory_r1.rl.judge import agreements
    from memory_r1.rl.judge.folder import read_judges

    judges = read_judges(folder)
    if len(judges) < 2:
        raise InputError(
            f"{judges[0][0].judge!r} alone has judged in {str(folder)!r}: `memory-r1 judge run` adds another"
        )
    pairs = agreements(judges)
    if options(ctx).json:
        show_json(pairs)
    else:
        _show_pairs(pairs)


def _judges(ctx: typer.Context, models: str, styles: str) -> list[Judge]:
    from memory_r1.flows.evaluating import judge_options
    from memory_r1.rl.judge import make_judges

    names, how = _listed(models), _listed(styles)
    if not (names and how):
        raise InputError("name a judge and a style: --judge openai:MODEL@URL --style lenient,strict")
    return make_judges(names, how, judge_options(options(ctx).settings))


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _judged(judges: Sequence[Judge], answers: int, work: Callable[[OnVerdict], Awaitable[T]]) -> tuple[T, Usage]:
    """What `work` returns, with a bar meanwhile, and what it cost; the judges are closed then."""
    from memory_r1.graphs.roles import metered

    async def whole() -> T:
        try:
            with _progress(len(judges) * answers) as on_verdict:
                return await work(on_verdict)
        finally:
            for one in judges:
                await one.close()

    with metered() as meter:
        return asyncio.run(whole()), meter.usage


@contextmanager
def _progress(total: int) -> Iterator[OnVerdict]:
    """A bar with the time left, on stderr and on a terminal only. What ends early says how to go on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    done = 0
    errors = console(stderr=True)
    columns = (TextColumn("verdicts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total)

        def on_verdict(verdict: object) -> None:
            nonlocal done
            done += 1
            bar.update(task, completed=done)

        try:
            yield on_verdict
        except (asyncio.CancelledError, MemoryR1Error):
            bar.stop()
            if done:
                typer.echo(f"Stopped: {done} of {total} verdicts are kept; the same command goes on there.", err=True)
            raise


def _show_errors(path: Path, probes: Sequence[Probe], errors: Iterable[JudgeErrors]) -> None:
    questions = len({probe.question_id for probe in probes})
    show(f"{len(probes)} probes, made by rule from {questions} questions: {path} has them.")
    show("An error: a right one turned down, a vague or wrong one let pass. Percent, with 95 % intervals.")
    for one in errors:
        show(f"\n{one.judge}")
        rows = [
            (kind.kind, kind.group, kind.expected or "either", kind.probes, kind.correct, *_cells(kind.errors),
             kind.unusable)
            for kind in one.kinds
        ]  # fmt: skip
        show_table(("probe", "is", "owed", "probes", "called correct", "errors %", "95 %", "unusable"), rows)
        show_table(("all that is", "judged", "errors %", "95 %"), _by_group(one))


def _by_group(one: JudgeErrors) -> list[tuple[object, ...]]:
    return [(group, found.judged, *_cells(found)) for group, found in one.groups.items()]


def _cells(errors: Errors | None) -> tuple[str, str]:
    return ("–", "–") if errors is None else (_percent(errors.rate), _between(errors.low, errors.high))


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.1f}"


def _between(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def _show_pairs(pairs: Sequence[Agreement]) -> None:
    for at, pair in enumerate(pairs):
        kappa = "undefined" if pair.kappa is None else f"{pair.kappa:.3f}"
        if at:
            show("")
        show(f"{pair.first}\n{pair.second}")
        show(f"Cohen's kappa {kappa}, the same verdict on {_percent(pair.agreed)} % of {pair.answers} answers.")
        if pair.why:
            show(f"Undefined: {pair.why}.")
        if pair.left_out:
            show(f"{pair.left_out} answers have no verdict of both.")
        rows = [(f"first says {label}", *row.values()) for label, row in pair.table.items()]
        show_table(("", *(f"second says {label}" for label in pair.table)), rows)


def _show_end(usage: Usage, unusable: int) -> None:
    show(f"Model calls: {usage.calls}.")
    if unusable:
        show(f"Replies that couldn't be read: {unusable}, visible as UNUSABLE, in no share; --retry asks again.")
