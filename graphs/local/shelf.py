"""Which model folders a server serves, and which of them are in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from memory_r1.graphs.local.folder import checked
from memory_r1.graphs.local.loaded import Loaded, load
from memory_r1.memory.errors import InputError

VERSIONS = "versions"
"""Where a policy registry keeps its model folders: `versions/<id>/<role>`."""


class Shelf:
    """Models by name, the absolute paths of their folders; loaded when first asked for.

    `folders`: served by themselves; `registry`: a policy registry, whose versions are served as they come and go;
    `keep`: models in memory at most, but for those in use. The least recently used is let go first. No other path than
    these is ever opened. Raises SettingsError for one of `folders` that holds no model.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        registry: Path | None = None,
        keep: int = 4,
        load: Callable[[Path], Loaded] = load,
    ) -> None:
        self._folders = [checked(folder).absolute() for folder in folders]
        self._versions = registry.absolute() / VERSIONS if registry is not None else None
        self._keep = keep
        self._load = load
        self._models: dict[Path, asyncio.Task[Loaded]] = {}
        self._users: Counter[Path] = Counter()

    def names(self) -> list[str]:
        """The models that can be asked for now."""
        return [str(folder) for folder in (*self._folders, *self._registered())]

    @asynccontextmanager
    async def borrow(self, name: str) -> AsyncGenerator[Loaded]:
        """The model `name`, which stays in memory meanwhile.

        Raises InputError for a name that isn't served, and what loading raises: the next caller tries again.
        """
        folder = self._find(name)
        self._users[folder] += 1
        try:
            yield await self._loaded(folder)
        finally:
            self._users[folder] -= 1
            await self._trim(self._keep)

    async def aclose(self) -> None:
        """Let every model go, when it has done what waits for it."""
        await asyncio.gather(*self._models.values(), return_exceptions=True)
        await self._trim(0)

    def _find(self, name: str) -> Path:
        """The folder of `name`: compared with what is served, never opened because somebody asked for it."""
        for folders in (self._models, self._folders, self._registered()):
            for folder in folders:
                if name in (str(folder), str(folder.resolve())):
                    return folder
        raise InputError(
            f"there is no model {name!r} here: GET /v1/models lists those that there are",
            code="model_not_found", param="model",
        )  # fmt: skip

    def _registered(self) -> list[Path]:
        if self._versions is None:
            return []
        found = [path.parent for path in self._versions.glob("*/*/config.json")]
        return sorted(path for path in found if not path.parent.name.startswith("."))  # hidden: not yet whole

    async def _loaded(self, folder: Path) -> Loaded:
        task = self._models.pop(folder, None)
        if task is None or (task.done() and task.exception()):
            task = asyncio.create_task(asyncio.to_thread(self._load, folder))
        self._models[folder] = task
        return await asyncio.shield(task)

    async def _trim(self, keep: int) -> None:
        """Let the least recently used go, until `keep` are left or all are in use."""
        idle = [folder for folder, task in self._models.items() if task.done() and not self._users[folder]]
        going = [self._models.pop(folder) for folder in idle[: max(len(self._models) - keep, 0)]]
        for task in going:
            if not task.exception():
                await asyncio.to_thread(task.result().engine.close)
