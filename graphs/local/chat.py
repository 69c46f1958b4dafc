"""The chat completions of OpenAI's API, as far as a local model does them: what is asked, and what is said back.

A field that would change the reply and isn't kept here is refused, never dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory_r1.graphs.completers import Message
from memory_r1.graphs.local.sampling import Generation, Sampling
from memory_r1.graphs.local.tokens import Tokens
from memory_r1.memory.errors import InputError

CHOICES = 16
"""Replies to one request at most."""
_HARMLESS = {
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "parallel_tool_calls",
}
"""Fields that say nothing about the reply."""


class _Part(BaseModel):
    """A piece of a message's text."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: str


class _Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str | list[_Part]
    name: None = None

    @property
    def plain(self) -> Message:
        parts = self.content if isinstance(self.content, list) else [_Part(type="text", text=self.content)]
        return {"role": self.role, "content": "".join(part.text for part in parts)}


class _Form(BaseModel):
    type: Literal["text"]


class ChatRequest(BaseModel):
    """What a client asks. Left out, `max_tokens` is what the folder states, else all the room that the prompt leaves.

    `stop`: texts before which a reply ends; `return_token_ids`: the tokens too, as vLLM gives them.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    model: str
    messages: list[_Message] = Field(min_length=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=-1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = Field(default=None, max_length=1_000)
    n: int | None = Field(default=None, ge=1, le=CHOICES)
    seed: int | None = Field(default=None, ge=0, lt=1 << 63)
    logprobs: bool | None = None
    response_format: _Form | None = None
    return_token_ids: bool | None = None

    @classmethod
    def read(cls, body: bytes) -> ChatRequest:
        """The request in `body`. Raises InputError, which names the field, for one that can't be kept to."""
        try:
            asked = cls.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "body"
            raise InputError(f"{where}: {first['msg']}", param=where) from None
        for name, value in (asked.model_extra or {}).items():
            if value and name not in _HARMLESS:
                raise InputError(f"{name}: this server can't keep to it: leave it out", param=name)
        return asked

    @property
    def choices(self) -> int:
        """How many replies are asked for."""
        return self.n or 1

    @property
    def prompt(self) -> list[Message]:
        """The messages, each with one text."""
        return [message.plain for message in self.messages]

    @property
    def stops(self) -> list[str]:
        """The texts before which a reply ends."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in given if text]

    def samplings(self, ends: tuple[int, ...], most: int) -> list[Sampling]:
        """How each reply is drawn. `ends`: token ids that end one; `most`: tokens, where the request names no limit."""
        return [
            Sampling(
                temperature=1.0 if self.temperature is None else self.temperature,
                top_k=max(self.top_k or 0, 0),
                top_p=self.top_p or 1.0,
                max_tokens=self.max_completion_tokens or self.max_tokens or most,
                stop=ends,
                seed=None if self.seed is None else self.seed + number,
            )
            for number in range(self.choices)
        ]


def completion(asked: ChatRequest, tokens: Tokens, prompt: Sequence[int], made: Sequence[Generation]) -> dict[str, Any]:
    """The body of the reply, but for its id and time. `prompt`: the ids of the messages."""
    written = sum(len(one.token_ids) for one in made)
    body: dict[str, Any] = {
        "object": "chat.completion",
        "model": asked.model,
        "choices": [{"index": index, **_choice(asked, tokens, one)} for index, one in enumerate(made)],
        "usage": {
            "prompt_tokens": len(prompt), "completion_tokens": written, "total_tokens": len(prompt) + written,
        },
    }  # fmt: skip
    if asked.return_token_ids:
        body["prompt_token_ids"] = list(prompt)
    return body


def failure(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def encoded(body: Mapping[str, Any]) -> bytes:
    """`body` as JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _choice(asked: ChatRequest, tokens: Tokens, made: Generation) -> dict[str, Any]:
    text, cut = _until(tokens.decode(made.token_ids), asked.stops)
    choice: dict[str, Any] = {
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop" if cut or made.ended else "length",
        "logprobs": None,
    }
    if asked.logprobs:
        pairs = zip(made.token_ids, made.log_probs, strict=True)
        choice["logprobs"] = {"content": [_spoken(tokens, one, log_prob) for one, log_prob in pairs]}
    if asked.return_token_ids:
        choice["token_ids"] = list(made.token_ids)
    return choice


def _until(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """`text` up to the first of `stops`, and whether there was one."""
    found = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    return (text[: min(found)], True) if found else (text, False)


def _spoken(tokens: Tokens, token: int, log_prob: float) -> dict[str, Any]:
    text = str(tokens.tokenizer.decode([token]))
    return {"token": text, "logprob": log_prob, "bytes": list(text.encode()), "top_logprobs": []}
