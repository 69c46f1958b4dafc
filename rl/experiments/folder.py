"""A folder of experiments: what was trained and measured, so that starting again goes on where it stopped.

OUT/setup.json                  what all runs share
OUT/rows/…-sSEED/               what runs of a seed learn from: the same rows for all of a kind
OUT/rows/held-TEST.parquet      the held-out rows of a test
OUT/runs/RUN-sSEED/             one run: all that `memory-r1 train` writes; policy/ when it is done
OUT/scores/TEST/NAME.json       the held-out rows of one test, by who played
OUT/failed.json                 runs that ended with an error, and the error
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from memory_r1.memory.errors import InputError, SettingsError
from memory_r1.rl.evaluation.files import write_whole
from memory_r1.rl.experiments.types import Run, Scored, Setup, TestName

FILE = "setup.json"


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder `out` of one setup. Make it by `Folder.open`."""

    out: Path
    setup: Setup

    @classmethod
    def open(cls, out: Path, setup: Setup) -> Folder:
        """The folder for `setup`, made if need be. Raises InputError when it holds another setup's figures."""
        told = asdict(setup)
        path = out / FILE
        if path.is_file():
            held = read_setup(out)
            other = [name for name, value in asdict(held).items() if value != told[name]]
            if other:
                raise InputError(
                    f"{str(out)!r} holds experiments with another {other[0]} ({asdict(held)[other[0]]!r}): "
                    f"name another folder for {told[other[0]]!r}"
                )
        else:
            out.mkdir(parents=True, exist_ok=True)
            _write(path, told)
        return cls(out, setup)

    def run(self, run: Run, seed: int) -> Path:
        """Where a run is trained."""
        return self.out / "runs" / f"{run.name}-s{seed}"

    def rows(self, run: Run, seed: int, count: int) -> Path:
        """Where the `count` rows are that a run learns from; runs that learn from the same ones share them."""
        kind = [run.role, "examples" if run.algorithm == "sft" else "rows", str(count)]
        kind += [f"turns{run.turns}"] * (run.turns > 1) + ["natural"] * run.natural + ["plain"] * (not run.distil)
        return self.out / "rows" / "-".join([*kind, f"s{seed}"])

    def held(self, test: TestName) -> Path:
        """Where the held-out rows of `test` are."""
        return self.out / "rows" / f"held-{test}.parquet"

    def policy(self, run: Run, seed: int) -> Path:
        """Where its policy is, when it is done."""
        return self.run(run, seed) / "policy"

    def done(self, run: Run, seed: int) -> bool:
        """Whether a run is done."""
        return (self.policy(run, seed) / "config.json").is_file()

    def scores(self, test: TestName, name: str) -> list[Scored] | None:
        """What `name` earned on the rows of `test`; None when that was not measured. Raises InputError."""
        path = self._scores(test, name)
        if not path.is_file():
            return None
        try:
            return [Scored(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
        except (ValueError, TypeError) as error:
            raise InputError(f"{str(path)!r} can't be read ({error}): delete it, and it is measured anew") from None

    def keep(self, test: TestName, name: str, scores: Sequence[Scored]) -> None:
        """Keep what `name` earned."""
        _write(self._scores(test, name), [asdict(one) for one in scores])

    def fail(self, name: str, error: str) -> None:
        """Keep what ended a run; "" for one that has not failed after all."""
        failed = self.failed() | {name: error}
        _write(self.out / "failed.json", {key: value for key, value in failed.items() if value})

    def failed(self) -> dict[str, str]:
        """The runs that ended with an error, and the error."""
        path = self.out / "failed.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def _scores(self, test: TestName, name: str) -> Path:
        return self.out / "scores" / test / f"{name}.json"


def read_setup(out: Path) -> Setup:
    """The setup of the experiments in `out`. Raises InputError where there are none."""
    path = out / FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Setup(**{**told, "settings": tuple(told["settings"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"there are no experiments in {str(out)!r}: {error}") from None


def digest(folder: str) -> str:
    """What tells a model's weights from others: the start of their files' SHA-256. Raises SettingsError for none."""
    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        raise SettingsError(f"{folder!r} holds no model.safetensors: name the folder of a policy")
    found = sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False).encode())
