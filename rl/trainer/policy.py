"""The policy in training as a completer: verl's rollout servers, asked by token ids.

The tokens of a reply, their log probabilities and the tokens of its prompt are kept as they were sampled; the text is
only read by the graphs and never turned into tokens again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import AgentLoopBase

from memory_r1.graphs.completers import Completion, Message
from memory_r1.memory.errors import MalformedOutputError, ModelUnavailableError

PROMPTS = 512
"""Rendered prompts that are kept: all members of a group ask with the same one."""


class ServerPolicy:
    """Replies by the rollout servers of `loop`, each of `max_tokens` tokens at most.

    `sampling`: verl's sampling parameters. `seed`: makes what is sampled the same in every run; "" leaves it to the
    servers. `versions`: the versions of the weights that replied, oldest and newest; None before the first reply.
    """

    _prompts: ClassVar[OrderedDict[tuple[str, ...], tuple[int, ...]]] = OrderedDict()

    def __init__(self, loop: AgentLoopBase, sampling: Mapping[str, Any], max_tokens: int, seed: str = "") -> None:
        self._loop = loop
        self._tokenizer: Any = loop.tokenizer
        self._sampling = {**sampling, "max_tokens": max_tokens}
        self._max_tokens = max_tokens
        self._request = uuid4().hex
        self._seed = seed
        self._calls = 0
        self.versions: tuple[int, int] | None = None

    @property
    def greedy(self) -> bool:
        """Whether it always says what is likeliest."""
        return self._sampling.get("temperature") == 0

    async def complete(self, messages: Sequence[Message]) -> Completion:
        """The reply to `messages`.

        Raises MalformedOutputError for a prompt over `data.max_prompt_length`, and ModelUnavailableError when the
        servers fail, break off, or tell no log probabilities.
        """
        prompt_ids = self._render(messages)
        try:
            output = await self._loop.server_manager.generate(
                request_id=self._request, prompt_ids=list(prompt_ids), sampling_params=self._next_sampling()
            )
        except Exception as error:
            raise ModelUnavailableError(f"the rollout server failed: {type(error).__name__}: {error}") from error
        ids, log_probs = tuple(output.token_ids), tuple(output.log_probs or ())
        if output.stop_reason == "aborted" or not ids:
            raise ModelUnavailableError(f"the rollout server broke off after {len(ids)} tokens: {output.stop_reason!r}")
        if len(log_probs) != len(ids):
            raise ModelUnavailableError(
                f"the rollout server told {len(log_probs)} log probabilities of {len(ids)} tokens: "
                "set actor_rollout_ref.rollout.calculate_log_probs=true"
            )
        self._note(output.extra_fields)
        text = self._tokenizer.decode(ids, skip_special_tokens=True)
        return Completion(text, prompt_ids, ids, log_probs, self._ended(ids, output.extra_fields.get("ended")))

    def _render(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The tokens of `messages` by the chat template; never truncated, which verl's own helper does silently."""
        key = (str(self._tokenizer.name_or_path), *(text for one in messages for text in (one["role"], one["content"])))
        found = self._prompts.get(key)
        if found is None:
            found = tuple(self._loop.continuous_token_builder.build_initial_tokens([dict(one) for one in messages]))
            self._prompts[key] = found
            while len(self._prompts) > PROMPTS:
                self._prompts.popitem(last=False)
        most = self._loop.rollout_config.prompt_length
        if len(found) > most:
            raise MalformedOutputError(
                f"the prompt has {len(found)} tokens, and data.max_prompt_length={most}: raise it, or lower "
                "memory_r1.limits"
            )
        return found

    def _next_sampling(self) -> dict[str, Any]:
        """The parameters of the next reply; with a seed, the same ones for the same call of the same rollout."""
        self._calls += 1
        if not self._seed:
            return dict(self._sampling)
        name = f"{self._seed}/{self._calls}".encode()
        return {**self._sampling, "seed": int.from_bytes(blake2b(name, digest_size=6).digest(), "big")}

    def _ended(self, ids: tuple[int, ...], told: bool | None) -> bool:
        """Whether the policy ended the reply: as the server tells, else by its length and last token."""
        if told is not None:
            return told
        return len(ids) < self._max_tokens or ids[-1] == self._tokenizer.eos_token_id

    def _note(self, told: Mapping[str, Any]) -> None:
        first, last = told.get("min_global_steps"), told.get("max_global_steps")
        if first is not None and last is not None:
            old = self.versions or (first, last)
            self.versions = (min(old[0], first), max(old[1], last))
