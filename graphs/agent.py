"""`agent`: a chat that remembers what the user says and answers what he asks.

    START → listen → remember → answer → reply → END
                        └── nothing asked → reply

`remember` and `answer` are the two compiled graphs. The bank comes from the run; a message can't name one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from memory_r1.graphs.state import TURN, AgentInput, AgentState, Context, Json, bank_of, setting
from memory_r1.graphs.steps import END, START, Fork, Graph, StateGraph, Step
from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import InputError
from memory_r1.memory.store import Store
from memory_r1.memory.types import Turn

Clock = Callable[[], datetime]

_AUX = r"(?:is|are|was|were|do|does|did|have|has|had|can|could|will|would|should|am)"
_ASKS = re.compile(
    rf"\?|^\W*(?:(?:who|whom|whose|what|when|where|which|why|how)(?:['’]s\b|"
    rf"(?! (?:i|you|we|he|she|it|they|an?|the|my|our) )(?: [\w'’-]+){{0,3}}? {_AUX}\b)|"
    rf"{_AUX} (?:i|you|we|he|she|it|they|my|your|our|his|her|their|the|there|anyone|anything)\b|"
    rf"(?:please )?(?:tell me|remind me|list)\b)",
    re.IGNORECASE,
)


class Conversing:
    """The steps of `agent` around its two graphs. `clock` says when a message was said."""

    def __init__(self, store: Store, embedder: Embedder, clock: Clock) -> None:
        self.store = store
        self.embedder = embedder
        self.clock = clock

    async def listen(self, state: AgentState, config: RunnableConfig) -> Json:
        """Take the last message as a turn of the bank. A message seen before is the turn that it was then."""
        message = last_message(state["messages"])
        bank = await self.store.open_bank(bank_of(config), self.embedder, self.clock())
        session = setting(config, "session") or str(config.get("configurable", {}).get("thread_id") or "chat")
        id = message.id or sha256(f"{session}\0{bank.turns}\0{message.text}".encode()).hexdigest()[:16]
        stored = await self.store.turns(bank.id, [id])
        turn = Turn(id, session, bank.turns, setting(config, "speaker") or "User", message.text, self.clock())
        if stored and stored[0].text in ("", turn.text):
            turn = stored[0]
        said = TURN.dump_python(turn, mode="json")
        return {
            "turn": said, "question": message.text, "asked": said["time"],
            "operations": [], "receipt": None, "answer": None, "hits": [], "failures": None, "usage": None,
        }  # fmt: skip

    async def reply(self, state: AgentState, config: RunnableConfig) -> Json:
        """Say the answer, or what was noted."""
        return {"messages": [AIMessage(speak(state))]}


def build_chat(steps: Conversing, remember: Graph, answer: Graph) -> Graph:
    """Compile `agent` from the compiled `remember` and `answer`. In and out: `messages`."""
    graph: Any = StateGraph(AgentState, Context, input_schema=AgentInput)
    graph.add_node("listen", Step("listen", steps.listen))
    graph.add_node("remember", remember)
    graph.add_node("answer", answer)
    graph.add_node("reply", Step("reply", steps.reply))
    graph.add_edge(START, "listen")
    graph.add_edge("listen", "remember")
    graph.add_conditional_edges("remember", Fork(_after_remember), ["answer", "reply"])
    graph.add_edge("answer", "reply")
    graph.add_edge("reply", END)
    return graph.compile(name="agent")


def asks(text: str) -> bool:
    """Whether `text` asks something: it has a question mark, or a sentence opens as a question does."""
    return any(_ASKS.search(sentence) for sentence in re.split(r"(?<=[.!\n])\s+", text))


def last_message(messages: list[AnyMessage]) -> HumanMessage:
    """The message to deal with. Raises InputError unless the user said it, and in words."""
    last = messages[-1] if messages else None
    if not isinstance(last, HumanMessage) or not last.text.strip():
        raise InputError("the last message is not a text by the user: send one with the role 'user'")
    return last


def speak(state: AgentState) -> str:
    """What the agent replies in `state`."""
    answer: Json | None = state.get("answer")
    if answer is not None:
        return answer["text"] or "I could not read my model's answer, so I have none. Please ask again."
    if state.get("failures"):
        return "I could not take that in properly: my model's reply was unusable. What you said is kept as it is."
    changed = [op for op in state.get("operations", []) if op["kind"] != "noop"]
    if not changed:
        return "I heard you; there was nothing new to note."
    return "Noted: " + " ".join(_say(op) for op in changed)


def _say(operation: Json) -> str:
    if operation["kind"] == "delete":
        return "What was no longer true is gone."
    text = operation["text"].rstrip()
    return text if text.endswith((".", "!", "?")) else text + "."


def _after_remember(state: AgentState) -> str:
    return "answer" if asks(state.get("question", "")) else "reply"
