"""Calls of models and embedders, while their run is watched: a span, seconds and tokens for each."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel

from memory_r1.graphs.roles import Meter, Usage, fail, metered, spend
from memory_r1.graphs.telemetry.outcome import messages
from memory_r1.graphs.telemetry.runs import running
from memory_r1.graphs.telemetry.telemetry import Telemetry
from memory_r1.memory.embedders.base import Embedder, Vectors

if TYPE_CHECKING:
    from opentelemetry.trace import Span

LOCAL = "local"
"""The provider of what runs in this process."""

Labels = dict[str, str | int]


class Call:
    """One call of a model. `said` takes its reply."""

    def __init__(self, span: Span | None, content: bool) -> None:
        self._span = span
        self._content = content

    def said(self, text: str) -> None:
        """Take the reply."""
        if self._span is not None and self._content:
            self._span.set_attribute("gen_ai.output.messages", messages([{"role": "assistant", "content": text}]))


_UNWATCHED = Call(None, False)


@contextmanager
def model_call(model: Any, role: str, prompt: list[dict[str, str]]) -> Generator[Call]:
    """Watch one call of `model`, which plays `role`, inside the block; nothing where nobody watches.

    What the block spends is read on its way to the surrounding `metered`.
    """
    run = running()
    telemetry = run.telemetry if run else None
    if telemetry is None:
        yield _UNWATCHED
        return
    labels: Labels = {"gen_ai.operation.name": "chat", **describe(model), "memory_r1.role": role}
    meter = Meter()
    try:
        with metered() as meter, _timed(telemetry, labels) as span:
            if telemetry.content:
                span.set_attribute("gen_ai.input.messages", messages(prompt))
            try:
                yield Call(span, telemetry.content)
            finally:
                _count_tokens(telemetry, span, labels, meter.usage)
    finally:
        spend(meter.usage)
        for failure in meter.failures:
            fail(failure)


def malformed(role: str) -> None:
    """Count a reply of `role`'s model that could not be read, where somebody watches."""
    run = running()
    if run and run.telemetry:
        run.telemetry.count("memory_r1.malformed_replies", 1, {"memory_r1.role": role})
        run.telemetry.flag("memory_r1.malformed")


class WatchedEmbedder:
    """The embedder `inner`, with each of its calls watched."""

    def __init__(self, inner: Embedder, telemetry: Telemetry) -> None:
        self.inner = inner
        self._telemetry = telemetry

    @property
    def name(self) -> str:
        """The inner embedder's name."""
        return self.inner.name

    @property
    def dim(self) -> int:
        """The inner embedder's dimension."""
        return self.inner.dim

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """The inner embedder's vectors."""
        provider, _, model = self.name.partition(":")
        labels: Labels = {
            "gen_ai.operation.name": "embeddings", "gen_ai.provider.name": provider if provider == "openai" else LOCAL,
            "gen_ai.request.model": model or provider,
        }  # fmt: skip
        with _timed(self._telemetry, labels) as span:
            span.set_attributes({"gen_ai.embeddings.dimension.count": self.dim, "memory_r1.texts": len(texts)})
            return await self.inner.embed(texts, query=query)


def describe(model: Any) -> Labels:
    """Provider and name of `model`, and where it is served as far as that is known; nothing else of its address."""
    if not isinstance(model, BaseChatModel):
        folder: Path | None = getattr(model, "folder", None)
        name = "/".join(folder.parts[-2:]) if folder else type(model).__name__
        return {"gen_ai.provider.name": LOCAL, "gen_ai.request.model": name}
    chat = cast(Any, model)
    said = chat._get_ls_params()
    name = getattr(chat, "model_name", None) or said.get("ls_model_name") or type(model).__name__
    labels: Labels = {"gen_ai.provider.name": said.get("ls_provider") or LOCAL, "gen_ai.request.model": str(name)}
    url = urlsplit(str(getattr(chat, "openai_api_base", None) or ""))
    if url.hostname:
        labels["server.address"] = url.hostname
        labels["server.port"] = url.port or (443 if url.scheme == "https" else 80)
    return labels


@contextmanager
def _timed(telemetry: Telemetry, labels: Labels) -> Generator[Span]:
    """A span around the block, and its seconds in the metric of model calls."""
    began = perf_counter()
    wrong: dict[str, str] = {}
    name = f"{labels['gen_ai.operation.name']} {labels['gen_ai.request.model']}"
    try:
        with telemetry.span(name, labels, client=True) as span:
            try:
                yield span
            except BaseException as error:
                wrong = {"error.type": type(error).__name__}
                status = getattr(error, "status_code", None)
                if isinstance(status, int):
                    span.set_attribute("http.response.status_code", status)
                raise
    finally:
        telemetry.count("gen_ai.client.operation.duration", perf_counter() - began, {**labels, **wrong})


def _count_tokens(telemetry: Telemetry, span: Span, labels: Labels, usage: Usage) -> None:
    for kind, count in (("input", usage.prompt_tokens), ("output", usage.reply_tokens)):
        if count:
            span.set_attribute(f"gen_ai.usage.{kind}_tokens", count)
            telemetry.count("gen_ai.client.token.usage", count, {**labels, "gen_ai.token.type": kind})
