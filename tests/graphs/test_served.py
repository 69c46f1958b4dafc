"""The folder that training exports behind an OpenAI-compatible server: it replies as the folder in process does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from graph_fakes import Policy, facts, said
from tiny_models import make_model

from memory_r1.graphs import ModelOptions, Patience, Settings, build_agent, load_model
from memory_r1.graphs.models import connections
from memory_r1.memory.stores.memory import InMemoryStore

for package in ("transformers", "fastapi", "uvicorn"):
    pytest.importorskip(package, reason="needs pip install 'memory-r1[train]'")

pytestmark = pytest.mark.slow
MOST = 6
"""Tokens of a reply."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("served") / "model", hidden=16, layers=1, positions=2_048)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """The URL of `transformers serve` with the model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(sys.executable).with_name("transformers")
    command = [script, "serve", folder, "--device", "cpu", "--port", str(port), "--log-level", "warning"]
    log = folder.parent / "log"
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        yield ready(f"http://127.0.0.1:{port}", process, log)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ready(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """`url` with /v1, once the server answers there."""
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return f"{url}/v1"
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


async def test_a_served_folder_replies_as_the_same_folder_in_process(folder: Path, server: str):
    options = ModelOptions(max_tokens=MOST, patience=Patience(tries=1, repair=False))
    asked = [{"role": "system", "content": "question"}, {"role": "user", "content": "answer"}]
    local, served = load_model(f"local:{folder}", options), load_model(f"openai:{folder}@{server}", options)
    here, there = await local.complete(asked), await served.ainvoke(asked)
    assert here.text and there.text.startswith(here.text)  # this server writes on: it reads no max_completion_tokens
    assert there.usage_metadata["input_tokens"] == len(here.prompt_ids)
    for connection in connections([local, served]):
        await connection.aclose()


async def test_the_agent_plays_a_served_folder_and_counts_what_it_can_t_read(folder: Path, server: str):
    options = ModelOptions(max_tokens=MOST, patience=Patience(tries=1, repair=False))
    models = {"extractor": Policy(facts("Ann has a dog.")), "default": f"openai:{folder}@{server}"}
    agent = build_agent(InMemoryStore(), models=models, settings=Settings(options=options))
    done = await agent.learn(said("I have a dog."), "ann")
    assert [(f.role, f.kind) for f in done.failures] == [("manager", "malformed")] and done.usage.calls == 2
    await agent.close()
