"""vllm_policy.py: which folder is served, and that a promotion starts another server. `vllm` is a stand-in of ours."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memory_r1.graphs.policies.registry import Registry
from memory_r1.graphs.policies.types import read_candidate
from tests.infra.compose_file import INFRA

SCRIPT = INFRA / "vllm" / "vllm_policy.py"
VLLM = f"""#!{sys.executable}
import os, signal, sys
with open(os.environ["SEEN"], "a") as out:
    print(sys.argv[2], os.environ["VLLM_API_KEY"], file=out)
if "broken" in sys.argv[2]:
    sys.exit(3)
signal.pause()
"""


class Served:
    """The script over a registry in a temporary folder."""

    def __init__(self, folder: Path, script: Path) -> None:
        self.registry, self.seen = folder / "policies", folder / "seen"
        self.seen.touch()
        (folder / "bin").mkdir()
        program = folder / "bin" / "vllm"
        program.write_text(VLLM)
        program.chmod(0o755)
        (folder / "key").write_text("key-of-the-server\n")
        env = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "SEEN": str(self.seen)}
        command = [sys.executable, script, "--registry", self.registry, "--role", "manager", "--key", folder / "key"]
        self.process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)

    def promote(self, version: str, player: str) -> Path:
        folder = self.registry / "versions" / version
        (folder / "manager").mkdir(parents=True)
        (folder / "policy.json").write_text(json.dumps({"roles": {"manager": player, "answerer": "rules"}}))
        pointer = self.registry / ".new"
        pointer.write_text(json.dumps({"version": version}))
        pointer.replace(self.registry / "in_use.json")
        return folder / "manager"

    def lines(self) -> list[str]:
        return self.seen.read_text().splitlines()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    script = tmp_path / "script.py"
    source = (
        SCRIPT.read_text()
        .replace('"/tmp/vllm_policy"', repr(str(tmp_path / "state")))
        .replace("PAUSE = 2.0", "PAUSE = 0.1")
    )
    assert str(tmp_path / "state") in source and "PAUSE = 0.1" in source
    script.write_text(source)
    running = Served(tmp_path, script)
    yield running
    if running.process.poll() is None:
        running.process.kill()
    running.process.wait()
    assert running.process.stderr
    running.process.stderr.close()


def test_it_serves_the_folder_in_use_and_then_the_next(served: Served, tmp_path: Path) -> None:
    until(lambda: (tmp_path / "state").exists())
    assert _healthy(tmp_path) == 0, "nothing to serve yet is no illness"
    first = served.promote("v0001-00000000", "./manager")
    until(lambda: len(served.lines()) == 1)
    assert _healthy(tmp_path) == 1, "the server does not answer yet"
    second = served.promote("v0002-00000000", "./manager")
    until(lambda: len(served.lines()) == 2)
    assert served.lines() == [f"{first} key-of-the-server", f"{second} key-of-the-server"]
    served.promote("v0003-00000000", "rules")
    until(lambda: (tmp_path / "state").read_text().startswith("\n"))
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0


def _healthy(folder: Path) -> int:
    command = [sys.executable, folder / "script.py", "--healthy"]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_a_server_that_ends_ends_it(served: Served) -> None:
    served.promote("v0001-broken", "./manager")
    assert served.process.wait(60) == 3


def test_it_reads_what_the_registry_writes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("vllm_policy", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    registry, now = Registry(tmp_path), datetime.now(UTC)
    assert module.folder(tmp_path, "manager") is None
    policy = registry.store(read_candidate({"manager": "tiny", "answerer": "tiny"}), "a test", {}, now)
    registry.promote(policy.id, "a test", now, "a test")
    for role in ("manager", "answerer"):
        name = registry.models(policy, "http://here/v1")[role].removeprefix("served:").rpartition("@")[0]
        assert str(module.folder(tmp_path, role)) == name
        assert module.command(Path(name), 8000)[2:5] == [name, "--served-model-name", name]
    assert module.folder(tmp_path, "extractor") is None
