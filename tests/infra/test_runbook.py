"""The runbook's commands do what it says: on real stores, with a Neo4j server that goes away and comes back."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from agent_server import serving
from command import TALK, start
from model_server import ModelServer

from memory_r1.graphs import build_agent
from memory_r1.memory.errors import StoreUnavailableError
from memory_r1.memory.stores.sqlite import SqliteStore
from tests.neo4j_server import OwnServer, own_server

ROOT = Path(__file__).resolve().parent.parent.parent
RUNBOOK = (ROOT / "infra" / "RUNBOOK.md").read_text(encoding="utf-8")
PAGES = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", RUNBOOK, re.DOTALL | re.MULTILINE))
PARTS = ("Symptom", "Check", "Fix", "Afterwards")
BLOCK = re.compile(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SCHEDULE = "Back-ups on a schedule"


@dataclass
class Shell:
    """Runs the blocks of one page, in one folder. `done`: those that were run."""

    page: str
    folder: Path
    env: dict[str, str]
    done: set[str] = field(default_factory=set)

    def run(self, part: str) -> None:
        """Run the blocks of a part of the page, and compare what they print with what stands there."""
        text = PAGES[self.page].partition(f"**{part}.**")[2]
        for other in PARTS:
            text = text.partition(f"**{other}.**")[0]
        blocks = BLOCK.findall(text)
        assert blocks, f"{self.page}, {part}: no command"
        for command, expected in blocks:
            found = self.bash(command)
            self.done.add(command)
            assert matches(expected, found), f"{command}\nprinted:\n{found}\nand not:\n{expected}"

    def bash(self, command: str) -> str:
        """What the command prints; it must succeed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=self.folder, env=self.env, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=250,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def finished(self) -> None:
        """Every block of the page was run."""
        every = re.findall(r"^```sh\n(.*?)^```$", PAGES[self.page], re.DOTALL | re.MULTILINE)
        assert self.done == set(every)


def matches(expected: str, found: str) -> bool:
    """Whether `found` is `expected`, where "…" stands for any text."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, found.strip(), re.DOTALL) is not None


@pytest.fixture
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    """A shell for the page that the test names, with a store of the banks anna and ben, and its back-ups."""
    (tmp_path / "chat.jsonl").write_text("".join(json.dumps(turn) + "\n" for turn in TALK))
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MEMORY_R1_")}
    env = {
        **plain, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{plain['PATH']}",
        "MEMORY_R1_STORE": f"sqlite:///{tmp_path / 'memory.db'}", "MEMORY_R1_POLICIES": str(tmp_path / "policies"),
        "BACKUPS": str(tmp_path / "backups"), "OLDER": str(tmp_path / "older"), "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    return Shell(request.param, tmp_path, env)


def page(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shell", [name], indirect=True)


def fill(shell: Shell, *banks: str) -> None:
    for bank in banks:
        shell.bash(f"memory-r1 ingest chat.jsonl --bank {bank}")


def test_each_page_has_its_four_parts():
    assert list(PAGES)[:-1] == [
        "Neo4j is down", "The model server is slow", "A bad policy was promoted", "A user asks to be forgotten",
        "Restore from a back-up"]  # fmt: skip
    for name, text in PAGES.items():
        if name != SCHEDULE:
            places = [text.find(f"**{part}.**") for part in PARTS]
            assert -1 not in places and places == sorted(places), name
    assert all(f"](#{name.lower().replace(' ', '-')})" in RUNBOOK for name in PAGES)


def test_every_metric_and_file_it_names_exists():
    told = (ROOT / "infra" / "OBSERVABILITY.md").read_text(encoding="utf-8")
    known = {name.replace(".", "_") for name in re.findall(r"`([\w.]+)`", told)}
    used = set(re.findall(r"`((?:memory_r1|db_client|gen_ai)_\w+?)(?:_count)?[`{]", RUNBOOK))
    assert used and used <= known
    named = re.findall(r"\]\(((?!https?:|#)[^)#]+)", RUNBOOK)
    assert named and not [name for name in named if not (ROOT / "infra" / name).exists()]


@page("The model server is slow")
def test_the_model_server_is_slow(shell: Shell):
    fill(shell, "anna")

    def late(request: Mapping[str, object]) -> str:
        time.sleep(1.5)
        return '{"selected": ["0"], "answer": "Oslo"}'

    with ModelServer([late]) as server:
        shell.env["MODEL"] = f"openai:slow@{server.url}"
        shell.run("Check")
        assert (shell.folder / "answer.txt").read_text().startswith("Oslo")
        seconds = json.loads(shell.bash(next(iter(shell.done))))["seconds"]
        assert seconds["distil"] > 1.4 > seconds["answer"]
        assert re.search(r"^ *ok .* openai:slow@", shell.bash('memory-r1 doctor --model "$MODEL"'), re.MULTILINE)
    shell.run("Fix")
    shell.run("Afterwards")
    shell.finished()


@page("A bad policy was promoted")
def test_a_bad_policy_was_promoted(shell: Shell):
    fill(shell, "anna")
    shell.bash("memory-r1 policy promote --role manager=rules --force --reason 'the first'")
    shell.bash("memory-r1 policy promote --role manager=openai:bad@http://127.0.0.1:9/v1 --force --reason 'the second'")
    for part in ("Check", "Fix", "Afterwards"):
        shell.run(part)
    shell.finished()


@page("A user asks to be forgotten")
def test_a_user_asks_to_be_forgotten(shell: Shell):
    fill(shell, "anna", "ben")
    shell.bash('memory-r1 backup "$BACKUPS"')
    shutil.copytree(shell.folder / "backups", shell.folder / "older")
    for part in ("Check", "Fix", "Afterwards"):
        shell.run(part)
    shell.finished()
    left = b"".join(file.read_bytes() for file in shell.folder.glob("*.db*"))
    assert b"oboe" in left and b"kayak" not in left.lower()


@page("Restore from a back-up")
async def test_restore_from_a_back_up(shell: Shell):
    fill(shell, "anna", "ben")
    shell.bash('memory-r1 backup "$BACKUPS"')
    before = await contents(shell.folder / "memory.db", "ben")
    shell.bash("memory-r1 undo 3 --bank ben")
    for part in ("Check", "Fix", "Afterwards"):
        await asyncio.to_thread(shell.run, part)
    shell.finished()
    assert await contents(shell.folder / "memory.db", "ben") == before
    assert await contents(shell.folder / "restored.db", "ben") == before


async def contents(path: Path, bank: str) -> object:
    async with await SqliteStore.open(path) as store:
        return await store.dump(bank)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[OwnServer]:
    """A Neo4j server of this test alone."""
    server = own_server("5.26", tmp_path / "neo4j")
    server.start().wait()
    yield server
    server.stop()


@pytest.mark.slow
@pytest.mark.neo4j
@pytest.mark.timeout(900)
@page("Neo4j is down")
async def test_neo4j_is_down(shell: Shell, mortal: OwnServer):
    """A store that is open, a server, commands: all of them say it, lose nothing, and go on when it is back."""
    from langgraph_sdk import get_client

    user, password = mortal.auth
    url = f"{mortal.uri.replace('://', f'://{user}@')}/neo4j"
    shell.env |= {"MEMORY_R1_STORE": url, "MEMORY_R1_STORE_PASSWORD": password}
    names = ("MEMORY_R1_STORE", "MEMORY_R1_STORE_PASSWORD")
    asked = {"question": "Where does Anna live?", "asked": None}
    config = {"configurable": {"bank": "anna"}}
    await asyncio.to_thread(shell.bash, "memory-r1 ingest chat.jsonl --bank anna --limit 2")
    home = shell.folder / "served"
    home.mkdir()
    with serving(home, env={name: shell.env[name] for name in names}) as served:
        async with await mortal.open(patience=5) as store, get_client(url=served.url) as client:
            agent = build_agent(store)
            whole = await store.dump("anna")
            assert (await agent.answer.ainvoke(asked, config))["answer"]["text"]
            first = await client.runs.wait(None, "answer", input=asked, context={"bank": "anna"})
            ingesting = start("ingest", "chat.jsonl", "--bank", "anna", env=shell.env, cwd=shell.folder)
            await asyncio.to_thread(mortal.kill)
            with pytest.raises(StoreUnavailableError, match="is not available"):
                await agent.answer.ainvoke(asked, config)
            _, err = await asyncio.to_thread(ingesting.communicate)
            assert ingesting.returncode == 4 and "is not available" in err
            await asyncio.to_thread(shell.run, "Check")
            failed = await client.runs.wait(None, "answer", input=asked, context={"bank": "anna"}, raise_error=False)
            assert "StoreUnavailableError" in json.dumps(failed) and password not in json.dumps(failed)
            await mortal.start().ready()
            assert await store.dump("anna") == whole
            await asyncio.to_thread(shell.run, "Afterwards")
            assert len((await store.dump("anna")).turns) == 3
            assert (await agent.answer.ainvoke(asked, config))["answer"]["text"]
            again = await client.runs.wait(None, "answer", input=asked, context={"bank": "anna"})
            assert again["answer"]["text"] == first["answer"]["text"]
    shell.finished()
