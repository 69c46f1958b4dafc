"""Commands of the policy registry: policy list, show, log, promote, rollback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memory_r1.memory.errors import DamagedPolicyError, InputError

from .shared import ConversationsOption, QuestionsOption, clean, console, options, plain, show, show_json, show_table

if TYPE_CHECKING:
    from memory_r1.graphs.policies.registry import Registry
    from memory_r1.graphs.policies.types import Decision, Policy
    from memory_r1.rl.evaluation.run import OnStep, Step
    from memory_r1.rl.promotion import Trial

HELP = """Publish policies, look at them, put one in use, and roll back.

A policy says who plays the three roles: model folders, which are copied, or model strings. What is in use is what
`--model policy` means; an agent server that runs with it takes a newly promoted one up at the next run."""

EPILOG = """\b
Examples:
  memory-r1 policy promote --role manager=runs/grpo/policy --role answerer=runs/answerer/policy
  memory-r1 policy promote --role manager=tiny --role answerer=tiny --task world --gold --limit-conversations 4
  memory-r1 policy rollback --reason "answers in the wrong language"
  memory-r1 ask "Where does Anna live?" --bank anna --model policy"""

PROMOTE, ROLLBACK = "memory-r1 policy promote", "memory-r1 policy rollback"
"""Who decided, as the log has it."""

policy = typer.Typer(help=HELP, epilog=EPILOG, no_args_is_help=True)

RegistryOption = Annotated[
    Path | None,
    typer.Option("--registry", metavar="DIR", help="The registry. Default: MEMORY_R1_POLICIES, or your data folder."),
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="A version, as list shows it.")]
RoleOption = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE=MODEL", help="A model folder or a model for one role. May be repeated."),
]
TaskOption = Annotated[str, typer.Option(metavar="NAME", help="What both are weighed on: a task, as of eval.")]
SplitOption = Annotated[str, typer.Option(metavar="NAME", help="Its split.")]
MetricOption = Annotated[str, typer.Option(metavar="NAME", help="em, f1, bleu1, locomo.em or locomo.f1.")]
MarginOption = Annotated[float, typer.Option(metavar="X", help="How much more it must score: 0.01 is a point of 100.")]
GoldOption = Annotated[bool, typer.Option("--gold", help="The task's own facts stand in for both extractors.")]
DataOption = Annotated[str, typer.Option(metavar="PATH", help="The task's file. Default: what was prepared.")]
UrlOption = Annotated[
    str, typer.Option(metavar="URL", help="An OpenAI-compatible server that runs the folders. Default: this process.")
]
OutOption = Annotated[Path | None, typer.Option(metavar="DIR", help="The results. Default: `weighed` in the registry.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Weigh nothing: put it in use, for the --reason.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the log.")]
ToOption = Annotated[str, typer.Option("--to", metavar="ID", help="That version. Default: the one in use before.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(policy, name="policy")


@policy.command("list")
def show_all(ctx: typer.Context, registry: RegistryOption = None) -> None:
    """The versions of the registry, and which is in use."""
    shelf = _registry(ctx, registry)
    used = shelf.used()
    found: dict[str, Policy | DamagedPolicyError] = {id: _read(shelf, id) for id in shelf.ids()}
    if options(ctx).json:
        versions = [{**_plain(one, id), "in_use": id == used} for id, one in found.items()]
        show_json({"registry": str(shelf.folder), "in_use": used, "policies": versions})
        return
    if not found:
        show(f"No policy is in {shelf.folder} yet: `memory-r1 policy promote --role manager=FOLDER` publishes one.")
        return
    rows = [("in use" if id == used else "", id, *_cells(one)) for id, one in found.items()]
    show_table(("", "policy", "published", "roles", "score", "source"), rows)


@policy.command("show")
def show_one(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="[ID]", help="A version. Default: the one in use.")] = "",
    registry: RegistryOption = None,
) -> None:
    """One version: its roles, where it came from, its scores and files; every file is compared with what was published.

    Exit status 1 when it is damaged.
    """
    shelf = _registry(ctx, registry)
    used = shelf.used()
    if not (id or used):
        raise InputError(f"no policy is in use in {str(shelf.folder)!r}: promote one, or name a version")
    found = shelf.verify(id or used)
    models = shelf.models(found)
    if options(ctx).json:
        show_json({**plain(found), "in_use": found.id == used, "models": models})
        return
    show(
        f"{found.id}{', in use' if found.id == used else ''}: published {found.created:%Y-%m-%d %H:%M}, {found.source}"
    )
    show_table(("role", "model", "copied from"), [(role, models[role], found.given.get(role, "")) for role in models])
    show(f"score     {_score(found.scores) or 'not weighed'}")
    show(f"files     {len(found.files)}, {sum(file.size for file in found.files) / 1e6:.1f} MB, as they were published")


@policy.command("log")
def show_log(ctx: typer.Context, registry: RegistryOption = None) -> None:
    """Every decision: what was promoted, kept or rolled back, by whom and why."""
    shelf = _registry(ctx, registry)
    decisions = shelf.decisions()
    if options(ctx).json:
        show_json({"registry": str(shelf.folder), "decisions": [one.data() for one in decisions]})
        return
    rows = [
        (one.number, f"{one.when:%Y-%m-%d %H:%M}", one.kind, one.version or "nothing", one.by, one.reason)
        for one in decisions
    ]
    show_table(("", "when", "decision", "in use then", "by", "why"), rows)


@policy.command(epilog=EPILOG)
def promote(  # noqa: PLR0913, PLR0917 - the options are what they are
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="[ID]", help="A version that is there already; or give --role.")] = "",
    role: RoleOption = None,
    task: TaskOption = "world",
    split: SplitOption = "validation",
    metric: MetricOption = "em",
    margin: MarginOption = 0.01,
    limit_conversations: ConversationsOption = None,
    limit_questions: QuestionsOption = None,
    gold: GoldOption = False,
    data: DataOption = "",
    url: UrlOption = "",
    out: OutOption = None,
    force: ForceOption = False,
    reason: ReasonOption = "",
    registry: RegistryOption = None,
) -> None:
    """Put a policy in use if it beats the one in use.

    Both answer the same questions of a task, now; the new one must score more by the margin. Stop it whenever you like:
    the same command goes on there. Exit status 1 when it isn't promoted.
    """
    from memory_r1.rl.promotion import Trial

    shelf = _registry(ctx, registry)
    if bool(id) == bool(role):
        raise InputError("say what to promote: the ID of a version, or --role ROLE=MODEL, once for each role")
    candidate: Mapping[str, str] = {**shelf.models(shelf.verify(id))} if id else _roles(role or [])
    settings = options(ctx).settings
    trial = Trial(
        task, split, metric, limit_conversations, limit_questions, data, gold, settings.embedder or "hashed", url
    )
    decision = _promoted(ctx, shelf, candidate, None if force else trial, (margin, reason, out))
    _report(ctx, decision)
    used = shelf.in_use()
    if not decision.promoted and (used is None or used.digest != decision.candidate):
        raise typer.Exit(1)


@policy.command()
def rollback(
    ctx: typer.Context, to: ToOption = "", reason: ReasonOption = "", registry: RegistryOption = None
) -> None:  # fmt: skip
    """Put the policy back in use that was in use before. Again, the one before that.

    What was rolled back comes back only by `promote --force`.
    """
    shelf = _registry(ctx, registry)
    _report(ctx, shelf.rollback(to, reason or "no reason given", _now(), ROLLBACK))


def _promoted(
    ctx: typer.Context, shelf: Registry, candidate: Mapping[str, str], trial: Trial | None, how: tuple[Any, ...]
) -> Decision:
    """Weigh and publish; without a `trial`, or where it is in use already, there is nothing to weigh."""
    from memory_r1.graphs.policies.types import read_candidate
    from memory_r1.rl.promotion import publish, weigh

    margin, reason, out = how
    used, weighed = shelf.in_use() if trial else None, None
    if trial and used and used.digest == read_candidate(candidate).digest:
        reason = reason or "in use already"
    elif trial:
        key = options(ctx).settings.api_key.get_secret_value()
        with _shown() as on_step:
            weighed = asyncio.run(weigh(shelf.folder, candidate, out or shelf.folder / "weighed", trial, key, on_step))
    return publish(shelf.folder, candidate, weighed, margin, PROMOTE, _now(), reason)


def _registry(ctx: typer.Context, folder: Path | None) -> Registry:
    from memory_r1.graphs.policies.registry import Registry

    return Registry(folder.expanduser().absolute() if folder else options(ctx).settings.policies_path)


def _roles(values: list[str]) -> dict[str, str]:
    """`ROLE=MODEL` by role. Raises InputError."""
    found: dict[str, str] = {}
    for value in values:
        role, equals, model = value.partition("=")
        if not (equals and role and model) or role in found:
            raise InputError(f"--role {value!r} is not ROLE=MODEL, each role once: write --role manager=FOLDER")
        found[role] = model
    return found


def _report(ctx: typer.Context, decision: Decision) -> None:
    if options(ctx).json:
        show_json(decision.data())
        return
    before = f", before {decision.previous}" if decision.previous not in ("", decision.version) else ""
    show(f"{decision.kind}: {decision.version or 'nothing'} is in use{before}")
    show(f"why: {decision.reason}")


def _read(shelf: Registry, id: str) -> Policy | DamagedPolicyError:
    try:
        return shelf.policy(id)
    except DamagedPolicyError as error:
        return error


def _plain(found: Policy | DamagedPolicyError, id: str) -> dict[str, Any]:
    if isinstance(found, DamagedPolicyError):
        return {"id": id, "damaged": found.message}
    return plain(found)


def _cells(found: Policy | DamagedPolicyError) -> tuple[str, str, str, str]:
    if isinstance(found, DamagedPolicyError):
        return "", "damaged", "", found.message
    roles = ", ".join(f"{role} {name}" for role, name in found.roles.items())
    return f"{found.created:%Y-%m-%d %H:%M}", roles, _score(found.scores), found.source


def _score(scores: Mapping[str, Any]) -> str:
    """As "em 54.2 %", "" for a policy that wasn't weighed."""
    if not scores:
        return ""
    return f"{scores['trial']['metric']} {100 * scores['candidate_score']['mean']:.1f} %"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@contextmanager
def _shown() -> Iterator[OnStep]:
    """One line on a terminal that says how far the weighing is; nothing elsewhere."""
    from rich.live import Live
    from rich.text import Text

    done: dict[str, list[int]] = {}
    errors = console(stderr=True)
    with Live(console=errors, refresh_per_second=4, transient=True) as live:

        def on_step(step: Step) -> None:
            counts = done.setdefault(step.system, [0, 0])
            counts[0], counts[1] = counts[0] + step.turns, counts[1] + step.questions
            if errors.is_terminal:
                line = "; ".join(f"{name}: {turns} turns, {asked} questions" for name, (turns, asked) in done.items())
                live.update(Text(clean(line)))

        yield on_step
