"""Any sentence-transformers model as an embedder (extra `embed`). torch is imported when a model is loaded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, MissingExtraError, ModelError
from .base import Vectors

_SAMPLES = 64
"""Values of each parameter that go into a model's identity."""


class SentenceEmbedder:
    """Embeds by the sentence-transformers model `model`: a directory, or a name on the Hugging Face hub.

    Questions get the model's query prompt, memories its document prompt, where it defines them. `device` as torch
    names it ("cpu", "cuda:1"); None takes the best one there is. `batch` texts go through the model at once.

    `name` is "sentence:<model>#<digest>": a directory counts by its last part, and the digest covers the weights, so
    a model that was trained on or replaced has another name.

    Raises MissingExtraError without the extra, and InputError when the model can't be loaded.
    """

    def __init__(self, model: str, *, device: str | None = None, batch: int = 32) -> None:
        if batch < 1:
            raise InputError(f"batch={batch!r} embeds nothing: use 1 or more")
        path = _directory(model)
        self._model = _load(model, str(path or model), device)
        self._batch = batch
        self._lock = threading.Lock()
        self.dim = _dim(self._model, model)
        self.name = f"sentence:{path.name if path else model}#{fingerprint(self._model)}"

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """The vectors of `texts`: (len(texts), dim) float32, unit norm. The event loop goes on meanwhile.

        Raises ModelError when the model fails (out of memory, say) or gives a vector that is not finite.
        """
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return await asyncio.to_thread(self._encode, list(texts), query)

    def _encode(self, texts: list[str], query: bool) -> Vectors:
        encode = self._model.encode_query if query else self._model.encode_document
        try:
            with self._lock:  # a tokenizer serves one thread at a time
                rows = encode(
                    texts, batch_size=self._batch, show_progress_bar=False,
                    convert_to_numpy=True, normalize_embeddings=True,
                )  # fmt: skip
        except RuntimeError as error:
            raise ModelError(f"{self.name} failed on {len(texts)} texts: {error}", embedder=self.name) from error
        out = np.ascontiguousarray(rows, dtype=np.float32)
        if out.shape != (len(texts), self.dim) or not np.isfinite(out).all():
            raise ModelError(
                f"{self.name} gave vectors of shape {out.shape} for {len(texts)} texts of {self.dim} dimensions, or "
                f"values that are not finite: use another model, or device='cpu'",
                embedder=self.name,
            )
        return out


def fingerprint(model: Any) -> str:
    """Eight hexadecimal digits for what a loaded model computes: its modules, prompts and a sample of every weight."""
    digest = blake2b(digest_size=4)
    prompts: Mapping[str, str] = model.prompts
    shape = [[type(module).__name__ for module in model], sorted(prompts.items()), model.max_seq_length]
    digest.update(repr(shape).encode())
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().flatten()
        sample = flat[:: max(1, len(flat) // _SAMPLES)].float().cpu().numpy()
        digest.update(f"{name} {tuple(tensor.shape)}".encode() + sample.tobytes())
    return digest.hexdigest()


def _directory(model: str) -> Path | None:
    """The directory that `model` names, or None for a name on the hub."""
    path = Path(model).expanduser()
    if path.is_dir():
        return path.resolve()
    if not model.strip() or model.startswith(("/", "./", "../", "~")) or path.exists():
        raise InputError(f"{model!r} is not the directory of a sentence-transformers model")
    return None


def _load(model: str, place: str, device: str | None) -> Any:
    try:
        library = import_module("sentence_transformers")
    except ImportError as error:
        raise MissingExtraError.of("embed", error.name or "sentence-transformers") from error
    try:
        return library.SentenceTransformer(place, device=device)
    except Exception as error:
        reason = str(error).strip().splitlines() or [""]
        raise InputError(
            f"the sentence-transformers model {model!r} can't be loaded ({type(error).__name__}: {reason[0][:200]}): "
            f"check the name, or give the directory of a downloaded model",
            model=model,
        ) from error


def _dim(model: Any, name: str) -> int:
    get = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
    dim: int | None = get()
    if not dim:
        raise InputError(f"the model {name!r} does not say how long its vectors are, so no bank can use it", model=name)
    return dim
