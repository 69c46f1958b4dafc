"""One Python environment for each library that isn't ours, made by venv and pip, so that none disturbs another.

They lie in the folder where this user's programs keep what can be made again, or in MEMORY_R1_ENVIRONMENTS:

    <folder>/mem0-3f2a90c1b7d4/              named by its pins, Python and machine: other pins, another environment
    <folder>/mem0-3f2a90c1b7d4/complete.json what pip installed; without it the environment is made anew
    <folder>/mem0-3f2a90c1b7d4.lock          held while it is made
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from memory_r1.memory.errors import MemoryR1Error, MissingExtraError

MARK = "complete.json"
WAIT = 900.0
"""Seconds to wait for another process that makes the same environment."""
_SHOWN = 15

Progress = Callable[[str], None]


class InstallError(MemoryR1Error):
    """pip or venv failed; nothing usable was left behind."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of the library `name`. `pins`: its requirements file, each line `package==version`."""

    name: str
    pins: Path

    @property
    def folder(self) -> Path:
        """Where it lies, whether it is there or not."""
        told = f"{self.pins.read_text(encoding='utf-8')}\n{sys.version_info[:2]} {sys.platform} {platform.machine()}"
        return environments() / f"{self.name}-{sha256(told.encode()).hexdigest()[:12]}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def installed(self) -> bool:
        """Whether it is whole."""
        return (self.folder / MARK).is_file() and self.python.exists()

    @property
    def versions(self) -> dict[str, str]:
        """The version that each pinned package has, by name; read from the pins."""
        lines = (line.split("#")[0].strip() for line in self.pins.read_text(encoding="utf-8").splitlines())
        return dict(line.split("==", 1) for line in lines if "==" in line)

    def packages(self) -> tuple[str, ...]:
        """All that pip installed, as `name==version`; () when it isn't installed."""
        return tuple(json.loads((self.folder / MARK).read_text())["packages"]) if self.installed else ()

    def need(self) -> Path:
        """Its interpreter. Raises MissingExtraError when it isn't installed."""
        if not self.installed:
            raise MissingExtraError(
                f"{self.name} is not installed: run `memory-r1 systems install {self.name}`", system=self.name
            )
        return self.python

    def install(self, tell: Progress = lambda line: None) -> bool:
        """Make it, unless it is there; whether it was made. `tell` gets a line for each step.

        Raises InstallError with what pip said last; offline, pip can't reach its index, so run it where it can.
        """
        environments().mkdir(parents=True, exist_ok=True)
        with self._locked(tell):
            if self.installed:
                return False
            try:
                self._make(tell)
            except BaseException:
                shutil.rmtree(self.folder, ignore_errors=True)
                raise
            return True

    def remove(self) -> bool:
        """Delete it; whether it was there."""
        with self._locked(lambda line: None):
            there = self.folder.exists()
            (self.folder / MARK).unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
            return there

    def _make(self, tell: Progress) -> None:
        tell(f"making {self.folder}")
        self._run([sys.executable, "-m", "venv", "--clear", str(self.folder)])
        tell(f"pip install {' '.join(f'{name}=={version}' for name, version in self.versions.items())}")
        pip = [str(self.python), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
        self._run([*pip, "install", "--quiet", "-r", str(self.pins.absolute())])
        packages = self._run([*pip, "freeze", "--all"]).split()
        part = self.folder / f"{MARK}.part"
        part.write_text(json.dumps({"packages": packages}, indent=1))
        part.replace(self.folder / MARK)

    def _run(self, command: Sequence[str]) -> str:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        if done.returncode == 0:
            return done.stdout
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_SHOWN:])
        raise InstallError(
            f"can't install {self.name} ({' '.join(command[1:6])} … failed):\n{said}\n"
            f"If this machine has no way to a package index, point pip at one (PIP_INDEX_URL, or PIP_NO_INDEX with "
            f"PIP_FIND_LINKS) and run `memory-r1 systems install {self.name}` again",
            system=self.name,
        )

    @contextmanager
    def _locked(self, tell: Progress) -> Iterator[None]:
        environments().mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self.folder}.lock")
        try:
            with lock.acquire(timeout=0):
                yield
            return
        except Timeout:
            tell(f"waiting for another process that holds {lock.lock_file}")
        try:
            with lock.acquire(timeout=WAIT):
                yield
        except Timeout:
            raise InstallError(
                f"another process has held {lock.lock_file!r} for {WAIT:g} s: end it, then try again"
            ) from None


def environments() -> Path:
    """The folder of all environments."""
    told = os.environ.get("MEMORY_R1_ENVIRONMENTS")
    return (
        Path(told).expanduser().absolute() if told else user_cache_path("memory-r1", appauthor=False) / "environments"
    )
