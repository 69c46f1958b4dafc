"""The row `a-mem`: the method of its paper as a graph of ours (`graphs.baselines.a_mem`), its notes in SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from memory_r1.graphs.baselines.a_mem import AMem, Filed, NoteLimits, NoteModels, build_a_mem
from memory_r1.graphs.baselines.a_mem_notes import Note, Notes, said
from memory_r1.graphs.models import RULES, ModelOptions, connections, load_model
from memory_r1.memory.embedders import Embedder
from memory_r1.memory.errors import SettingsError
from memory_r1.memory.types import Turn
from memory_r1.rl.systems.meters import MeteredEmbedder, Stopwatch
from memory_r1.rl.systems.ours import described
from memory_r1.rl.systems.types import Asked, Item, Kept, Learned, Reader
from memory_r1.rl.tasks.types import Conversation, Question

FILE = "notes.db"
"""The SQLite file of a conversation's notes, in its folder."""

ABOUT = (
    "made here from the paper (arXiv 2502.12110), links and evolution in one call: its authors publish no package; "
    "PyPI's a-mem (0.2.6) is another author's server for coding agents, bound to an embedding model of its own"
)
"""What the row is, and why it is not the library."""


class AMemSystem:
    """A-Mem over a file of notes for each conversation; its answers come from the shared `reader`.

    `models`: the model string of each role: the extractor's constructs notes, the manager's links and evolves them.
    Raises SettingsError for rules, which can't, and MissingExtraError.
    """

    def __init__(self, models: Mapping[str, str], embedder: Embedder, reader: Reader, options: ModelOptions) -> None:
        if RULES in (models["extractor"], models["manager"]):
            raise SettingsError("a-mem needs a language model that constructs and links notes: give --model")
        self._models = dict(models)
        loaded = {name: load_model(name, options) for name in {models["extractor"], models["manager"]}}
        self._connections = connections(loaded.values())
        self._embedder = MeteredEmbedder(embedder)
        self.reader = reader
        self._limits = NoteLimits()
        self.reader = reader
        self._asking = NoteModels(loaded[models["extractor"]], loaded[models["manager"]], options.patience)
        self.watch = Stopwatch(counts_cpu=False)

    @property
    def name(self) -> str:
        """The row's name."""
        return "a-mem"

    def describe(self) -> Mapping[str, str]:
        """Whose implementation it is, the model of each role, the embedder and the limits."""
        limits = {name: str(value) for name, value in asdict(self._limits).items()}
        return {"what": ABOUT, **described(self._models, self._embedder), **limits}

    async def open(self, conversation: Conversation, folder: Path) -> AMemLearner:
        """The notes of `conversation` in `folder`. Raises StoreError."""
        notes = Notes.open(folder / FILE, self._embedder)
        return AMemLearner(notes, build_a_mem(notes, self._embedder, self._asking, self._limits), self)

    async def close(self) -> None:
        """Close the connections to the models."""
        for connection in self._connections:
            await connection.aclose()
        await self.reader.close()


class AMemLearner:
    """One conversation's notes."""

    def __init__(self, notes: Notes, graphs: AMem, system: AMemSystem) -> None:
        self._notes = notes
        self._graphs = graphs
        self._system = system

    async def learn(self, turn: Turn) -> Learned:
        """File one turn; a turn that has its note costs nothing again. Raises ModelUnavailableError and StoreError."""
        with self._system.watch.lap() as lap:
            done = await self._graphs.learn(turn)
        return Learned(counted(done), {"learn": lap.wall}, done.usage, done.failures, lap.cpu, lap.texts)

    async def ask(self, question: Question) -> Asked:
        """Find notes and answer from them. Raises ModelUnavailableError and StoreError."""
        with self._system.watch.lap() as lap:
            found = await self._graphs.search(question.text)
            items = tuple(map(as_item, found))
            text, selected, read = await self._system.reader.read(question, items)
        seconds = {"search": lap.wall - read.seconds, "answer": read.seconds}
        return Asked(text, items, selected, seconds, read.usage, read.failures, True, lap.cpu, lap.texts)

    async def size(self) -> int:
        """The notes."""
        return len(self._notes)

    async def memories(self) -> Kept:
        """The notes, as the answerer reads them."""
        return Kept(tuple(as_item(self._notes.get(id)) for id in range(1, len(self._notes) + 1)))

    async def close(self) -> None:
        """Close the file."""
        self._notes.close()


def counted(done: Filed) -> dict[str, int]:
    """What filing a turn did, by kind: a note is added, the neighbours that it changes are updated."""
    if done.repeated:
        return {}
    if done.note is None:
        return {"noop": 1}
    return {"add": 1, **({"update": len(done.evolved)} if done.evolved else {})}


def as_item(note: Note) -> Item:
    """A note as the answerer reads it: what was said, and what the note says about it."""
    about = {"context": note.context, "keywords": ", ".join(note.keywords), "tags": ", ".join(note.tags)}
    told = "; ".join(f"{name}: {value}" for name, value in about.items() if value)
    text = f"{said(note.turn)} [{told}]" if told else said(note.turn)
    return Item(f"n{note.id}", text, note.turn.speaker, note.turn.time, (note.turn.id,))
