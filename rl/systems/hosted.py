"""Another library as a row of the table: its memory in a worker's process, its answers from the shared answerer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memory_r1.graphs.roles import Failure
from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import ModelUnavailableError
from memory_r1.memory.types import Turn
from memory_r1.rl.judge.judge import public_name
from memory_r1.rl.systems.accounts import Account, Counts
from memory_r1.rl.systems.bridge import Bridge, Endpoint
from memory_r1.rl.systems.host import Launch, Timeouts, Worker, WorkerDiedError, WorkerFailedError
from memory_r1.rl.systems.journal import Journal
from memory_r1.rl.systems.types import Asked, Item, Kept, Learned, Reader
from memory_r1.rl.tasks.types import Conversation, Question

log = logging.getLogger(__name__)

LIMIT = 60
"""How many memories a search finds: as many as ours, the paper's 30 per speaker."""


@dataclass(frozen=True, slots=True)
class Hosting:
    """What runs a library. `python`: its environment's interpreter. `settings`: handed to the worker; may be secret."""

    name: str
    python: Path
    worker: Path
    about: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    tells_turns: bool = True
    limit: int = LIMIT
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True, slots=True)
class Searched:
    """What one search found and cost. `seconds`: wall time, of which `client` went by in the clients of model and
    embedder, and `embedding` in the embedder itself.
    """

    items: tuple[Item, ...]
    seconds: float
    cpu: float | None
    spent: Counts
    client: float = 0.0

    @property
    def embedding(self) -> float:
        """Seconds that the embedder took."""
        return self.spent.embed_seconds


class HostedSystem:
    """A row: `rl.systems.types.System` over a library in a process of its own for each conversation."""

    def __init__(self, hosting: Hosting, model: Endpoint, embedder: Embedder, reader: Reader) -> None:
        self.hosting = hosting
        self.bridge = Bridge(model, embedder)
        self.reader = reader
        self._starting = asyncio.Lock()
        self._started = False

    @property
    def name(self) -> str:
        """The row's name."""
        return self.hosting.name

    def describe(self) -> Mapping[str, str]:
        """What makes its figures."""
        return {
            **self.hosting.about,
            "model": public_name(f"openai:{self.bridge.model.name}@{self.bridge.model.url}"),
            "embedder": self.bridge.embedder.name,
            "memories found": str(self.hosting.limit),
        }

    async def open(self, conversation: Conversation, folder: Path) -> HostedLearner:
        """Its memory of `conversation` in `folder`, found again if it is there. Raises MemoryR1Error."""
        async with self._starting:
            if not self._started:
                await self.bridge.start()
                self._started = True
        learner = HostedLearner(self, conversation, folder)
        await learner.start()
        return learner

    async def close(self) -> None:
        """Release the bridge and the answerer."""
        await self.bridge.close()
        await self.reader.close()


class HostedLearner:
    """One conversation's memory in a worker's process: `rl.systems.types.Learner`.

    A worker that dies is started again, once for each request; the turn under way is then learned again, and the
    worker is told so. Which turns are learned stands in a journal beside the memory.
    """

    def __init__(self, system: HostedSystem, conversation: Conversation, folder: Path) -> None:
        self.folder = folder.absolute()
        self.ready: Mapping[str, Any] = {}
        self._system = system
        self._conversation = conversation
        self._journal = Journal(self.folder / "turns.jsonl")
        self._account: Account = system.bridge.account()
        self._worker: Worker | None = None
        self._one = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The worker's process."""
        return self._worker.pid if self._worker is not None else None

    async def start(self) -> None:
        """Start the worker and let it open its memory. Raises MemoryR1Error."""
        hosting = self._system.hosting
        launch = Launch(hosting.python, hosting.worker, self.folder, hosting.name)
        self._account.stop()
        before = self._account.counts.copy()
        worker = await Worker.start(launch, hosting.timeouts)
        try:
            await worker.request("open", **self._given())
        except WorkerFailedError as error:
            await worker.kill()
            self._blame(before, error)
            raise WorkerDiedError(f"{error.message}: can't open {str(self.folder)!r}", op="open", late=False) from error
        except BaseException:
            await worker.kill()
            raise
        self.ready = worker.ready
        self._worker = worker

    async def learn(self, turn: Turn) -> Learned:
        """Take in one turn; a turn of the journal costs nothing again. Raises MemoryR1Error: it isn't learned then."""
        async with self._one:
            known = self._journal.done.get(turn.id)
            if known is not None:
                return known
            again = turn.id in self._journal.begun
            if not again:
                self._journal.begin(turn.id)
            learned = await self._learn(turn, again)
            self._journal.finish(turn.id, learned)
            return learned

    async def _learn(self, turn: Turn, again: bool) -> Learned:
        start, before = time.perf_counter(), self._account.counts.copy()
        self._account.failing = False
        try:
            told = await self._request("learn", turn=spoken(turn), again=again)
        except WorkerFailedError as error:
            self._blame(before, error)
            told = {"operations": {}, "failures": [error.message]}
        spent = self._account.counts - before
        failures = [Failure("manager", "malformed", str(detail)) for detail in told.get("failures", ())]
        if spent.malformed and not failures:  # the library said nothing of it
            failures.append(Failure("manager", "malformed", f"{spent.malformed} replies weren't of the form asked for"))
        if spent.lost:
            self._blame(before)
            failures.append(
                Failure("manager", "malformed", f"went on without {spent.lost} calls: {self._account.fault}")
            )
        return Learned(
            operations=told["operations"], seconds={"learn": time.perf_counter() - start}, usage=spent.usage,
            failures=tuple(failures), cpu=told.get("cpu"), embedded=spent.texts,
        )  # fmt: skip

    async def search(self, text: str, limit: int | None = None) -> Searched:
        """The `limit` memories that the library finds for `text`. Raises MemoryR1Error."""
        async with self._one:
            start, before = time.perf_counter(), self._account.counts.copy()
            self._account.failing = False
            self._account.querying = True
            try:
                told = await self._request("search", query=text, limit=limit or self._system.hosting.limit)
            except WorkerFailedError as error:
                self._blame(before, error)
                raise
            finally:
                self._account.querying = False
            items = tuple(_item(found) for found in told["items"])
            spent = self._account.counts - before
            return Searched(items, time.perf_counter() - start, told["cpu"], spent, told["client"])

    async def ask(self, question: Question) -> Asked:
        """What is found for `question`, answered by the shared answerer. Raises MemoryR1Error."""
        failures: tuple[Failure, ...] = ()
        start = time.perf_counter()
        try:
            found = await self.search(question.text)
        except WorkerFailedError as error:
            found = Searched((), time.perf_counter() - start, None, Counts())
            failures = (Failure("answerer", "malformed", error.message),)
        text, selected, read = await self._system.reader.read(question, found.items)
        return Asked(
            text, found.items, selected, {"search": found.seconds, "answer": read.seconds},
            usage=found.spent.usage + read.usage, failures=(*failures, *read.failures),
            tells_turns=self._system.hosting.tells_turns, cpu=found.cpu, embedded=found.spent.texts,
        )  # fmt: skip

    async def size(self) -> int:
        """How many memories it holds. Raises MemoryR1Error."""
        async with self._one:
            return int((await self._request("size"))["size"])

    async def memories(self) -> Kept:
        """All that it holds; the library doesn't tell what became of the rest. Raises MemoryR1Error."""
        async with self._one:
            told = await self._request("memories")
        return Kept(tuple(map(_item, told["items"])))

    async def close(self) -> None:
        """End the worker. A second call does nothing."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.close()
        self._system.bridge.dismiss(self._account)

    async def _request(self, op: str, **given: Any) -> dict[str, Any]:
        if self._worker is not None and self._worker.alive:
            try:
                return await self._worker.request(op, **given)
            except WorkerDiedError as error:
                if error.details["late"]:
                    raise
                log.warning("%s; starting it again", error)
                given = {**given, "again": True} if op == "learn" else given
        await self._restart()
        assert self._worker is not None
        return await self._worker.request(op, **given)

    async def _restart(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.kill()
        await self.start()

    def _given(self) -> dict[str, Any]:
        bridge, hosting = self._system.bridge, self._system.hosting
        place = {"base_url": self._account.base_url, "api_key": "none"}
        return {
            "folder": str(self.folder),
            "conversation": self._conversation.id,
            "speakers": list(self._conversation.speakers),
            "model": {"name": bridge.model.name, **place},
            "embedder": {"name": bridge.embedder.name, "dim": bridge.embedder.dim, **place},
            "settings": dict(hosting.settings),
        }

    def _blame(self, before: Counts, error: WorkerFailedError | None = None) -> None:
        """Raise ModelUnavailableError if the model failed last, or the library gave up after a call that failed."""
        spent, account = self._account.counts - before, self._account
        if not (account.failing or (error is not None and spent.lost)):
            return
        said = f"; it raised {error.message!r}" if error is not None else ""
        raise ModelUnavailableError(
            f"{self._system.name}'s model fails ({account.fault}{said}): is its endpoint up, and are model and key "
            f"right? What was learned before is kept; try again",
            faults=spent.faults,
        )


def spoken(turn: Turn) -> dict[str, Any]:
    """`turn` as JSON, with its line: what every library is given to read."""
    said = " ".join(part for part in (turn.text, f"(picture: {turn.caption})" if turn.caption else "") if part)
    return {**asdict(turn), "time": turn.time.isoformat(), "line": f"{turn.speaker}: {said}"}


def _item(found: Mapping[str, Any]) -> Item:
    item = Item(
        str(found["id"]), str(found["text"]), str(found.get("speaker") or ""), turns=tuple(found.get("turns") or ()),
        score=float(found.get("score") or 0.0),
    )  # fmt: skip
    recorded = found.get("recorded")
    return replace(item, recorded=_naive(datetime.fromisoformat(recorded))) if recorded else item


def _naive(time: datetime) -> datetime:
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
