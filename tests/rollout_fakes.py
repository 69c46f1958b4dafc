"""Policies for rollouts: completers that read their prompt and reply by rule."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any

from graph_fakes import START

from memory_r1.graphs.completers import Completion, Message
from memory_r1.graphs.remember import Limits
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.types import Fact, Memory
from memory_r1.rl.rewards import Rewards
from memory_r1.rl.rollouts.environment import Environment, Rules
from memory_r1.rl.training.replies import answerer_reply, manager_reply
from memory_r1.rl.world.oracle import OracleAnswerer, answer_from, decide

WIDE = Rules(limits=Limits(candidates=60))
"""All that a bank of the world holds is found; a prompt shows what fits."""

_SHOWN = re.compile(r'^(?:- )?"(\d+)"[^"]*: ("(?:[^"\\]|\\.)*")', re.MULTILINE)
_FACT = re.compile(r'^(\d+): ("(?:[^"\\]|\\.)*")', re.MULTILINE)
_ASKED = re.compile(r'^Question: ("(?:[^"\\]|\\.)*")', re.MULTILINE)


def shown(messages: Sequence[Message]) -> list[Memory]:
    """The memories of a prompt, named "m1", "m2", … in the order of their short ids."""
    found = {int(id): json.loads(text) for id, text in _SHOWN.findall(messages[-1]["content"])}
    return [Memory(f"m{id + 1}", found[id], "", (), "", 0, START, 1) for id in sorted(found)]


def facts(messages: Sequence[Message]) -> list[Fact]:
    """The facts of a manager's prompt."""
    asked = messages[-1]["content"].rpartition("New facts:\n")[2]
    return [Fact(json.loads(text), "", ("t",)) for _, text in _FACT.findall(asked)]


def right(messages: Sequence[Message]) -> str:
    """What the oracle replies, as manager or as answerer."""
    known = shown(messages)
    asked = _ASKED.search(messages[-1]["content"])
    if asked:
        return answerer_reply(answer_from(json.loads(asked[1]), known), known)
    told = facts(messages)
    return manager_reply(decide(told, [known] * len(told)), told, known)


def noop(messages: Sequence[Message]) -> str:
    """A Noop for every fact."""
    return operations({"fact": number, "op": "NOOP"} for number in range(len(facts(messages))))


def add(messages: Sequence[Message]) -> str:
    """An Add for every fact."""
    return operations({"fact": number, "op": "ADD"} for number in range(len(facts(messages))))


def operations(said: Any) -> str:
    """A manager's reply."""
    return json.dumps({"operations": list(said)})


class Policy:
    """Replies what `reply` makes of the messages, or raises it. Keeps its completions; `pauses`: how often it waits."""

    def __init__(self, reply: Callable[[Sequence[Message]], Any], pauses: Callable[[], int] = lambda: 1) -> None:
        self.reply = reply
        self.pauses = pauses
        self.said: list[Completion] = []
        self._ids = count(1_000)

    async def complete(self, messages: Sequence[Message]) -> Completion:
        for _ in range(self.pauses()):
            await asyncio.sleep(0)
        found = self.reply(messages)
        if isinstance(found, BaseException):
            raise found
        if not isinstance(found, Completion):
            found = Completion(found, (1, 2, 3), (next(self._ids), 0), (-0.5, -0.25))
        self.said.append(found)
        return found


def moody(seed: int) -> Policy:
    """Right, idle, or greedy, by what it is shown and `seed`, at any pace."""
    pace = Random(seed)

    def reply(messages: Sequence[Message]) -> str:
        mood = Random(f"{seed}{messages[-1]['content']}").choice([right, noop, add])
        return mood(messages)

    return Policy(reply, lambda: pace.randrange(6))


class Counting(OracleAnswerer):
    """The oracle's answerer, counted. `broken`: raised instead, for as long as it is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken: Exception | None = None

    async def answer(self, question: str, hits: Any, asked: Any) -> Any:
        self.asked.append(question)
        await asyncio.sleep(0)
        if self.broken is not None:
            raise self.broken
        return await super().answer(question, hits, asked)


def environment(answerer: Any = None, weights: dict[str, float] | None = None, rules: Rules = WIDE) -> Environment:
    """An environment over the oracle's answerer."""
    return Environment(HashedEmbedder(), answerer or OracleAnswerer(), Rewards.of(weights or {"em": 1.0}), rules)
