"""A policy as the roles call it: messages in, text out, with the tokens behind it where they are known.

A LangChain chat model is what an app brings; a completer is what a local model and a policy in training are. Either
plays a role (`chat_roles`), by the same prompts and the same reading of its replies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

Message = dict[str, str]
"""`{"role": "system" | "user" | "assistant", "content": …}`"""


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply. `ended`: the policy ended it; False where it ran into the limit of tokens.

    `token_ids` and `log_probs` (natural logarithm, one for each token, under the distribution that they were sampled
    from) are as sampled, the end token included; `prompt_ids` are the tokens that they followed.
    """

    text: str
    prompt_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    ended: bool = True


@runtime_checkable
class Completer(Protocol):
    """Replies to messages."""

    async def complete(self, messages: Sequence[Message]) -> Completion:
        """The reply. Raises ModelUnavailableError when there is none, MalformedOutputError for too long a prompt."""
        ...
