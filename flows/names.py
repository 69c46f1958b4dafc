"""Lets Prefect's command line take `train-manager` for `train-manager/train-manager`.

Prefect loads it by the entry point `prefect.plugins` where plugins are enabled, as this repository's pyproject.toml has
it. Flows and deployments share their names here, so a name without a slash can mean only one of them.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.plugins import HookContext, register_hook

_TAUGHT = "_memory_r1_names"


def full_name(name: str) -> str:
    """`name`, or "name/name" where it has no slash."""
    return name if "/" in name else f"{name}/{name}"


@register_hook
def setup_environment(*, ctx: HookContext) -> None:
    """Prefect's hook, called before its commands and workers: teach its client the short names."""
    found = PrefectClient.read_deployment_by_name
    if hasattr(found, _TAUGHT):
        return

    @wraps(found)
    async def read_deployment_by_name(self: PrefectClient, name: str) -> Any:
        return await found(self, full_name(name))

    setattr(read_deployment_by_name, _TAUGHT, True)
    PrefectClient.read_deployment_by_name = read_deployment_by_name
