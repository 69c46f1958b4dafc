# pyright: reportMissingTypeStubs=false
"""What flows through the graphs: JSON only, so that checkpoints, servers and other people's apps can carry it.

Inside a node the values of `memory.types` are used; the adapters here carry them over the border.
A bank is named by the run (`bank_of`), never by a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, cast

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.message import add_messages
from langgraph.runtime import get_runtime
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from memory_r1.graphs.roles import Failure, Usage
from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Answer, Fact, Hit, Operation, Turn

Json = dict[str, Any]

TURN = TypeAdapter(Turn)
FACTS = TypeAdapter(list[Fact])
HITS = TypeAdapter(list[Hit])
CANDIDATES = TypeAdapter(list[list[Hit]])
OPERATIONS: TypeAdapter[list[Operation]] = TypeAdapter(list[Operation])
ANSWER = TypeAdapter(Answer)
FAILURES = TypeAdapter(list[Failure])
USAGE = TypeAdapter(Usage)


@dataclass(frozen=True, slots=True)
class Context:
    """What a run is about: `bank` (required), and for the agent who speaks in which session.

    A run gives it as `context=` or under `config["configurable"]`, as servers do.
    """

    bank: str = ""
    speaker: str = ""
    session: str = ""


class RememberInput(TypedDict):
    """One turn: a `Turn`, or the same as JSON (`id, session, index, speaker, text, time`, perhaps `caption`).

    `attempt`: 0, or to take a stored turn once more, how often that was tried before (see `remember.unfinished`).
    """

    turn: Turn | Json
    attempt: NotRequired[int]


class RememberOutput(TypedDict, total=False):
    """What became of the turn. `receipt`: `{revision, created, ended, repeated}`, the latter true for a known turn."""

    operations: list[Json]
    receipt: Json | None
    failures: list[Json]
    usage: Json


class RememberUpdate(RememberOutput, total=False):
    """What the steps hand on.

    `lost`: Noops for what the extractor failed at. `decided`: the ids of the candidates on which `operations` rest.
    """

    facts: list[Json]
    lost: list[Json]
    candidates: list[list[Json]]
    decided: list[list[str]] | None
    revision: int | None
    attempts: int


class RememberState(RememberInput, RememberUpdate):
    """The whole state of `remember`."""


class AnswerInput(TypedDict):
    """A question. `asked`: when it was asked, as an ISO 8601 string, as far as known."""

    question: str
    asked: NotRequired[str | None]


class AnswerOutput(TypedDict, total=False):
    """The answer `{question, text, selected}` and all `hits` that were looked at, best first."""

    answer: Json
    hits: list[Json]
    failures: list[Json]
    usage: Json


class AnswerUpdate(AnswerOutput, total=False):
    """What the steps hand on."""

    draft: Json | None


class AnswerState(AnswerInput, AnswerUpdate):
    """The whole state of `answer`."""


def tally(old: Json | None, new: Json | None) -> Json:
    """Add up usage; None starts anew."""
    if new is None:
        return {}
    return {key: (old or {}).get(key, 0) + value for key, value in new.items()}


def gather(old: list[Json] | None, new: list[Json] | None) -> list[Json]:
    """Collect failures; None starts anew."""
    return [] if new is None else [*(old or []), *new]


class AgentInput(TypedDict):
    """The conversation; the last message is the one to deal with."""

    messages: Annotated[list[AnyMessage], add_messages]


class AgentUpdate(TypedDict, total=False):
    """What the agent hands to its two graphs and gets back from them."""

    turn: Json
    question: str
    asked: str | None
    operations: list[Json]
    receipt: Json | None
    answer: Json | None
    hits: list[Json]
    failures: Annotated[list[Json], gather]
    usage: Annotated[Json, tally]


class AgentState(AgentInput, AgentUpdate):
    """The whole state of `agent`."""


def read_turn(value: Any) -> Turn:
    """The turn that a run was given. Raises InputError naming the fields that are wrong."""
    try:
        turn = value if isinstance(value, Turn) else TURN.validate_python(value)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'turn'}: {e['msg']}" for e in error.errors()[:3])
        raise InputError(f"the input is no turn ({wrong}): give id, session, index, speaker, text and time") from None
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in turn.text + turn.caption):
        raise InputError(f"turn {turn.id!r} contains a NUL or half a character (lone surrogate): mend its text")
    return turn


def setting(config: RunnableConfig, name: str) -> str:
    """What the run says about `name` ("bank", "speaker", "session"): its context, else its `configurable`; else ""."""
    context: Any = get_runtime().context
    found: Any = cast(Json, context).get(name) if isinstance(context, dict) else getattr(context, name, None)
    found = found or config.get("configurable", {}).get(name) or ""
    if not isinstance(found, str):
        raise InputError(f"{name}={found!r} is no string")
    return found


def bank_of(config: RunnableConfig) -> str:
    """The bank of this run. Raises InputError when the run names none; a message never can.

    A user whom the server knows by a token (`graphs.auth`) has banks of his own: no other is opened for him, whatever
    the run says, and if he has one alone, the run need not name it.
    """
    bank = setting(config, "bank")
    own = _own_banks(config)
    if own is not None:
        bank = bank or (own[0] if len(own) == 1 else "")
        if bank not in own:
            known = ", ".join(own) or "none"
            wrong = f"bank {bank!r} is not one of the token's" if bank else "the run names none of the token's banks"
            raise InputError(f"{wrong}: it opens {known}", own=list(own))
    if not bank:
        raise InputError('the run names no bank: pass config={"configurable": {"bank": "anna"}} or context={"bank": …}')
    return bank


def _own_banks(config: RunnableConfig) -> tuple[str, ...] | None:
    """The banks of the run's user; None when nothing is said about them, as without a server."""
    user: Any = config.get("configurable", {}).get("langgraph_auth_user")
    found: Any = user.get("banks") if hasattr(user, "get") else None
    if found is None:
        return None
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
