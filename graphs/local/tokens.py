"""Between messages and tokens, as a model's own chat template has it: one way, for use and for training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from memory_r1.graphs.completers import Message
from memory_r1.memory.errors import SettingsError


class Tokens:
    """A tokenizer with its chat template. `ends`: ids of the tokens that end a reply.

    Raises SettingsError for a tokenizer without a chat template.
    """

    def __init__(self, tokenizer: Any, ends: Sequence[int] = ()) -> None:
        if not tokenizer.chat_template:
            raise SettingsError(f"the tokenizer {tokenizer.name_or_path!r} has no chat template: use a chat model")
        self.tokenizer = tokenizer
        own = () if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),)
        self.ends = tuple(dict.fromkeys((*own, *ends)))

    @classmethod
    def load(cls, folder: Path) -> Tokens:
        """The tokenizer in `folder`, read without any network. Raises SettingsError."""
        from transformers import AutoTokenizer

        try:
            tokenizer = cast(Any, AutoTokenizer).from_pretrained(folder, local_files_only=True)
        except Exception as error:
            raise SettingsError(f"the tokenizer in {str(folder)!r} can't be loaded: {error}") from error
        return cls(tokenizer, _ends(folder))

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """The ids of `messages` up to where the reply begins."""
        return list(
            self.tokenizer.apply_chat_template(
                list(messages), tokenize=True, add_generation_prompt=True, return_dict=False
            )
        )

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of a reply, without the tokens that only steer (its end, padding)."""
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True))


def _ends(folder: Path) -> list[int]:
    """What the folder's generation config says ends a reply."""
    path = folder / "generation_config.json"
    if not path.is_file():
        return []
    found: Any = json.loads(path.read_bytes()).get("eos_token_id")
    return [found] if isinstance(found, int) else list(found or [])
