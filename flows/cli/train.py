"""The commands that train: train manager, answerer; and export, configs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memory_r1.memory.errors import InputError

from .shared import clean, console, options, show, show_json, show_table

if TYPE_CHECKING:
    from memory_r1.rl.trainer.launch import OnProgress
    from memory_r1.rl.trainer.plan import Request
    from memory_r1.rl.trainer.progress import Progress

HELP = """Train a memory manager, or an answerer, with verl over the same graphs that the agent runs.

The same command again goes on from the newest checkpoint, also after a crash. Ctrl-C ends everything that it started.
The trained policy is written to OUT/policy, for --model local:OUT/policy, transformers and vLLM."""

EPILOG = """\b
Examples:
  memory-r1 train manager --algorithm sft --data world:names=120,conversations=500 --model FOLDER --out runs/sft
  memory-r1 train manager --algorithm grpo --data world:names=120 --model local:runs/sft/policy \\
    --answerer tiny --out runs/grpo-s1 --seed 1
  memory-r1 train manager --config paper/qwen2.5-7b --data manager.parquet --validation validation.parquet \\
    --model Qwen/Qwen2.5-7B-Instruct --answerer openai:NAME@http://localhost:8000/v1 --out runs/qwen
  memory-r1 train export runs/grpo-s1 policy --which last"""

train = typer.Typer(help=HELP, epilog=EPILOG, no_args_is_help=True)

DataOption = Annotated[
    str, typer.Option("--data", metavar="FILE|world:…", help="As `data build` wrote it, or worlds to make it of.")
]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the run goes, and is gone on with.")]
AlgorithmOption = Annotated[str, typer.Option(metavar="NAME", help="grpo, ppo or sft.")]
ConfigOption = Annotated[str, typer.Option(metavar="NAME", help="As `memory-r1 train configs` lists them.")]
ValidationOption = Annotated[
    str, typer.Option(metavar="FILE|world:…", help="Rows to validate on. Default: of the same worlds; none for a FILE.")
]
RewardOption = Annotated[
    str, typer.Option(metavar="NAME[=WEIGHT],…", help="em, f1, judge, malformed, …. Default: as the config says, em.")
]
StepsOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="Steps in all. Default: the config's.")]
SeedOption = Annotated[int, typer.Option(min=0, metavar="N", help="Of data order, sampling and made rows.")]
RayOption = Annotated[
    str, typer.Option("--ray-address", metavar="ADDRESS", help="A Ray cluster, for several machines.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the config. May be repeated.")
]
AnswererOption = Annotated[
    str, typer.Option("--answerer", metavar="MODEL", help="Who answers while the manager learns: oracle, or a model.")
]
RolesOption = Annotated[str, typer.Option(metavar="NAME,…", help="For sft: whose examples. Default: this role's.")]
WhichOption = Annotated[str, typer.Option(metavar="WHICH", help="best, last, or a step.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(train, name="train")


@train.command("configs")
def configs(ctx: typer.Context) -> None:
    """The configs that --config takes, and for which algorithms."""
    from memory_r1.rl.trainer.configs import SFT, families, names

    supervised = {name.removeprefix(f"{SFT}/") for name in names() if name.startswith(f"{SFT}/")}
    rows = [(name, "grpo, ppo" + (", sft" if name in supervised else "")) for name in families()]
    if options(ctx).json:
        show_json([{"name": name, "algorithms": learned.split(", ")} for name, learned in rows])
        return
    show_table(("config", "algorithms"), rows)


@train.command("export")
def export_(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The --out of a training run.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the policy goes.")],
    which: WhichOption = "best",
) -> None:
    """Write a run's policy as a Hugging Face folder, which --model local:FOLDER, transformers and vLLM load."""
    from memory_r1.rl.trainer.export import export

    done = export(run, folder, which)
    if options(ctx).json:
        show_json(done)
    else:
        show(f"{done.folder}: the policy after step {done.step}, {done.parameters:,} parameters")


def train_role(  # noqa: PLR0913, PLR0917 - the options are what they are
    ctx: typer.Context,
    data: DataOption,
    out: OutOption,
    algorithm: AlgorithmOption = "grpo",
    config: ConfigOption = "tiny-cpu",
    validation: ValidationOption = "",
    answerer: AnswererOption = "",
    reward: RewardOption = "",
    steps: StepsOption = None,
    seed: SeedOption = 0,
    roles: RolesOption = "",
    ray_address: RayOption = "",
    set_: SetOption = None,
) -> None:
    """Train the ROLE that the command names, beginning with --model; rl/TRAINING.md tells how."""
    from memory_r1.rl.trainer.configs import ALGORITHMS
    from memory_r1.rl.trainer.plan import Request, parse_settings

    given, role = options(ctx), str(ctx.info_name)
    if algorithm not in ALGORITHMS:
        raise InputError(f"there is no algorithm {algorithm!r}: choose from {', '.join(ALGORITHMS)}")
    model = given.values.get("model") or ""
    if not model:
        raise InputError("training begins with a model: give --model FOLDER, or --model tiny")
    if roles and algorithm != "sft":
        raise InputError("--roles is for sft: grpo and ppo train one role")
    named = tuple(part.strip() for part in roles.split(",") if part.strip()) or (role,)
    asked = Request(
        roles=named, algorithm=algorithm, config=config, data=data, model=model, out=out, validation=validation,
        answerer=answerer or given.values.get("answerer_model") or "", rewards=reward, steps=steps, seed=seed,
        ray_address=ray_address, settings=parse_settings(set_ or []),
    )  # fmt: skip
    _run(asked, given.json)


def _run(asked: Request, as_json: bool) -> None:
    from memory_r1.rl.trainer.learn import learn
    from memory_r1.rl.trainer.plan import prepare

    prepared = prepare(asked)
    with _shown(as_json) as on_progress:
        done = learn(prepared, on_progress)
    if as_json:
        policy = {"folder": done.policy, "step": done.step, "parameters": done.parameters, "reward": done.reward}
        show_json({"out": done.out, "steps": done.steps, "metrics": done.metrics, "policy": policy})
        return
    show(f"{done.policy}: the policy after step {done.step}, {done.parameters:,} parameters")
    show(f"{done.out}: {done.steps} steps; curves: memory-r1 report {done.out}")


@contextmanager
def _shown(as_json: bool) -> Iterator[OnProgress]:
    """One line on a terminal, kept up to date; elsewhere a line for each step, on stderr. None as JSON."""
    from rich.live import Live
    from rich.text import Text

    errors = console(stderr=True)
    with Live(console=errors, refresh_per_second=4, transient=True) as live:

        def on_progress(progress: Progress, new: bool) -> None:
            if errors.is_terminal:
                live.update(Text(clean(progress.line(time.monotonic()))))
            elif new and not as_json:
                typer.echo(progress.line(time.monotonic()), err=True)

        yield on_progress


for _role, _what in (("manager", "the memory manager"), ("answerer", "the answerer")):
    train.command(_role, help=f"Train {_what}, beginning with --model.", epilog=EPILOG)(train_role)
