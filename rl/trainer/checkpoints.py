"""Where a run's checkpoints stand, and which of them are whole.

OUT/checkpoints/global_step_N          of SFT: shards and `huggingface/` here; of RL: below `actor/`
OUT/checkpoints/best/global_step_N     of RL: the best by validation reward, which OUT/best.json names
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.rl.trainer.best import FILE as BEST

FOLDER = "checkpoints"
_STEP = re.compile(r"global_step_(\d+)$")
_SHARDS = "model_world_size_*_rank_*.pt"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One saved step. `weights`: the folder of the policy's shards. `reward`: validation reward, where it is known."""

    step: int
    weights: Path
    reward: float | None = None


def saved(out: Path) -> list[Checkpoint]:
    """The whole checkpoints of a run, the newest last. verl writes the data loader's state last."""
    found: list[Checkpoint] = []
    for folder in (out / FOLDER).glob("global_step_*"):
        match = _STEP.search(folder.name)
        weights = _weights(folder)
        if match and weights is not None and any(folder.glob("data*.pt")):
            found.append(Checkpoint(int(match[1]), weights))
    return sorted(found, key=lambda one: one.step)


def chosen(out: Path, which: str = "best") -> Checkpoint | Path:
    """The checkpoint to use: "best" by validation reward (the newest where none was measured), "last", or a step.

    A path stands for a run whose start is the best there was: the model it began with. Raises InputError.
    """
    kept = saved(out)
    if which == "best":
        best = _best(out)
        if best is not None:
            return best
        which = "last"
    if which == "last" and kept:
        return kept[-1]
    for one in kept:
        if which == str(one.step):
            return one
    steps = ", ".join(str(one.step) for one in kept) or "none yet"
    raise InputError(f"{str(out)!r} has no checkpoint {which!r}: its steps are {steps}")


def _best(out: Path) -> Checkpoint | Path | None:
    path = out / BEST
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        step, reward, where = int(told["step"]), float(told["reward"]), Path(str(told["path"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{str(path)!r} doesn't say which checkpoint is the best: {error}") from error
    if step == 0:
        return where
    here = out / FOLDER / "best" / where.name
    weights = _weights(here if here.is_dir() else where)
    if weights is None:
        raise FileFormatError(f"{str(path)!r} names {str(where)!r}, which holds no weights: export --which last")
    return Checkpoint(step, weights, reward)


def _weights(folder: Path) -> Path | None:
    return next((place for place in (folder / "actor", folder) if any(place.glob(_SHARDS))), None)
