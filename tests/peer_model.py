"""A model server that answers other libraries' prompts, and a worker whose library is a fake that does as told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.types import Turn
from memory_r1.rl.bench import canned
from memory_r1.rl.systems.bridge import endpoint
from memory_r1.rl.systems.host import Timeouts
from memory_r1.rl.systems.hosted import HostedLearner, HostedSystem, Hosting
from memory_r1.rl.systems.readers import make_reader
from memory_r1.rl.tasks.types import Conversation, Question
from tests.model_server import ModelServer, Status

FAKE = Path(__file__).parent / "peer_worker.py"

TEXTS = (
    "I moved to Oslo with my cat Pablo.",
    "I bought a red kayak yesterday.",
    "I am learning to play the oboe.",
    "My sister Clara is a nurse.",
    "I actually moved to Bergen with my cat Pablo.",
    "My favourite soup is borscht.",
)
TURNS = tuple(
    Turn(f"D1:{at + 1}", "1", at, ("Ann", "Ben")[at % 2], text, datetime(2023, 5, 8, 13, 56) + timedelta(minutes=at))
    for at, text in enumerate(TEXTS)
)
QUESTIONS = (
    Question("q1", "What instrument is Ann learning to play?", "the oboe", "single-hop", ("D1:3",)),
    Question("q2", "What did Ben buy?", "a red kayak", "single-hop", ("D1:2",)),
)
TALK = Conversation("made/1", ("Ann", "Ben"), TURNS, QUESTIONS)


def said(request: dict[str, Any]) -> Any:
    """What the model says to a library's prompt; an error for one that it doesn't know."""
    return canned.reply(request) or Status(400, f"unknown prompt: {request['messages'][-1]!r:.500}")


def peer_server() -> ModelServer:
    """Answers mem0's and LangMem's prompts."""
    return ModelServer([said])


def fake_system(url: str, timeouts: Timeouts | None = None, **settings: Any) -> HostedSystem:
    """A row whose library is `tests/peer_worker.py`, in this Python."""
    about = {"library": "fake 1"}
    hosting = Hosting("fake", Path(sys.executable), FAKE, about, settings, timeouts=timeouts or Timeouts())
    return HostedSystem(hosting, endpoint(f"openai:scripted@{url}", "secret"), HashedEmbedder(64), make_reader())


@asynccontextmanager
async def fake_learner(model: ModelServer, folder: Path, **options: Any) -> AsyncIterator[HostedLearner]:
    """The memory of the made conversation in such a row."""
    system = fake_system(model.url, **options)
    try:
        opened = await system.open(TALK, folder)
        try:
            yield opened
        finally:
            await opened.close()
            await opened.close()
    finally:
        await system.close()


def running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def gone(pid: int) -> bool:
    """Whether the process ends within some seconds."""
    for _ in range(500):
        if not running(pid):
            return True
        await asyncio.sleep(0.02)
    return False
