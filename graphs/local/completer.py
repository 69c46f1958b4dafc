"""A Hugging Face model folder as a completer, in this process: no server, no network."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from memory_r1.graphs.completers import Completion, Message
from memory_r1.graphs.local.folder import checked, read_limits
from memory_r1.graphs.local.loaded import Loaded, load
from memory_r1.memory.errors import MalformedOutputError, MissingExtraError


class LocalCompleter:
    """The model in `folder`, loaded when it is first asked, onto a GPU where there is one.

    Calls that wait at the same time are one batch. `max_tokens`: of a reply, where the folder states no limit of its
    own; `temperature`: 0 takes the likeliest token. Raises SettingsError for a folder without a model, and
    MissingExtraError naming what to install.
    """

    def __init__(self, folder: Path, max_tokens: int = 1_024, temperature: float = 0.0) -> None:
        self.folder = checked(folder)
        self.max_tokens = read_limits(folder).max_tokens or max_tokens
        self.temperature = temperature
        for package in ("torch", "transformers"):
            if find_spec(package) is None:
                raise MissingExtraError.of("local", package)
        self._loading = threading.Lock()
        self._loaded: Loaded | None = None

    async def load(self) -> None:
        """Load the model now, not when it is first asked. Raises SettingsError when it can't be loaded."""
        if self._loaded is None:
            await asyncio.to_thread(self._load)

    async def complete(self, messages: Sequence[Message]) -> Completion:
        """The reply.

        Raises SettingsError when the model can't be loaded, MalformedOutputError for a prompt that is too long for it.
        """
        from memory_r1.graphs.local.engine import Sampling

        loaded = self._loaded or await asyncio.to_thread(self._load)
        prompt = loaded.tokens.encode(messages)
        how = Sampling(temperature=self.temperature, max_tokens=self.max_tokens, stop=loaded.tokens.ends)
        try:
            found = await loaded.engine.generate(prompt, how)
        except MalformedOutputError as error:  # a repair attempt would be longer still
            raise MalformedOutputError(error.message, **error.details, repair=False) from error
        text = loaded.tokens.decode(found.token_ids)
        return Completion(text, tuple(prompt), found.token_ids, found.log_probs, found.ended)

    async def aclose(self) -> None:
        """Let the model go. Asked again, it loads again."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            await asyncio.to_thread(loaded.engine.close)

    def _load(self) -> Loaded:
        with self._loading:
            if self._loaded is None:
                self._loaded = load(self.folder)
            return self._loaded
