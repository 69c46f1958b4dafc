"""Tries, in a process of its own, what verl needs of a platform; prints a JSON object: thing → "" or its error.

With VERL_PLATFORM=cpu verl is patched; with another platform it isn't, and the CPU's is put in its place by hand.
"""

import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Every thing is tried, whatever became of those before."""
    chosen = os.environ["VERL_PLATFORM"]
    import verl  # noqa: F401  imports the plugin
    from verl.plugin.platform import set_platform

    from memory_r1.rl.trainer.cpu.platform import CpuPlatform

    if chosen != "cpu":
        set_platform(CpuPlatform())
    things: dict[str, Callable[[], Any]] = {
        "no patch applied" if chosen != "cpu" else "patches applied once": lambda: _patches(chosen),
        "rollout is known": _rollout,
        "platform": _platform,
        "language model engine": lambda: _engine("language_model"),
        "value model engine": lambda: _engine("value_model"),
        "process group of a Ray worker": lambda: _group("initialize_global_process_group_ray"),
        "process group of the SFT trainer": lambda: _group("initialize_global_process_group"),
        "value head": lambda: _value_head(sys.argv[1]),
        "reference model": _reference,
    }
    print(json.dumps({name: _error(thing) for name, thing in things.items()}))


def _error(thing: Callable[[], Any]) -> str:
    try:
        thing()
    except Exception as error:  # noqa: BLE001  it is the answer
        return f"{type(error).__name__}: {error}"
    return ""


def _patches(chosen: str) -> None:
    from memory_r1.rl.trainer.cpu import patches

    assert patches.applied() == (tuple(patches.PATCHES) if chosen == "cpu" else ())
    assert chosen != "cpu" or patches.apply() == ()


def _rollout() -> None:
    from verl.workers.rollout.base import get_rollout_class
    from verl.workers.rollout.replica import get_rollout_replica_class

    assert get_rollout_class("local").__name__ == "Pusher"
    assert get_rollout_replica_class("local").__name__ == "LocalReplica"


def _platform() -> None:
    import torch
    from verl.plugin.platform import get_platform
    from verl.utils.device import get_device_id, get_device_name, get_resource_name, get_torch_device

    platform, device = get_platform(), get_torch_device()
    assert (get_device_name(), get_device_id(), get_resource_name()) == ("cpu", torch.device("cpu"), "GPU")
    assert 0 < device.memory_allocated() == device.max_memory_reserved() < device.mem_get_info()[1]
    assert platform.is_available() and not platform.is_platform_available() and not platform.is_ipc_supported()
    state = device.get_rng_state()
    platform.manual_seed(3)
    drawn = torch.rand(2)
    platform.manual_seed_all(3)
    assert torch.equal(drawn, torch.rand(2)) and platform.device_count() == 1
    device.set_rng_state(state)
    with platform.nvtx_range("step"):
        platform.synchronize()
    for call in (platform.empty_cache, platform.profiler_start, platform.profiler_stop, platform.cudart):
        assert call() is None


def _engine(kind: str) -> None:
    from verl.workers.engine.base import EngineRegistry

    assert {EngineRegistry.get_engine_cls(kind, backend).__module__ for backend in ("fsdp", "fsdp2")}


def _group(name: str) -> None:
    import torch
    import verl.utils.distributed as module

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    try:
        getattr(module, name)()
        torch.distributed.all_reduce(torch.ones(2))
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _value_head(folder: str) -> None:
    import torch
    from transformers import AutoConfig
    from verl.utils.model import load_valuehead_model

    config = AutoConfig.from_pretrained(folder, attn_implementation="eager", num_labels=1)
    model = load_valuehead_model(folder, torch.float32, config, False)
    assert model(input_ids=torch.tensor([[3, 4, 5]])).logits.shape == (1, 3, 1)


def _reference() -> None:
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from verl.workers.engine.fsdp import transformer_impl

    torch.distributed.init_process_group("gloo")
    try:
        module = torch.nn.Linear(2, 2)
        policy = transformer_impl.CPUOffloadPolicy(pin_memory=True)
        fully_shard(module, mesh=init_device_mesh("cpu", (1,)), offload_policy=policy)
        assert module(torch.ones(1, 2)).shape == (1, 2)
    finally:
        torch.distributed.destroy_process_group()


main()
