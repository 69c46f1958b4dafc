"""Every span, attribute and metric that the agent reports, by the names that OpenTelemetry's conventions give them.

`infra/OBSERVABILITY.md` lists them; a test holds code, this list, that page and the dashboard together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0)
MODEL_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4.0**power for power in range(14))
HITS = (0.0, 1.0, 5.0, 10.0, 20.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure. `labels`: its attributes, none of which names a bank, a turn or a memory: they would be too many.

    `bounds`: the upper bounds of a histogram's buckets.
    """

    name: str
    kind: Literal["counter", "histogram"]
    unit: str
    tells: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


_MODEL = (
    "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "memory_r1.role", "server.address",
    "server.port",
)  # fmt: skip

METRICS = (
    Metric("memory_r1.turns", "counter", "{turn}", "turns taken", ("memory_r1.outcome",)),
    Metric("memory_r1.questions", "counter", "{question}", "questions asked", ("memory_r1.outcome",)),
    Metric("memory_r1.operations", "counter", "{operation}", "operations written", ("memory_r1.operation",)),
    Metric("memory_r1.hits", "histogram", "{hit}", "memories found for a question", bounds=HITS),
    Metric("memory_r1.conflicts", "counter", "{conflict}", "writes that another writer's was faster than"),
    Metric(
        "memory_r1.malformed_replies", "counter", "{reply}", "replies that could not be read, mended ones included",
        ("memory_r1.role",),
    ),
    Metric(
        "memory_r1.failures", "counter", "{failure}", "what a role failed at in the end",
        ("memory_r1.role", "memory_r1.failure"),
    ),
    Metric(
        "memory_r1.run.duration", "histogram", "s", "a run of a graph", ("memory_r1.graph", "error.type"), SECONDS
    ),
    Metric(
        "memory_r1.node.duration", "histogram", "s", "a step of a graph",
        ("memory_r1.graph", "memory_r1.node", "error.type"), SECONDS,
    ),
    Metric(
        "gen_ai.client.operation.duration", "histogram", "s", "a call of a model or an embedder",
        (*_MODEL, "error.type"), MODEL_SECONDS,
    ),
    Metric(
        "gen_ai.client.token.usage", "histogram", "{token}", "tokens of a model call, by its server's count",
        (*_MODEL, "gen_ai.token.type"), TOKENS,
    ),
    Metric(
        "db.client.operation.duration", "histogram", "s", "a call of the store",
        ("db.system.name", "db.operation.name", "error.type"), SECONDS,
    ),
)  # fmt: skip

SPANS: Mapping[str, str] = {
    "memory_r1.remember": "a run of `remember`: one turn",
    "memory_r1.answer": "a run of `answer`: one question",
    "memory_r1.chat": "a run of `agent`: one message, with the runs of the other two below it",
    "{node}": "a step of a graph: extract, retrieve, manage, apply, distil, answer, listen, reply",
    "chat {gen_ai.request.model}": "one call of a model, each try of it",
    "embeddings {gen_ai.request.model}": "one call of the embedder",
    "{db.operation.name} {db.system.name}": "one call of the store, as write, before or search_vectors",
}

ATTRIBUTES: Mapping[str, str] = {
    "memory_r1.bank": "the bank; on runs, steps and store calls",
    "memory_r1.graph": "remember, answer or chat",
    "memory_r1.node": "the step",
    "memory_r1.outcome": "of a turn: written, repeated (known before), failed, stopped; "
    "of a question: answered, malformed (no usable reply), failed, stopped; of a chat: done, failed",
    "memory_r1.revision": "the bank's revision, as read or as written",
    "memory_r1.repeated": "true where a store call or a turn was done before",
    "memory_r1.facts": "facts found in the turn",
    "memory_r1.candidates": "memories shown to the manager, for all facts",
    "memory_r1.operations.add": "operations of this kind",
    "memory_r1.operations.update": "operations of this kind",
    "memory_r1.operations.delete": "operations of this kind",
    "memory_r1.operations.noop": "operations of this kind",
    "memory_r1.hits": "memories found for the question",
    "memory_r1.selected": "memories that the answer rests on",
    "memory_r1.failures": "unusable replies so far",
    "memory_r1.attempts": "writes tried",
    "memory_r1.calls": "model calls of the run",
    "memory_r1.role": "extractor, manager or answerer",
    "memory_r1.malformed": "true on a step that got a reply which could not be read",
    "memory_r1.texts": "texts embedded",
    "gen_ai.operation.name": "chat or embeddings",
    "gen_ai.provider.name": "as LangChain names it; local for a model in this process",
    "gen_ai.request.model": "the model's name",
    "gen_ai.usage.input_tokens": "of a call or a run, as the server counts them",
    "gen_ai.usage.output_tokens": "of a call or a run, as the server counts them",
    "gen_ai.embeddings.dimension.count": "length of the vectors",
    "server.address": "the endpoint's host",
    "server.port": "the endpoint's port",
    "http.response.status_code": "of a refused call",
    "db.system.name": "sqlite, neo4j, inmemory",
    "db.operation.name": "the store's method",
    "db.response.returned_rows": "memories or turns that the store returned",
    "error.type": "the class of the error",
}

CONTENT: Mapping[str, str] = {
    "memory_r1.turn.text": "what was said",
    "memory_r1.question.text": "what was asked",
    "memory_r1.answer.text": "what was answered",
    "gen_ai.input.messages": "the prompt, as JSON",
    "gen_ai.output.messages": "the reply, as JSON",
    "error.message": "what the error says",
}
"""Attributes that hold memory text: only with `MEMORY_R1_TELEMETRY_CONTENT=on`."""

LABELS = ("memory_r1.operation", "memory_r1.failure", "gen_ai.token.type")
"""Attributes that stand on metrics alone."""
