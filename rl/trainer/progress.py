"""A training run as it goes: its steps read from the metrics file as it grows, and one line that says where it stands.

verl begins its metrics file anew at every start. So an attempt writes a file of its own, and its lines are added to
the run's `metrics.jsonl`, which a resumed run goes on with: of a step that was done twice the later lines count.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE = "metrics.jsonl"
ATTEMPT = "metrics.attempt.jsonl"
"""What verl writes, in the run's folder."""
SHOWN: Mapping[str, str] = {
    "memory_r1/reward/mean": "reward",
    "memory_r1/val/reward/mean": "validation",
    "memory_r1/groups/with_signal": "signal",
    "memory_r1/malformed": "malformed",
    "memory_r1/lost": "lost",
    "actor/kl_loss": "kl",
    "actor/ppo_kl": "kl of the update",
    "actor/entropy": "entropy",
    "response_length/mean": "tokens",
    "train/loss": "loss",
    "val/loss": "validation loss",
    "train/lr": "lr",
}
"""The metrics of a line, in its order, with their short names."""
_RECENT = 20


@dataclass(frozen=True, slots=True)
class Step:
    """The metrics of one step, all lines of it merged."""

    number: int
    metrics: Mapping[str, float]


def read_metrics(path: Path) -> list[Step]:
    """The steps of a metrics file in their order; a last line that is not whole is left out. None without a file."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    return merged(text[: text.rfind(b"\n") + 1].splitlines())


def merged(lines: Iterable[bytes]) -> list[Step]:
    """Lines of {"step", "data"} as steps: of a metric that a step names twice the later value counts."""
    steps: dict[int, dict[str, float]] = {}
    for line in lines:
        read = json.loads(line)
        steps.setdefault(int(read["step"]), {}).update(read["data"])
    return [Step(number, metrics) for number, metrics in sorted(steps.items())]


@dataclass(slots=True)
class Follower:
    """Moves an attempt's new lines to the run's file. `out`: the run's folder."""

    out: Path
    _taken: int = 0

    def begin(self) -> None:
        """Take what an attempt that was killed left behind, and make way for the next."""
        known = set(self._read(FILE).splitlines())
        left = [line for line in self._whole(0) if line not in known]
        self._append(left)
        (self.out / ATTEMPT).unlink(missing_ok=True)
        self._taken = 0

    def new(self) -> list[Step]:
        """The steps of the lines since the last call, which are in the run's file when this returns."""
        lines = self._whole(self._taken)
        self._append(lines)
        self._taken += sum(len(line) + 1 for line in lines)
        return merged(lines)

    def _whole(self, start: int) -> list[bytes]:
        text = self._read(ATTEMPT)[start:]
        return text[: text.rfind(b"\n") + 1].splitlines()

    def _read(self, name: str) -> bytes:
        try:
            return (self.out / name).read_bytes()
        except FileNotFoundError:
            return b""

    def _append(self, lines: list[bytes]) -> None:
        if lines:
            with (self.out / FILE).open("ab") as file:
                file.write(b"".join(line + b"\n" for line in lines))


@dataclass(slots=True)
class Progress:
    """How far a run is. `total`: steps in all. `clock`: seconds, of any beginning."""

    total: int
    step: int = 0
    started: float = field(default_factory=time.monotonic)
    _metrics: dict[str, float] = field(default_factory=dict[str, float])
    _times: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def take(self, step: Step, now: float) -> None:
        """Note a step that was done at `now`."""
        if step.number > self.step:
            self._times.append((now, step.number))
        self.step = max(self.step, step.number)
        self._metrics.update(step.metrics)

    def seconds_per_step(self) -> float | None:
        """Of the recent steps; None before there are two."""
        if len(self._times) < 2:
            return None
        (first, begin), (last, end) = self._times[0], self._times[-1]
        return (last - first) / (end - begin)

    def left(self) -> float | None:
        """Seconds to the last step, at the recent pace; None before it is known."""
        pace = self.seconds_per_step()
        return None if pace is None else pace * max(0, self.total - self.step)

    def line(self, now: float) -> str:
        """As "step 12/60 · 1.6 s/step · 1 min 17 s left · reward 0.61 · …"; before the first step how long it waits."""
        if not self._times and not self._metrics:
            return f"starting · {spoken(now - self.started)}"
        parts = [f"step {self.step}/{self.total}"]
        pace, left = self.seconds_per_step(), self.left()
        if pace is not None and left is not None:
            parts += [f"{pace:.2g} s/step" if pace < 100 else f"{pace:.0f} s/step", f"{spoken(left)} left"]
        parts += [f"{name} {self._metrics[key]:.3g}" for key, name in SHOWN.items() if key in self._metrics]
        return " · ".join(parts)

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of every metric so far."""
        return dict(self._metrics)

    def summary(self) -> dict[str, float]:
        """The last values of the shown metrics, by their full names."""
        return {key: self._metrics[key] for key in SHOWN if key in self._metrics}


def spoken(seconds: float) -> str:
    """As "1 h 5 min", "3 min 20 s" or "12 s"."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
