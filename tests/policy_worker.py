"""Policies for tests, and a process that publishes them until it ends or is killed.

python tests/policy_worker.py REGISTRY points       kill a publisher at every step that the disk sees; say what is left
python tests/policy_worker.py REGISTRY many N SEED  publish N policies, one after another
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memory_r1.graphs.local.folder import FolderLimits
from memory_r1.graphs.policies.registry import Registry
from memory_r1.graphs.policies.types import Verdict, read_candidate, standing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_folder(folder: Path, content: str = "weights", **limits: Any) -> Path:
    """What looks like a model folder from outside; its weights are `content`."""
    folder.mkdir(parents=True)
    files = {
        "config.json": "{}",
        "model.safetensors": content,
        "tokenizer.json": "{}",
        "chat_template.jinja": "{{ m }}",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    FolderLimits(**limits).save(folder)
    return folder


def put(registry: Registry, **roles: Any) -> str:
    """Publish and promote a policy; its id."""
    policy = registry.store(read_candidate({role: str(model) for role, model in roles.items()}), "test", {}, NOW)
    registry.promote(policy.id, "a test", NOW, "test")
    return policy.id


def state(registry: Registry) -> list[str]:
    """The versions, each as it was published, once everything agrees with everything else."""
    ids = registry.ids()
    for id in ids:
        registry.verify(id)
    stack = standing(registry.decisions())
    assert registry.used() == (stack[-1] if stack else ""), "pointer and log disagree"
    assert not registry.used() or registry.used() in ids, "what is in use is not there"
    return ids


def points(folder: Path) -> None:
    """Publish again and again, each time in a child that is killed one step later than the one before.

    A step is whatever the disk sees: a file that is synchronized, renamed or replaced; it is killed before and after.
    Ends with the first child that isn't killed.
    """
    registry, killed = Registry(folder), 0
    put(registry, manager=make_folder(folder.parent / "first", "first"))
    while True:
        before = len(registry.ids()), registry.used()
        source = make_folder(folder.parent / f"model-{killed}", f"weights {killed}")
        if _killed_at(killed, lambda source=source: put(Registry(folder), manager=source)):
            ids = state(registry)
            assert registry.used() in (before[1], ids[-1]), "neither the old policy nor the new one is in use"
            killed += 1
            continue
        break
    ids = state(registry)
    lines = (folder / "log.jsonl").read_bytes().splitlines()
    left = [path.name for path in (folder / "versions").iterdir() if path.name not in ids]
    numbers = [json.loads(line)["number"] for line in lines]
    print(json.dumps({"killed": killed, "versions": len(ids), "left": left, "numbers": numbers}))


def _killed_at(step: int, work: Callable[[], object]) -> bool:
    """Whether a child that does `work` reached its step number `step`, where it is killed."""
    child = os.fork()
    if child == 0:
        _armed(step)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _armed(step: int) -> None:
    """Let this process kill itself at its step number `step`."""
    seen = 0

    def counted(do: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            for act in (None, do):
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1
                done = act(*args, **kwargs) if act else None
            return done

        return stepping

    os.fsync = counted(os.fsync)
    Path.rename, Path.replace = counted(Path.rename), counted(Path.replace)  # type: ignore[method-assign]


def many(folder: Path, count: int, seed: str) -> None:
    """Publish `count` policies, every second of them only if nothing else was put in use since it was looked at."""
    registry = Registry(folder)
    for number in range(count):
        source = make_folder(folder.parent / f"{seed}-{number}", f"{seed} {number}")
        seen = registry.used()
        policy = registry.store(read_candidate({"manager": str(source)}), seed, {}, NOW)

        def judge(previous: str, _: object, id: str = policy.id, seen: str = seen, number: int = number) -> Verdict:
            stale = number % 2 and previous != seen
            return Verdict("kept", previous, "stale") if stale else Verdict("promoted", id, "new")

        registry.decide(judge, NOW, seed)


if __name__ == "__main__":
    place, job = Path(sys.argv[1]), sys.argv[2]
    if job == "points":
        points(place)
    else:
        many(place, int(sys.argv[3]), sys.argv[4])
