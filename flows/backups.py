"""A back-up of the store that the settings name: the one call for a schedule."""

from __future__ import annotations

from pathlib import Path

from memory_r1.memory.backup import BackedUp, back_up
from memory_r1.memory.backup_folder import Report, quiet
from memory_r1.memory.errors import StoreUnavailableError
from memory_r1.memory.settings import load_settings, make_store


async def backed_up(folder: Path, store: str = "", report: Report = quiet) -> BackedUp:
    """Back all banks of `store` up into `folder`; without `store`, those of the store that the environment names.

    Raises what `back_up` raises, and StoreUnavailableError for an SQLite file that isn't there.
    """
    settings = load_settings({"store": store or None})
    path = settings.store_path
    if path is not None and not path.exists():
        raise StoreUnavailableError(f"there is no store {str(path)!r}: nothing was backed up, no back-up was changed")
    async with await make_store(settings) as opened:
        return await back_up(opened, folder, report=report)
