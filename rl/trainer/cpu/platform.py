"""The platform "cpu" of verl: every question that verl asks of a device, answered without one."""

# ruff: noqa: D102  verl's PlatformBase documents what each method is for

from __future__ import annotations

from contextlib import nullcontext
from types import ModuleType
from typing import Any

import psutil
import torch
from verl.plugin.platform import PlatformBase, PlatformRegistry

from memory_r1.rl.trainer.cpu.environment import PLATFORM


def _nothing(*_args: Any, **_kwargs: Any) -> None:
    """What an accelerator would do here has no meaning on a CPU."""


def _resident(*_args: Any, **_kwargs: Any) -> int:
    """Bytes of memory that this process holds."""
    return psutil.Process().memory_info().rss


def _free_and_total(*_args: Any, **_kwargs: Any) -> tuple[int, int]:
    memory = psutil.virtual_memory()
    return memory.available, memory.total


def device_module() -> ModuleType:
    """`torch.cpu` with the calls of `torch.cuda` that verl makes: memory in bytes of this process, the rest neutral."""
    module = ModuleType("memory_r1.rl.trainer.cpu.device")
    vars(module).update({name: value for name, value in vars(torch.cpu).items() if not name.startswith("__")})
    vars(module).update(
        memory_allocated=_resident, max_memory_allocated=_resident, memory_reserved=_resident,
        max_memory_reserved=_resident, mem_get_info=_free_and_total, memory_snapshot=_nothing,
        empty_cache=_nothing, ipc_collect=_nothing, reset_peak_memory_stats=_nothing,
        reset_accumulated_memory_stats=_nothing, set_per_process_memory_fraction=_nothing,
        get_device_name=lambda *_: "CPU", get_device_capability=lambda *_: (None, None),
        get_rng_state=lambda *_: torch.get_rng_state(), set_rng_state=lambda state, *_: torch.set_rng_state(state),
        manual_seed=torch.manual_seed, manual_seed_all=torch.manual_seed,
    )  # fmt: skip
    return module


_MODULE = device_module()


@PlatformRegistry.register(platform=PLATFORM)
class CpuPlatform(PlatformBase):
    """Chosen by `VERL_PLATFORM=cpu` alone, never found by itself.

    To Ray, a worker's slot is a *logical* GPU (`ray.init(num_gpus=n)` needs no hardware), so that verl's placement
    works unchanged.
    """

    @property
    def device_name(self) -> str:
        return "cpu"

    @property
    def vendor_name(self) -> str:
        return "cpu"

    @property
    def device_module(self) -> ModuleType:
        return _MODULE

    def is_available(self) -> bool:
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        return False

    def current_device(self) -> Any:
        """A `torch.device`: verl hands it to `tensor.to`, where an index would mean an accelerator."""
        return torch.device("cpu")

    def device_count(self) -> int:
        return 1

    def set_device(self, device_index: int) -> None:
        _nothing()

    def synchronize(self, device_index: int | None = None) -> None:
        _nothing()

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        _nothing()

    def empty_cache(self) -> None:
        _nothing()

    def get_device_capability(self, device_index: int = 0) -> tuple[int | None, int | None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    def nvtx_range(self, msg: str) -> Any:
        return nullcontext()

    def profiler_start(self) -> None:
        _nothing()

    def profiler_stop(self) -> None:
        _nothing()

    def ray_resource_name(self) -> str:
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        return ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"]

    def is_ipc_supported(self) -> bool:
        return False

    def cudart(self) -> Any:
        return None
