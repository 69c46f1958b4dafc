"""Token ids in, token ids and their log probabilities out: a Hugging Face causal model in this process.

    engine = Engine.load("models/tiny", seed=7)
    generation = await engine.generate(prompt_ids, Sampling(temperature=0.0, max_tokens=32, stop=(end_id,)))
    engine.close()

One thread holds the model. Callers that wait at the same time make one batch, whichever event loops they run in; equal
prompts (the members of a GRPO group) are read once. The same class serves an app's `local:` model, the frozen answerer
of a training run and the rollouts of a run on CPUs.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory_r1.graphs.local.sampling import Generation, Prompt, Sampling
from memory_r1.memory.errors import InputError, MalformedOutputError, MissingExtraError, ModelUnavailableError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Engine", "Generation", "Sampling"]


@dataclass(slots=True)
class _Request:
    """One caller that waits for a reply."""

    prompt: Prompt
    reply: Future[Generation] = field(default_factory=Future[Generation])


@dataclass(slots=True)
class _Task:
    """Something else to do between two batches. `run` None: end the thread."""

    run: Callable[[], int] | None
    done: Future[int] = field(default_factory=Future[int])


class Engine:
    """Generates for concurrent callers, and takes new weights between two batches.

    `batch`: rows at most; `gap`: seconds that a batch waits for one more caller before it starts. Close it when done.
    """

    def __init__(self, model: Any, *, seed: int = 0, batch: int = 64, gap: float = 0.004) -> None:
        self._model = model.eval()
        self._seed = seed
        self._batch = batch
        self._gap = gap
        self._count = 0
        self._jobs: queue.Queue[_Request | _Task] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._vocabulary = int(model.get_input_embeddings().weight.shape[0])

    @classmethod
    def load(
        cls, folder: str | Path, *, seed: int = 0, threads: int = 1, batch: int = 64, device: str = "cpu"
    ) -> Engine:
        """The engine for the model in `folder`: float32 on a CPU, as it was saved elsewhere.

        `threads`: PyTorch's, of this whole process. Raises MissingExtraError, and InputError where no model is.
        """
        try:
            import torch
            from transformers import AutoModelForCausalLM
            from transformers.utils import logging as progress
        except ImportError:
            raise MissingExtraError.of("local", "transformers") from None
        if not (Path(folder) / "config.json").is_file():
            raise InputError(f"{str(folder)!r} is no model folder: it has no config.json")
        torch.set_num_threads(threads)
        dtype: Any = torch.float32 if device == "cpu" else "auto"
        auto: Any = AutoModelForCausalLM
        shown = progress.is_progress_bar_enabled()
        progress.disable_progress_bar()
        try:
            model = auto.from_pretrained(str(folder), dtype=dtype, local_files_only=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"the model in {str(folder)!r} can't be loaded: {error}") from error
        finally:
            if shown:
                progress.enable_progress_bar()
        return cls(model.to(device), seed=seed, batch=batch)

    @property
    def positions(self) -> int:
        """The most tokens that a prompt and its reply may have together."""
        return int(getattr(self._model.config, "max_position_embeddings", 1 << 30))

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> Generation:
        """The reply to a prompt, at most as long as the model's positions allow.

        Raises InputError for ids that the model doesn't know, MalformedOutputError for a prompt that is empty or leaves
        no room for a reply, ModelUnavailableError when the engine is closed or the model fails (then all callers of the
        batch get it).
        """
        ids = tuple(prompt_ids)
        room = self.positions - len(ids)
        if not ids or room < 1:
            raise MalformedOutputError(
                f"a prompt of {len(ids)} tokens can't be answered: this model takes 1 to {self.positions - 1}",
                tokens=len(ids), positions=self.positions,
            )  # fmt: skip
        if not 0 <= min(ids) <= max(ids) < self._vocabulary:
            raise InputError(f"token ids run from 0 to {self._vocabulary - 1}: {min(ids)} to {max(ids)} came")
        with self._lock:
            seed = self._seed + self._count if sampling.seed is None else sampling.seed
            self._count += sampling.seed is None
        request = _Request(Prompt(ids, sampling, min(sampling.max_tokens, room), seed))
        self._put(request)
        return await asyncio.wrap_future(request.reply)

    async def load_weights(self, weights: Mapping[str, Tensor]) -> int:
        """Takes new weights once the batch in hand is done; the number of tensors taken.

        `weights`: every tensor of the model by its name; one that is tied to another may be left out. Raises InputError
        for missing, unexpected or misshapen ones, and changes nothing then.
        """
        task = _Task(lambda: _take(self._model, weights))
        self._put(task)
        return await asyncio.wrap_future(task.done)

    def close(self) -> None:
        """Ends the thread after what waits already; later callers get ModelUnavailableError. May be repeated."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            if thread is not None:
                self._jobs.put(_Task(None))
        if thread is not None:
            thread.join()

    def _put(self, job: _Request | _Task) -> None:
        with self._lock:
            if self._closed:
                raise ModelUnavailableError("this engine is closed: load the model again")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="memory-r1-engine", daemon=True)
                self._thread.start()
            self._jobs.put(job)

    def _work(self) -> None:
        job: _Request | _Task | None = None
        while True:
            job = job or self._jobs.get()
            if isinstance(job, _Request):
                requests, job = self._gather(job)
                self._answer(requests)
            elif job.run is None:
                return
            else:
                _fulfil(job.done, job.run)
                job = None

    def _gather(self, first: _Request) -> tuple[list[_Request], _Task | None]:
        """The callers that come with `first`, and the task that came in between, if one did."""
        requests = [first]
        while len(requests) < self._batch:
            try:
                job = self._jobs.get(timeout=self._gap)
            except queue.Empty:
                break
            if isinstance(job, _Task):
                return requests, job
            requests.append(job)
        return requests, None

    def _answer(self, requests: list[_Request]) -> None:
        from memory_r1.graphs.local.decode import decode

        wanted = [request for request in requests if request.reply.set_running_or_notify_cancel()]
        if not wanted:
            return
        try:
            replies = decode(self._model, [request.prompt for request in wanted])
        except Exception as error:  # noqa: BLE001  whatever it is, it goes to the callers
            for request in wanted:
                failed = ModelUnavailableError(f"the model failed on a batch of {len(wanted)} prompts: {error!r}")
                failed.__cause__ = error
                request.reply.set_exception(failed)
            return
        for request, reply in zip(wanted, replies, strict=True):
            request.reply.set_result(reply)


def _fulfil(done: Future[int], run: Callable[[], int]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(run())
    except Exception as error:  # noqa: BLE001  whatever it is, it goes to the caller
        done.set_exception(error)


def _take(model: Any, weights: Mapping[str, Tensor]) -> int:
    """Copies `weights` into `model`, all or none."""
    import torch

    own: dict[str, Tensor] = model.state_dict()
    given = {own[name].data_ptr() for name in weights if name in own}
    wrong = {
        "unexpected": sorted(set(weights) - set(own)),
        "missing": sorted(name for name in own if name not in weights and own[name].data_ptr() not in given),
        "misshapen": sorted(name for name in own if name in weights and own[name].shape != weights[name].shape),
    }
    if any(wrong.values()):
        told = "; ".join(f"{kind}: {', '.join(names[:5])}" for kind, names in wrong.items() if names)
        raise InputError(f"these are not this model's weights ({told}): nothing was changed", **wrong)
    with torch.no_grad():
        for name, tensor in weights.items():
            own[name].copy_(tensor)
    return len(weights)
