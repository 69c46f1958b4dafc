"""A fake system, the plan of an evaluation over made conversations, and a run of it."""

import asyncio
from collections import Counter

from eval_fixture import write_locomo

from memory_r1.graphs.roles import Usage
from memory_r1.memory.errors import SettingsError
from memory_r1.rl.evaluation.evaluate import evaluate, held, run_here
from memory_r1.rl.evaluation.files import ANSWERS, Place, read_rows
from memory_r1.rl.evaluation.plan import Chosen, Plan
from memory_r1.rl.systems.registry import Row
from memory_r1.rl.systems.types import Asked, Item, Kept, Learned
from memory_r1.rl.tasks import load_task

ALL = Chosen()
MODEL = {"extractor": "openai:x", "manager": "openai:x", "answerer": "openai:x"}


class Fake:
    """A system that says what `says` makes of a question: a text, or an error. It notes all that it is asked."""

    def __init__(self, name="fake", says=lambda question: question.answer, about="1"):
        self.name = name
        self.says = says
        self.about = about
        self.seen = Counter()
        self.now = self.most = 0

    def describe(self):
        return {"version": self.about}

    async def open(self, conversation, folder):
        self.seen["open"] += 1
        return FakeLearner(self, conversation)

    async def close(self):
        self.seen["close"] += 1


class FakeLearner:
    def __init__(self, system, conversation):
        self.system = system
        self.conversation = conversation
        self.late = len(conversation.questions)

    async def learn(self, turn):
        self.system.seen[f"learn {turn.id}"] += 1
        return Learned({"add": 1}, {"learn": 0.001})

    async def ask(self, question):
        """Later questions are answered first."""
        self.system.now += 1
        self.system.most = max(self.system.most, self.system.now)
        self.late -= 1
        for _ in range(5 * self.late):
            await asyncio.sleep(0)
        self.system.now -= 1
        self.system.seen[f"ask {question.id}"] += 1
        said = self.system.says(question)
        if isinstance(said, Exception):
            raise said
        items = (Item("m1", "It was said.", "Ann", turns=question.evidence), Item("m2", "Else."))
        return Asked(said, items, ("m1",), {"search": 0.1, "answer": 0.2}, Usage(1, 10, 3, 4))

    async def size(self):
        return 7

    async def memories(self):
        self.system.seen["memories"] += 1
        turns = self.conversation.turns
        return Kept(tuple(Item(f"m{at}", f"It was said: {turns[at].text}", turns[at].speaker) for at in range(7)))

    async def close(self):
        self.system.seen["closed"] += 1


def plan_of(folder, *names, chosen=ALL, **more):
    """A plan over three made conversations."""
    folder.mkdir(exist_ok=True)
    task = load_task("locomo", write_locomo(folder / "locomo.json"))
    rows = tuple(Row(name, MODEL) for name in names or ("fake",))
    return Plan(task, "test", chosen, rows, folder / "out", **more)


def run(plan, *fakes, steps=None):
    """What stopped rows of the plan, played by `fakes`; a row without one lacks a model."""
    known = {fake.name: fake for fake in fakes}

    async def make(row, embedder=None):
        if row.name not in known:
            raise SettingsError(f"{row.name} needs a language model: give --model")
        return known[row.name]

    async def work():
        with held(plan.out):
            return await evaluate(plan, (steps if steps is not None else []).append, run_here, make=make)

    return asyncio.run(work())


def answers(plan, system="fake", conversation="made-0"):
    return list(read_rows(Place(plan.out, system).answers(conversation), ANSWERS))


def replace_rows(plan, *rows):
    return Plan(plan.task, plan.split, plan.chosen, rows, plan.out, plan.at_once)
