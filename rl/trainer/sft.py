"""Supervised fine-tuning by verl: `torchrun -m memory_r1.rl.trainer.sft --config-name sft/NAME key=value…`.

verl's trainer, with batches of examples that are of like length. The exit status is 0 only when training ended well.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import hydra
from omegaconf import DictConfig
from torchdata.stateful_dataloader import StatefulDataLoader
from verl.trainer.sft_trainer import SFTTrainer
from verl.utils.dataset.dataset_utils import SFTTensorCollator
from verl.utils.device import auto_set_device
from verl.utils.distributed import destroy_global_process_group, initialize_global_process_group

from memory_r1.rl.trainer.sft_data import ByLength


class Trainer(SFTTrainer):
    """verl's, drawing batches by length."""

    def _build_dataloader(self) -> None:
        """As verl's, with our sampler in the place of torch's."""
        config = self.config.data
        ranks = (self.engine.get_data_parallel_rank(), self.engine.get_data_parallel_size())
        self.global_batch_size = config.train_batch_size
        self.train_batch_size_per_dp = self.global_batch_size // ranks[1]
        self.collate_fn = SFTTensorCollator(config.pad_mode)
        self.train_sampler, self.train_dataloader = self._loader(self.train_dataset, ranks)
        self.val_sampler, self.val_dataloader = None, None
        if self.val_dataset is not None:
            self.val_sampler, self.val_dataloader = self._loader(self.val_dataset, ranks, whole=False)

    def _loader(self, examples: Any, ranks: tuple[int, int], whole: bool = True) -> tuple[ByLength, StatefulDataLoader]:
        """The order and the loader. `whole`: of full batches; else few examples make a smaller one."""
        batch = self.train_batch_size_per_dp
        if not whole:
            batch = max(1, min(batch, len(examples) // ranks[1]))
        sampler = ByLength(examples.lengths, batch, ranks, self.config.trainer.seed)
        loader = StatefulDataLoader(
            dataset=examples, batch_size=batch, sampler=sampler, collate_fn=self.collate_fn,
            num_workers=self.config.data.num_workers, drop_last=True,
        )  # fmt: skip
        return sampler, loader


@hydra.main(config_path="config", config_name="sft/tiny-cpu", version_base=None)
def main(config: DictConfig) -> None:
    """Train as `config` says. Raises what made training fail."""
    logging.getLogger("memory_r1").setLevel(logging.INFO)
    auto_set_device(config)
    initialize_global_process_group()
    trainer = Trainer(config=config)
    started = time.monotonic()
    trainer.fit()
    logging.getLogger(__name__).info("trained in %.1f s", time.monotonic() - started)
    destroy_global_process_group()


if __name__ == "__main__":
    main()
