"""A model folder in memory: its engine, its tokenizer, and what it was trained within."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memory_r1.graphs.local.folder import FolderLimits, checked, read_limits
from memory_r1.memory.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from memory_r1.graphs.local.engine import Engine
    from memory_r1.graphs.local.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Loaded:
    """Close the engine when done."""

    engine: Engine
    tokens: Tokens
    limits: FolderLimits


def load(folder: Path) -> Loaded:
    """The model in `folder`, onto a GPU where there is one, read without any network.

    Raises SettingsError for a folder that can't be loaded, MissingExtraError without PyTorch or transformers.
    """
    try:
        import torch
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError.of("local", error.name or "torch") from None

    from memory_r1.graphs.local.engine import Engine
    from memory_r1.graphs.local.tokens import Tokens

    logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    limits = read_limits(checked(folder))
    try:
        engine = Engine.load(folder, threads=torch.get_num_threads(), device=device)
    except Exception as error:
        raise SettingsError(f"the model in {str(folder)!r} can't be loaded: {error}") from error
    return Loaded(engine, Tokens.load(folder), limits)
