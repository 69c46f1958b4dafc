"""verl's FSDP engines, registered for the device "cpu" as well: they are written for any device that PyTorch knows."""

from __future__ import annotations

import warnings


def register() -> None:
    """Registers the language model and the value model under `fsdp` and `fsdp2` for the CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # verl warns of each engine whose package is not installed
        from verl.workers.engine.base import EngineRegistry
        from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead, FSDPEngineWithValueHead
    for kind, engine in (("language_model", FSDPEngineWithLMHead), ("value_model", FSDPEngineWithValueHead)):
        EngineRegistry.register(model_type=kind, backend=["fsdp", "fsdp2"], device="cpu")(engine)
