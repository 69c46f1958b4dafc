"""The command: `python -m memory_r1.rl.experiments run|table|list`.

run [NAME …]   train and measure what is missing in OUT; the same command again goes on where it stopped
table          the Markdown table of what is there
list           the experiments and their runs
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from memory_r1.memory.errors import MemoryR1Error
from memory_r1.rl.experiments.catalogue import EXPERIMENTS, RUNS, SEEDS
from memory_r1.rl.experiments.folder import Folder, digest, read_setup
from memory_r1.rl.experiments.table import markdown
from memory_r1.rl.experiments.types import Setup


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status: 1 when a run failed, 2 for what can't be done."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    try:
        return int(given.do(given))
    except MemoryR1Error as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="train and measure what is missing")
    run.set_defaults(do=_run)
    run.add_argument("names", nargs="*", metavar="NAME", help="experiments; all by default, in their order")
    run.add_argument("--out", type=Path, required=True)
    run.add_argument("--policy", required=True, help="folder of the policy that managers start from")
    run.add_argument("--answerer-policy", default="", help="folder that answerers start from; default: --policy")
    run.add_argument("--answerer", required=True, help="folder of the frozen answerer, or a model string")
    run.add_argument("--world", default="world:names=120")
    run.add_argument("--held", type=int, default=200, help="rows of a test")
    run.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="of %(default)s")
    run.add_argument("--scale", type=float, default=1.0, help="times the steps of every run")
    run.add_argument("--set", action="append", default=[], help="KEY=VALUE, for every RL run that has none of its own")
    table = commands.add_parser("table", help="the Markdown table of what is there")
    table.set_defaults(do=_table)
    table.add_argument("--out", type=Path, required=True)
    listed = commands.add_parser("list", help="the experiments and their runs")
    listed.set_defaults(do=_list)
    return parser


def _run(given: argparse.Namespace) -> int:
    from memory_r1.rl.experiments.run import Runner
    from memory_r1.rl.experiments.training import train

    answerer = given.answerer
    if Path(answerer).is_dir():
        answerer = f"local:{Path(answerer).resolve()}"
    policy, other = (str(Path(one).resolve()) for one in (given.policy, given.answerer_policy or given.policy))
    digests = {"policy": digest(policy), "answerer_policy": digest(other)}
    if answerer.startswith("local:"):
        digests["answerer"] = digest(answerer.removeprefix("local:"))
    setup = Setup(
        policy, other, answerer, given.world, given.held, scale=given.scale, settings=tuple(given.set), digests=digests
    )
    runner = Runner(Folder.open(given.out.resolve(), setup), train, _tell)
    return 0 if runner.run(given.names, [int(part) for part in given.seeds.split(",")]) else 1


def _tell(line: str) -> None:
    sys.stderr.write(f"{datetime.now():%H:%M:%S} {line}\n")
    sys.stderr.flush()


def _table(given: argparse.Namespace) -> int:
    sys.stdout.write(markdown(Folder(given.out, read_setup(given.out))))
    return 0


def _list(given: argparse.Namespace) -> int:
    for one in EXPERIMENTS:
        sys.stdout.write(f"{one.name}. {one.claim}\n")
        for name in one.runs:
            run = RUNS[name]
            sys.stdout.write(f"     {name}: {run.algorithm}, {run.steps} steps, {' '.join(run.settings)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
