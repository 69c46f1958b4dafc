"""The three roles played by models: any LangChain chat model or completer, one for all roles or one each.

Each call asks for a reply that keeps a JSON schema (`response_format`), where the model can be asked. The reply is
read strictly; one repair attempt shows the model its error; then it is a MalformedOutputError.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence
from pydantic import BaseModel

from memory_r1.graphs import parse, prompts
from memory_r1.graphs.completers import Completer
from memory_r1.graphs.direct import Direct
from memory_r1.graphs.endpoint import Patience, asked, brief, passing, refuses_schema, say, typed
from memory_r1.graphs.roles import Failure, Usage, fail, spend
from memory_r1.graphs.telemetry.calls import malformed, model_call
from memory_r1.graphs.watched import watched
from memory_r1.memory.errors import MalformedOutputError
from memory_r1.memory.types import Answer, Fact, Hit, Operation, Turn

log = logging.getLogger(__name__)
T = TypeVar("T")

Speaker = BaseChatModel | Completer
"""What plays a role."""

SILENT: RunnableConfig = {"tags": ["nostream"]}
"""Keeps the replies, which are JSON for us, out of the token stream that a chat window shows."""
NOTHING = "not mentioned"
"""The answer to a question that no memory bears on."""


class ChatCall:
    """Asks one model for one kind of reply, until it can be read or the patience ends. Errors name its `role`."""

    def __init__(self, model: Speaker, role: str, reply: type[BaseModel], patience: Patience) -> None:
        self.model = model
        self.role = role
        self.patience = patience
        if isinstance(model, BaseChatModel):
            self._voice = _Chatting(model, {"title": role, "description": "", **parse.schema(reply)}, patience.timeout)
        else:
            self._voice = _Completing(model, role)

    async def ask(self, prompt: prompts.Prompt, read: Callable[[str], T]) -> T:
        """What `read` makes of the model's reply to `prompt`.

        Raises MalformedOutputError when it can't read the repaired reply either (or, without `Patience.repair`, the
        reply), ModelUnavailableError when the model doesn't answer.
        """
        text = ""
        try:
            text = await self._reply(prompt)
            return read(text)
        except MalformedOutputError as error:
            malformed(self.role)
            if not (self.patience.repair and error.details.get("repair", True)):
                raise
            log.info("%s: one repair attempt", self.role, extra={"content": str(error)})
            mending = prompts.repair(prompt, text, str(error))
        try:
            return read(await self._reply(mending))
        except MalformedOutputError:
            malformed(self.role)
            raise

    async def _reply(self, prompt: prompts.Prompt) -> str:
        attempt, relaxed = 1, False
        while True:
            try:
                spend(Usage(calls=1, prompt_chars=prompt.chars))
                with model_call(self.model, self.role, prompt.messages) as call:
                    text = await self._voice.once(prompt.messages)
                    call.said(text)
                return text
            except Exception as error:
                if not relaxed and self._voice.relax(error):
                    relaxed = True
                    told = {"content": say(error)}
                    log.warning("%s: the endpoint takes no JSON schema, going on without", self.role, extra=told)
                    continue
                if not passing(error) or attempt >= self.patience.tries:
                    raise typed(error, self.role, attempt) from error
                rest = self.patience.after(attempt, asked(error))
                told = {"content": say(error), "error": type(error).__name__}
                why = brief(error)
                log.warning("%s: try %d failed (%s), next in %.1f s", self.role, attempt, why, rest, extra=told)
            await asyncio.sleep(rest)
            attempt += 1


class _Chatting:
    """A chat model, told to keep `schema` where it can be told. `timeout`: seconds of one try."""

    def __init__(self, model: BaseChatModel, schema: dict[str, Any], timeout: float) -> None:
        self.model = model
        self.timeout = timeout
        self._constrained = constrain(model, schema)
        self._told = self._constrained is not None
        self._direct = Direct.of(model, self._constrained)

    async def once(self, messages: list[prompts.Message]) -> str:
        """The text of one reply."""
        async with asyncio.timeout(self.timeout):
            if self._direct is not None and not watched():
                text, usage = await self._direct.ask(messages)
                spend(usage)
                return text
            message = await (self._constrained or self.model).ainvoke(messages, SILENT)
        used = message.usage_metadata
        if used:
            spend(Usage(prompt_tokens=used["input_tokens"], reply_tokens=used["output_tokens"]))
        if not message.text and message.tool_calls:  # a model that keeps schemas by calling a tool
            return json.dumps(message.tool_calls[0]["args"])
        return message.text

    def relax(self, error: Exception) -> bool:
        """Go on without the schema, where `error` says that the endpoint takes none; whether to ask again.

        Of several calls under way each is asked again, though the first has already done away with the schema.
        """
        if not self._told or not refuses_schema(error):
            return False
        if self._constrained is not None:
            self._constrained, self._direct = None, Direct.of(self.model, None)
        return True


class _Completing:
    """A completer: takes its own time, and keeps to the prompt alone."""

    def __init__(self, model: Completer, role: str) -> None:
        self.model = model
        self.role = role

    async def once(self, messages: list[prompts.Message]) -> str:
        """The text of one reply. Raises MalformedOutputError for one that the limit of tokens cut off."""
        found = await self.model.complete(messages)
        spend(Usage(prompt_tokens=len(found.prompt_ids), reply_tokens=len(found.token_ids)))
        if not found.ended:
            tokens = f" after {len(found.token_ids)} tokens" if found.token_ids else ""
            raise MalformedOutputError(f"the {self.role}'s reply ended early{tokens}: raise max_tokens")
        return found.text

    def relax(self, error: Exception) -> bool:
        """There is no schema to do without."""
        return False


class ChatExtractor:
    """The extractor as a chat model plays it."""

    def __init__(self, model: Speaker, patience: Patience = Patience()) -> None:  # noqa: B008 - a frozen value
        self._call = ChatCall(model, "extractor", parse.FactsReply, patience)

    async def extract(self, turn: Turn, context: Sequence[Turn]) -> list[Fact]:
        """The facts of `turn`, by one call; none for a blank turn, without a call."""
        if not (turn.text.strip() or turn.caption.strip()):
            return []
        if len(turn.text) > prompts.TURN_CHARS:
            shown = (
                f"turn {turn.id!r} has {len(turn.text)} characters, of which the first {prompts.TURN_CHARS} were read"
            )
            log.warning("extractor: %s", shown)
            fail(Failure("extractor", "truncated", shown))
        return await self._call.ask(prompts.extractor(turn, context), lambda text: parse.facts(text, turn))


class ChatManager:
    """The manager as a chat model plays it."""

    def __init__(self, model: Speaker, patience: Patience = Patience()) -> None:  # noqa: B008
        self._call = ChatCall(model, "manager", parse.OperationsReply, patience)

    async def decide(self, facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> list[Operation]:
        """The operations for `facts`, by one call."""
        prompt = prompts.manager(facts, candidates)
        return await self._call.ask(prompt, lambda text: parse.operations(text, facts, prompt.shown))


class ChatAnswerer:
    """The answerer as a chat model plays it. `chars`: of the memories that it is shown.

    Without `distil` it answers from all of them at once and selects none: the paper's ablation "no distillation".
    """

    def __init__(
        self,
        model: Speaker,
        patience: Patience = Patience(),  # noqa: B008
        chars: int = prompts.ANSWER_CHARS,
        distil: bool = True,
    ) -> None:
        self.chars = chars
        self.distil = distil
        reply = parse.AnswerReply if distil else parse.PlainReply
        self._call = ChatCall(model, "answerer", reply, patience)

    async def answer(self, question: str, hits: Sequence[Hit], asked: datetime | None) -> Answer:
        """The answer, by one call; `NOTHING` without a call when there are no memories."""
        if not hits:
            return Answer(question, NOTHING)
        prompt = prompts.answerer(question, hits, asked, self.chars, self.distil)
        if not self.distil:
            return await self._call.ask(prompt, lambda text: parse.plain_answer(text, question))
        return await self._call.ask(prompt, lambda text: parse.answer(text, question, prompt.shown))


def constrain(model: BaseChatModel, schema: dict[str, Any]) -> Runnable[Any, AIMessage] | None:
    """`model`, told to keep `schema`; None for a model that can't be told.

    LangChain's own parser is left off: it mends broken JSON by guessing, in quadratic time.
    """
    attempts: tuple[dict[str, Any], ...] = ({"method": "json_schema", "strict": True}, {"method": "json_schema"})
    for options in attempts:
        try:
            chain = model.with_structured_output(schema, **options)
        except (NotImplementedError, TypeError, ValueError) as error:
            log.info("%s takes no JSON schema by %r (%s)", type(model).__name__, options, brief(error))
        else:
            return cast("Runnable[Any, AIMessage]", chain.first) if isinstance(chain, RunnableSequence) else None
    return None
