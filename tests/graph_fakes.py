"""Fakes for the graphs: scripted roles, a scripted chat model, and turns to feed them."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from memory_r1.graphs import Roles
from memory_r1.graphs.completers import Completion, Message
from memory_r1.memory.types import Add, Answer, Fact, Hit, Operation, Turn

START = datetime(2023, 5, 1, 10)


def said(text: str, number: int = 0, speaker: str = "Ann", session: str = "s1") -> Turn:
    """Turn number `number` of a session."""
    return Turn(f"{session}:{number}", session, number, speaker, text, START + timedelta(minutes=number))


def bank(name: str = "ann") -> dict[str, Any]:
    """The config of a run on a bank."""
    return {"configurable": {"bank": name}}


class Sentences:
    """An extractor: every sentence of five characters and more is a fact. `calls`: what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[Turn, Sequence[Turn]]] = []

    async def extract(self, turn: Turn, context: Sequence[Turn]) -> list[Fact]:
        self.calls.append((turn, context))
        parts = [part.strip() for part in turn.text.split(".")]
        return [Fact(part + ".", turn.speaker, (turn.id,)) for part in parts if len(part) >= 5]


class Adds:
    """A manager that adds every fact. `calls`: the facts and candidates that it was shown."""

    def __init__(self) -> None:
        self.calls: list[tuple[Sequence[Fact], Sequence[Sequence[Hit]]]] = []

    async def decide(self, facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> list[Operation]:
        self.calls.append((facts, candidates))
        return [Add(fact.text, fact.speaker, fact.turns, fact.when, fact.entities) for fact in facts]


class First:
    """An answerer that repeats the best hit."""

    async def answer(self, question: str, hits: Sequence[Hit], asked: datetime | None) -> Answer:
        return Answer(question, hits[0].memory.text, (hits[0].memory.id,)) if hits else Answer(question, "nothing")


class Says:
    """Any role, which answers every question with `outcome`: a value, or an exception to raise."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    async def decide(self, *_: Any) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    extract = answer = decide


def roles(extractor: Any = None, manager: Any = None, answerer: Any = None) -> Roles:
    """Fakes for the roles that are not given."""
    return Roles(extractor or Sentences(), manager or Adds(), answerer or First())


class Scripted(BaseChatModel):
    """A chat model that replies what its script says; its last line repeats. A callable line gets the messages."""

    script: list[Any]
    seen: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any) -> ChatResult:
        self.seen.append(messages)
        line = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        line = line(messages) if callable(line) else line
        if isinstance(line, BaseException):
            raise line
        text = line if isinstance(line, str) else json.dumps(line)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    def chars(self) -> int:
        """The characters of all prompts so far."""
        return sum(len(message.text) for messages in self.seen for message in messages)


class Policy:
    """A completer that replies what its script says; its last line repeats. A Completion is replied as it is."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.seen: list[Sequence[Message]] = []

    async def complete(self, messages: Sequence[Message]) -> Completion:
        self.seen.append(messages)
        line = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(line, BaseException):
            raise line
        if isinstance(line, Completion):
            return line
        return Completion(line if isinstance(line, str) else json.dumps(line), (1, 2, 3), (4, 5), (-0.5, -0.1))


def facts(*texts: str) -> dict[str, Any]:
    """An extractor's reply."""
    return {"facts": [{"text": text, "when": "", "entities": []} for text in texts]}


def operations(*found: tuple[int, str, list[str], str]) -> dict[str, Any]:
    """A manager's reply."""
    return {"operations": [{"fact": f, "op": op, "targets": ids, "text": text} for f, op, ids, text in found]}
