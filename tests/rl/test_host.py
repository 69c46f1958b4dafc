"""A library's process: it says why it can't start, never outlives its host, and its clients' work is not its own."""

import asyncio
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memory_r1.rl.systems.host import Launch, Worker, WorkerDiedError, WorkerFailedError
from memory_r1.rl.systems.workers import base
from tests.peer_model import FAKE, TALK, fake_system, gone, running

HOST = """
import asyncio, sys
from pathlib import Path
from tests.peer_model import TALK, fake_system

async def main():
    learner = await fake_system("http://127.0.0.1:9/v1").open(TALK, Path(sys.argv[1]))
    print(learner.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_no_worker_outlives_its_host(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent.parent
    host = subprocess.Popen([sys.executable, "-c", HOST, tmp_path], stdout=subprocess.PIPE, text=True, cwd=root)
    assert host.stdout is not None
    with host.stdout:
        pid = int(host.stdout.readline())
    assert running(pid)
    host.kill()
    host.wait()
    assert await gone(pid)


async def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    launch = Launch(Path(sys.executable), tmp_path / "none.py", tmp_path, "none")
    with pytest.raises(WorkerDiedError, match=r"(?s)ended \(exit status 1\) at 'start'.*none\.py"):
        await Worker.start(launch)
    with pytest.raises(WorkerDiedError, match="can't be started"):
        await Worker.start(replace(launch, python=tmp_path / "python"))
    system = fake_system("http://127.0.0.1:9/v1", open="fail")
    with pytest.raises(WorkerDiedError, match="fake: RuntimeError: no such memory: can't open"):
        await system.open(TALK, tmp_path)
    await system.close()


async def test_an_unknown_operation_is_refused(tmp_path: Path) -> None:
    worker = await Worker.start(Launch(Path(sys.executable), FAKE, tmp_path, "fake"))
    with pytest.raises(WorkerFailedError, match="there is no operation 'obey'"):
        await worker.request("obey", text="die")
    await worker.kill()
    with pytest.raises(WorkerDiedError):
        await worker.request("size")


class Client:
    """Burns processor time in and out of its methods."""

    def send(self) -> str:
        burn(0.02)
        return "sent"


class AsyncClient:
    async def send(self) -> str:
        burn(0.01)
        await asyncio.sleep(0)
        burn(0.01)
        return await AsyncClient.inner(self)

    async def inner(self) -> str:
        raise ValueError("in the client")


CLOCK = [0.0]
"""The processor's seconds in this test."""


def burn(seconds: float) -> None:
    CLOCK[0] += seconds


async def test_the_clients_work_is_not_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(Client):
        pass

    class Waiting(AsyncClient):
        pass

    fake: Any = type(sys)("fake_client")
    fake.Client, fake.AsyncClient = Plain, Waiting
    monkeypatch.setattr(time, "thread_time", lambda: CLOCK[0])
    monkeypatch.setitem(sys.modules, "fake_client", fake)
    monkeypatch.setitem(sys.modules, "fake_again", fake)
    monkeypatch.setattr(
        base, "CLIENTS", [(name, "Client", "AsyncClient", "send") for name in ("fake_client", "fake_again")]
    )
    transport = base.Transport()
    transport.watch()
    transport.watch()
    assert Plain().send() == "sent"
    assert transport.seconds == pytest.approx(0.02)

    async def other() -> None:
        burn(0.1)

    sending, _ = await asyncio.gather(Waiting().send(), other(), return_exceptions=True)
    assert str(sending) == "in the client"
    assert transport.seconds == pytest.approx(0.04)
