"""The best checkpoint of a run, by validation reward: kept apart from those that verl rotates.

OUT/best.json                       {"step": …, "reward": …, "path": …}
OUT/checkpoints/best/global_step_N  its checkpoint: hard links, so it costs no space while verl keeps its own
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

log = logging.getLogger(__name__)

FILE = "best.json"
FOLDER = "best"


@dataclass(slots=True)
class Best:
    """The best so far. `checkpoints`: the folder of verl's checkpoints; None: the run saves none, so nothing is kept.

    `start`: the model that training started from, which is what `path` names when no step did better.
    """

    checkpoints: Path | None
    start: str = ""
    reward: float | None = None

    @classmethod
    def of(cls, config: DictConfig) -> Best:
        """The best so far of the run that `config` describes; of an earlier attempt, unless it starts anew."""
        trainer = config.trainer
        if trainer.save_freq <= 0:
            return cls(None)
        best = cls(Path(trainer.default_local_dir).absolute(), str(config.actor_rollout_ref.model.path))
        if trainer.resume_mode != "disable" and best.file.is_file():
            best.reward = float(json.loads(best.file.read_text())["reward"])
        return best

    @property
    def file(self) -> Path:
        """Where `best.json` stands: beside the folder of checkpoints."""
        assert self.checkpoints is not None
        return self.checkpoints.parent / FILE

    def beaten_by(self, reward: float) -> bool:
        """Whether `reward` is better than all before."""
        return self.checkpoints is not None and (self.reward is None or reward > self.reward)

    def saved(self, step: int) -> bool:
        """Whether verl saved a whole checkpoint of `step`: its data loader's state is written last."""
        return self.checkpoints is not None and (self.checkpoints / f"global_step_{step}" / "data.pt").is_file()

    def keep(self, step: int, reward: float) -> None:
        """Keep the saved checkpoint of `step` as the best; step 0 is the start, which has none."""
        assert self.checkpoints is not None
        path = self.start
        if step:
            path = str(self._link(step))
        text = json.dumps({"step": step, "reward": reward, "path": path})
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_suffix(".tmp")
        draft.write_text(text + "\n")
        draft.replace(self.file)
        self.reward = reward
        self._forget(step)
        log.info("best so far: step %d, validation reward %.4f", step, reward)

    def _link(self, step: int) -> Path:
        assert self.checkpoints is not None
        name = f"global_step_{step}"
        kept = self.checkpoints / FOLDER / name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.checkpoints / name, kept, copy_function=_link_or_copy)
        return kept

    def _forget(self, step: int) -> None:
        """Remove the earlier best ones; whoever reads `best.json` finds the new one by now."""
        assert self.checkpoints is not None
        folder = self.checkpoints / FOLDER
        for old in folder.glob("global_step_*") if folder.is_dir() else ():
            if old.name != f"global_step_{step}":
                shutil.rmtree(old)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
