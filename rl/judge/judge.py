"""A chat model as the judge of answers: lenient as the field's judges are, or strict."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict

from memory_r1.graphs.chat_roles import ChatCall
from memory_r1.graphs.endpoint import say
from memory_r1.graphs.models import RULES, Model, ModelOptions, connections, load_model
from memory_r1.graphs.parse import clip, read
from memory_r1.memory.errors import MalformedOutputError, ModelUnavailableError, SettingsError
from memory_r1.rl.judge.prompts import STYLES, instruction, prompt

CORRECT, WRONG, UNUSABLE = "CORRECT", "WRONG", "UNUSABLE"
LABELS = (CORRECT, WRONG, UNUSABLE)
"""What a verdict can say. UNUSABLE: the judge's reply couldn't be read, nor the repaired one."""

REASON_CHARS = 1_000
"""Characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of one answer. `label`: one of `LABELS`; `reason`: the judge's, or why there is no verdict."""

    label: str
    reason: str


class VerdictReply(BaseModel):
    """What the judge's model replies: first why, then what."""

    model_config = ConfigDict(extra="forbid", strict=True)
    reason: str
    label: Literal["CORRECT", "WRONG"]


class Judge:
    """Judges answers with a chat model, at temperature 0 unless `options` say otherwise.

    `model`: a model string of `graphs.models`, or a chat model. `style`: "lenient" or "strict". `name`: as
    "strict:openai:MODEL@URL", without any secret of the URL. Keeps nothing between answers.
    Raises SettingsError for an unknown style and for "rules", and what `load_model` raises.
    """

    def __init__(self, model: Model, style: str = "lenient", options: ModelOptions = ModelOptions()) -> None:  # noqa: B008
        if style not in STYLES:
            raise SettingsError(f"there is no style {style!r} of judging: choose of {', '.join(STYLES)}")
        if model == RULES:
            raise SettingsError("rules can't judge: name a chat model as the judge, as openai:MODEL@URL")
        self.style = style
        self.model = public_name(model)
        self.name = f"{style}:{self.model}"
        chat = load_model(model, options) if isinstance(model, str) else model
        self._owned = connections([chat]) if isinstance(model, str) else ()
        self._call = ChatCall(chat, "judge", VerdictReply, options.patience)

    async def verdict(self, question: str, gold: str, answer: str, unanswerable: bool = False) -> Verdict:
        """Whether `answer` is right, by one call; an empty answer is WRONG without a call.

        `unanswerable`: the conversation doesn't tell: a refusal is right, anything else wrong, and the judge isn't
        shown `gold` (in LoCoMo it is the trap). An unreadable reply, also to the one repair attempt, is UNUSABLE.
        Raises ModelUnavailableError.
        """
        if not answer.strip():
            return Verdict(WRONG, "the answer is empty")
        asked = prompt(self.style, question, None if unanswerable else gold, answer)
        try:
            reply = await self._call.ask(asked, lambda text: read(VerdictReply, text))
        except MalformedOutputError as error:
            return Verdict(UNUSABLE, clip(error.message, REASON_CHARS))
        except ModelUnavailableError as error:
            raise self._away(error) from error
        return Verdict(reply.label, clip(reply.reason.strip(), REASON_CHARS))

    def key(self, question: str, gold: str, answer: str, unanswerable: bool = False) -> str:
        """Names what is judged and by whom: "<judge>-<answer>", each the start of a SHA-256.

        The first half is of style, instruction and model, the second of question, gold answer and answer. So a changed
        instruction asks again, and two judges' keys of one answer end alike.
        """
        told = instruction(self.style, unanswerable)
        return f"{_hash(self.style, told, self.model)[:16]}-{answer_key(question, gold, answer, unanswerable)}"

    def _away(self, error: ModelUnavailableError) -> ModelUnavailableError:
        attempts = error.details.get("attempts", 1)
        tries = f" after {attempts} tries" if attempts > 1 else ""
        cause = error.__cause__
        said = f" ({say(cause)})" if isinstance(cause, Exception) else ""
        return ModelUnavailableError(
            f"the judge {self.name!r} doesn't answer{tries}{said}: is its endpoint up, and are model and key right? "
            f"The verdicts so far are kept; the same command goes on there",
            **error.details,
        )

    async def close(self) -> None:
        """Close the connections that were opened for it."""
        for connection in self._owned:
            await connection.aclose()


def make_judges(models: Sequence[str], styles: Sequence[str], options: ModelOptions = ModelOptions()) -> list[Judge]:  # noqa: B008
    """A judge for each of `models` in each of `styles`, each once. Raises as `Judge` does."""
    return [Judge(model, style, options) for model in dict.fromkeys(models) for style in dict.fromkeys(styles)]


def answer_key(question: str, gold: str, answer: str, unanswerable: bool = False) -> str:
    """The second half of a `Judge.key`: names what is judged, whoever judges it."""
    return _hash(question, gold, answer, unanswerable)[:32]


def same_answer(key: str, other: str) -> bool:
    """Whether two keys (`Judge.key`), also of different judges, are of the same question, gold answer and answer."""
    return key.rpartition("-")[2] == other.rpartition("-")[2]


def public_name(model: Model) -> str:
    """The model's name without what its URL may keep secret: user, password, query."""
    if not isinstance(model, str):
        named: Any = getattr(model, "model_name", "") or getattr(model, "model", "")
        return f"{type(model).__name__}:{named}".rstrip(":")
    name, at, url = model.partition("@")
    if not at:
        return model
    if not re.match(r"https?://", url):
        return name
    parts = urlsplit(url)
    return f"{name}@{urlunsplit((parts.scheme, parts.netloc.rpartition('@')[2], parts.path, '', ''))}"


def _hash(*parts: str | bool) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()
