"""The shared answerer: answers from what any system found, with one prompt and one model for all rows."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from memory_r1.graphs.models import RULES, Model, ModelOptions, Models, load_roles
from memory_r1.graphs.parse import lookup_ids
from memory_r1.graphs.prompts import UNDATED
from memory_r1.graphs.remember import failed
from memory_r1.graphs.roles import Roles, metered
from memory_r1.memory.errors import MalformedOutputError
from memory_r1.memory.types import Answer, Hit, Memory
from memory_r1.rl.systems.types import Item, Read
from memory_r1.rl.tasks.types import Question

DEFAULTS = ModelOptions()


class RoleReader:
    """Reads with the answerer of `roles`. Keeps nothing between questions, so many may be read at once.

    `whole`: the items are a conversation, which is shown as it went on and not by speaker.
    """

    def __init__(self, roles: Roles, name: str, whole: bool = False) -> None:
        self.roles = roles
        self.name = name
        self.whole = whole

    async def read(self, question: Question, items: Sequence[Item]) -> tuple[str, tuple[str, ...], Read]:
        """The answer's text, the ids of the items that it rests on, and what it cost.

        A reply that can't be used is an empty answer and a failure. Raises ModelUnavailableError.
        """
        hits = as_hits([_in_order(item) for item in items] if self.whole else items)
        ids = {hit.memory.id: item.id for hit, item in zip(hits, items, strict=True)}
        began = time.perf_counter()
        with metered() as meter:
            try:
                answer = await self.roles.answerer.answer(question.text, hits, question.asked)
                lookup_ids(answer.selected, list(ids))
            except MalformedOutputError as error:
                answer = Answer(question.text, "")
                meter.failures.append(failed("answerer", error))
        cost = Read(time.perf_counter() - began, meter.usage, tuple(meter.failures))
        return answer.text, tuple(ids[id] for id in answer.selected), cost

    async def close(self) -> None:
        """Close the connections to its model."""
        await self.roles.close()


def make_reader(models: Models = RULES, options: ModelOptions = DEFAULTS, full: bool = False) -> RoleReader:
    """The reader that plays the answerer with `models` (`graphs.models`); "rules" needs no model.

    `full`: for whole conversations, of which no character is left out. Raises SettingsError and MissingExtraError.
    """
    model: Model = models.get("answerer", models.get("default", RULES)) if isinstance(models, Mapping) else models
    options = replace(options, answer_chars=sys.maxsize) if full else options
    name = model if isinstance(model, str) else type(model).__name__
    return RoleReader(load_roles({"answerer": model}, options), name, whole=full)


def as_hits(items: Sequence[Item]) -> list[Hit]:
    """`items`, the best first, as the answerer looks at them: memories "m1", "m2", ….

    Where the system tells no scores, ranks make them, as in reciprocal rank fusion.
    """
    scored = any(item.score for item in items)
    return [
        Hit(_as_memory(number, item), item.score if scored else 1 / (60 + number))
        for number, item in enumerate(items, 1)
    ]


def _as_memory(number: int, item: Item) -> Memory:
    return Memory(
        id=f"m{number}", text=item.text, speaker=item.speaker, turns=item.turns or (f"of {item.id}",), session="",
        index=number, recorded=item.recorded or UNDATED, born=1, when=item.when,
    )  # fmt: skip


def _in_order(item: Item) -> Item:
    """`item` with its speaker in its text, so that nothing groups the conversation by speaker."""
    said = f"{item.speaker}: "
    text = item.text if not item.speaker or item.text.startswith(said) else said + item.text
    return replace(item, text=text, speaker="")
