"""Model strings that say "the policy in use" become strings that go on meaning the same:

    "policy"           the policy in use in the default registry (MEMORY_R1_POLICIES), run in this process
    "policy:DIR"       that of the registry in the folder DIR
    "policy:DIR@URL"   its folders run by an OpenAI-compatible server at URL, each under its absolute path as name
    "policy@URL"       the same of the default registry

A role that a folder plays becomes "local:FOLDER", or "served:FOLDER@URL"; any other stays the model string that it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from memory_r1.graphs.roles import Role
from memory_r1.memory.errors import SettingsError
from memory_r1.memory.stores.open import redacted

if TYPE_CHECKING:
    from memory_r1.graphs.policies.registry import Registry

_POLICY = re.compile(r"policy(?::(?P<folder>.*?))?(?:@(?P<url>https?://.+))?", re.DOTALL)


def is_policy(model: object) -> bool:
    """Whether `model` is a string that stands for the policy in use."""
    return isinstance(model, str) and _POLICY.fullmatch(model) is not None


def pinned(models: Mapping[str, Any]) -> Mapping[str, Any]:
    """`models` with each policy replaced by the model strings of its roles, all of one version of a registry.

    `models`: by role, "default" for the others. Without a policy in it, it is `models` itself. Raises SettingsError
    for a registry that has no policy in use, PolicyError for one that can't be read.
    """
    if not any(map(is_policy, models.values())):
        return models
    found: dict[str, Any] = {name: model for name, model in models.items() if name != "default"}
    read: dict[Path, Any] = {}
    for role in get_args(Role):
        model = models.get(role, models.get("default"))
        if is_policy(model):
            found[role] = _roles(model, read)[role]
        elif model is not None:
            found[role] = model
    return found


def mark(models: Mapping[str, Any]) -> tuple[bytes, ...]:
    """What changes with every promotion in the registries that `models` name; () without a policy. One read of a
    small file for each registry.
    """
    registries = {parse(model)[0].folder: parse(model)[0] for model in models.values() if is_policy(model)}
    return tuple(registry.mark() for registry in registries.values())


def parse(model: str) -> tuple[Registry, str]:
    """The registry that the policy string `model` names, and the URL of the server for its folders, "" for none."""
    from memory_r1.graphs.policies.registry import Registry

    found = _POLICY.fullmatch(model)
    folder = found["folder"] if found else None
    if found is None or folder == "":
        raise SettingsError(f"model {redacted(model)!r} names no registry: write policy, policy:DIR or policy:DIR@URL")
    if folder is None:
        from memory_r1.memory.settings import load_settings

        path = load_settings({}).policies_path
    else:
        path = Path(folder).expanduser().absolute()
    return Registry(path), found["url"] or ""


def _roles(model: str, read: dict[Path, Any]) -> Mapping[str, str]:
    registry, url = parse(model)
    if registry.folder not in read:
        read[registry.folder] = registry.in_use()
    policy = read[registry.folder]
    if policy is None:
        raise SettingsError(
            f"no policy is in use in {str(registry.folder)!r}: `memory-r1 policy promote --registry DIR --role "
            f"manager=FOLDER --role answerer=FOLDER` publishes one"
        )
    return {**registry.models(policy, url)}
