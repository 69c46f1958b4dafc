"""verl's smallest agent loop, and its reward: one reply to the row's prompt, paid for the letters in it.

Ray imports it in its own processes, by this name: the folder tests/ is on their path.
"""

from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopOutput
from verl.utils.profiler import simple_timer


class TrivialLoop(AgentLoopBase):
    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        metrics: dict[str, Any] = {"num_preempted": -1}
        prompt = await self.ct_build_initial_tokens(list(row["raw_prompt"]))
        with simple_timer("generate_sequences", metrics):
            reply = await self.server_manager.generate(
                request_id=uuid4().hex, prompt_ids=prompt, sampling_params={**sampling_params, "max_tokens": 12}
            )
        text = self.tokenizer.decode(reply.token_ids, skip_special_tokens=True)
        return AgentLoopOutput(
            prompt_ids=prompt,
            response_ids=reply.token_ids,
            response_mask=[1] * len(reply.token_ids),
            response_logprobs=reply.log_probs,
            reward_score=sum(letter.isascii() and letter.isalpha() for letter in text) / max(1, len(text)),
            num_turns=2,
            metrics=metrics,
            extra_fields={**reply.extra_fields, "turn_scores": [], "tool_rewards": [], "reward_extra_info": {}},
        )
