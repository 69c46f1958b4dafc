"""Reads what training runs left behind: the metrics of each step, the configuration, the best checkpoint.

OUT/metrics.jsonl   {"step": …, "data": {name: number}}, a line or several for each step; the later lines count
OUT/config.yaml     the resolved configuration, OUT/best.json {"step", "reward", "path"}; either may be missing
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from memory_r1.memory.errors import FileFormatError, InputError

METRICS = "metrics.jsonl"
_SEED = re.compile(r"[-_.]?(?:seed|s)[-_.]?\d+$")

Points = tuple[tuple[int, float], ...]
"""Steps with their values, in order."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One run. `series`: the points of each metric by its name. `settings`: the configuration's leaves by dotted name.

    `best`: the best checkpoint's step and validation reward, None where none was kept.
    """

    name: str
    folder: Path
    series: Mapping[str, Points]
    settings: Mapping[str, str]
    best: tuple[int, float] | None

    @property
    def variant(self) -> str:
        """What runs of several seeds share: the name without "-s1", "-seed2" and the like."""
        return _SEED.sub("", self.name) or self.name

    @property
    def steps(self) -> int:
        """The last step that was logged."""
        return max((points[-1][0] for points in self.series.values()), default=0)

    def points(self, name: str) -> Points:
        """The points of one metric, () where it was not logged."""
        return self.series.get(name, ())


def is_training(folder: Path) -> bool:
    """Whether a training run wrote into `folder`."""
    return (folder / METRICS).is_file()


def read_runs(folders: Sequence[Path]) -> list[TrainingRun]:
    """The runs of `folders`, in that order, named by the last parts of their paths that tell them apart.

    Raises InputError for a folder without a run, or one given twice; FileFormatError naming a line that can't be read.
    """
    places = [folder.resolve() for folder in folders]
    for at, place in enumerate(places):
        if not is_training(folders[at]):
            raise InputError(
                f"there is no training run in {str(folders[at])!r}: give what `memory-r1 train --out` wrote"
            )
        if place in places[:at]:
            raise InputError(f"{str(folders[at])!r} is given twice")
    return [_read(name, folder) for name, folder in zip(_names(places), folders, strict=True)]


def _names(places: Sequence[Path]) -> list[str]:
    deepest = max(len(place.parts) for place in places)
    for count in range(1, deepest + 1):
        names = ["/".join(place.parts[-count:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in places]


def _read(name: str, folder: Path) -> TrainingRun:
    found: dict[str, dict[int, float]] = {}
    for step, data in _lines(folder / METRICS):
        for metric, value in data.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                found.setdefault(metric, {})[step] = float(value)
    series = {metric: tuple(sorted(points.items())) for metric, points in sorted(found.items())}
    return TrainingRun(name, folder, series, _settings(folder / "config.yaml"), _best(folder / "best.json"))


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Step and data of each line; a last line that is still being written is left out."""
    text = _text(path)
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise FileFormatError(f"{str(path)!r}, line {number} is not JSON: {error}") from None
        if not (isinstance(row, dict) and isinstance(row.get("step"), int) and isinstance(row.get("data"), dict)):
            raise FileFormatError(f'{str(path)!r}, line {number} has not "step" and "data": {line[:80]!r}')
        yield row["step"], row["data"]


def _settings(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        found = yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise FileFormatError(f"{str(path)!r} is not YAML: {error}") from None
    return dict(_leaves(found, ""))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in cast("dict[Any, Any]", value).items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, "" if value is None else str(value)


def _best(path: Path) -> tuple[int, float] | None:
    if not path.is_file():
        return None
    try:
        row = json.loads(_text(path))
        return int(row["step"]), float(row["reward"])
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{str(path)!r} is no best checkpoint: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"can't read {str(path)!r}: {error}") from error
