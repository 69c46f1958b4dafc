"""The agent loops without verl's servers: rows in, samples out, by the real environment and a scripted server."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import verl_imports  # noqa: F401  isort: skip - first of all that imports verl

from omegaconf import OmegaConf
from transformers import AutoTokenizer
from verl.experimental.agent_loop.agent_loop import AgentLoopOutput, DictConfigWrap

from memory_r1.graphs.local.folder import FolderLimits
from memory_r1.rl.rollouts.types import ManagerRow
from memory_r1.rl.trainer.environments import Policy
from memory_r1.rl.trainer.loop import AnswererLoop, ManagerLoop, RolloutLoop, SessionLoop
from memory_r1.rl.trainer.main import mend_tracker
from memory_r1.rl.trainer.records import of_sample, of_validation
from memory_r1.rl.trainer.settings import TrainingSettings
from memory_r1.rl.training.rows import to_json
from memory_r1.rl.training.world_rows import world_answerer_rows, world_manager_rows, world_session_rows
from tests.tiny_models import make_model

NOOP = '{"operations":[{"fact":0,"op":"NOOP"}]}'
GREEDY, SAMPLED = {"temperature": 0}, {"temperature": 1.0}


class Server:
    """Replies the same text to every prompt; fails the first `fails` times. `asked`: the sampling parameters."""

    def __init__(self, tokenizer: Any, text: str, fails: int = 0, cut: int | None = None) -> None:
        self.ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id][:cut]
        self.fails = fails
        self.asked: list[dict[str, Any]] = []

    async def generate(self, request_id: str, *, prompt_ids: list[int], sampling_params: dict[str, Any]) -> Any:
        self.asked.append(sampling_params)
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise ConnectionError("the server went away")
        extra = {"min_global_steps": 6, "max_global_steps": 6, "ended": len(self.ids) < sampling_params["max_tokens"]}
        log_probs = [-0.5] * len(self.ids)
        return SimpleNamespace(token_ids=self.ids, log_probs=log_probs, stop_reason="completed", extra_fields=extra)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"), positions=4096)


@pytest.fixture(scope="module")
def tokenizer(model: Path) -> Any:
    return AutoTokenizer.from_pretrained(model)


async def play(
    kind: type[RolloutLoop], row: Any, server: Server, tokenizer: Any, model: Path, **given: Any
) -> list[AgentLoopOutput]:
    """One rollout of `row`. `given`: keys of memory_r1, and `sampling`, `prompt_length`, `validate`."""
    sampling, prompt_length = given.pop("sampling", SAMPLED), given.pop("prompt_length", 3000)
    validate = given.pop("validate", True)
    rollout = {"prompt_length": prompt_length, "response_length": 200, "name": "local"}
    config = OmegaConf.create(
        {"actor_rollout_ref": {"rollout": rollout, "model": {"path": str(model)}}, "memory_r1": given, "data": {}}
    )
    wrapped = DictConfigWrap(config), server, tokenizer, None, object, DictConfigWrap(config.data)
    return await kind(*wrapped).run(  # pyright: ignore[reportArgumentType] - a scripted server
        dict(sampling), row=to_json(row), global_steps=7, session_id=0, extra_info={"index": 3}, uid="u", raw_prompt=[],
        validate=validate,
    )  # fmt: skip


def manager_row(kind: str) -> ManagerRow:
    rows = world_manager_rows(0, "train", 40)
    return next(row for row in rows if [op.kind for op in row.steps[0].right or ()] == [kind])


async def test_a_decision_is_a_sample_with_its_tokens_as_they_were_sampled(tokenizer: Any, model: Path) -> None:
    server = Server(tokenizer, NOOP)
    (output,) = await play(ManagerLoop, manager_row("add"), server, tokenizer, model)
    assert output.response_ids == server.ids
    assert output.response_mask == [1] * len(server.ids)
    assert output.response_logprobs == [-0.5] * len(server.ids)
    assert tokenizer.decode(output.prompt_ids).startswith("<|im_start|>system")
    record = of_sample(output.extra_fields)
    assert (record.operations, record.right, record.lost, record.truncated) == (("noop",), ("add",), False, False)
    assert record.reward == output.reward_score == record.noop_reward < record.oracle_reward == 1.0
    assert of_validation(output.extra_fields["reward_extra_info"]["records"]) == [record]
    assert output.extra_fields["max_global_steps"] == 6
    assert record.environment_s > 0


async def test_while_training_a_sample_has_its_own_record_alone(tokenizer: Any, model: Path) -> None:
    (output,) = await play(ManagerLoop, manager_row("add"), Server(tokenizer, NOOP), tokenizer, model, validate=False)
    assert of_sample(output.extra_fields).operations == ("noop",)
    assert output.extra_fields["reward_extra_info"] == {}


async def test_noop_where_noop_is_right_earns_it_all(tokenizer: Any, model: Path) -> None:
    (output,) = await play(ManagerLoop, manager_row("noop"), Server(tokenizer, NOOP), tokenizer, model)
    assert output.reward_score == 1.0


async def test_what_can_not_be_read_is_malformed_and_what_was_cut_short_truncated(tokenizer: Any, model: Path) -> None:
    row, rewards = manager_row("add"), {"em": 1.0, "malformed": -0.5}
    (output,) = await play(ManagerLoop, row, Server(tokenizer, "hm"), tokenizer, model, rewards=rewards)
    record = of_sample(output.extra_fields)
    assert (record.malformed, record.truncated, record.reward, record.operations) == (1, False, -0.5, ())
    (output,) = await play(ManagerLoop, row, Server(tokenizer, NOOP, cut=5), tokenizer, model, max_tokens=5)
    record = of_sample(output.extra_fields)
    assert (record.malformed, record.truncated) == (1, True)


async def test_a_server_that_fails_is_asked_again(tokenizer: Any, model: Path) -> None:
    server = Server(tokenizer, NOOP, fails=2)
    (output,) = await play(ManagerLoop, manager_row("noop"), server, tokenizer, model, retries=2)
    assert not of_sample(output.extra_fields).lost
    assert len(server.asked) == 3


async def test_what_fails_for_good_is_lost_and_masked(tokenizer: Any, model: Path) -> None:
    server = Server(tokenizer, NOOP, fails=9)
    (output,) = await play(ManagerLoop, manager_row("noop"), server, tokenizer, model, retries=1)
    record = of_sample(output.extra_fields)
    assert (record.lost, record.reward, output.response_mask) == (True, 0.0, [0])
    assert len(server.asked) == 2
    assert output.extra_fields["min_global_steps"] == 6


async def test_a_row_of_another_kind_is_lost_not_raised(tokenizer: Any, model: Path) -> None:
    (output,) = await play(AnswererLoop, manager_row("add"), Server(tokenizer, NOOP), tokenizer, model)
    assert of_sample(output.extra_fields).lost


async def test_too_long_a_prompt_counts_as_malformed_and_teaches_nothing(tokenizer: Any, model: Path) -> None:
    server = Server(tokenizer, NOOP)
    (output,) = await play(ManagerLoop, manager_row("add"), server, tokenizer, model, prompt_length=20)
    record = of_sample(output.extra_fields)
    assert (record.malformed, record.lost, output.response_mask, server.asked) == (1, False, [0], [])


async def test_replies_are_seeded_by_run_step_row_and_member(tokenizer: Any, model: Path) -> None:
    servers = [Server(tokenizer, NOOP) for _ in range(3)]
    for server, seed in zip(servers, (1, 1, 2), strict=True):
        await play(ManagerLoop, manager_row("noop"), server, tokenizer, model, seed=seed)
    seeds = [server.asked[0]["seed"] for server in servers]
    assert seeds[0] == seeds[1] != seeds[2]


async def test_a_session_tries_each_decision_several_times_and_greedily_once(tokenizer: Any, model: Path) -> None:
    (row,) = world_session_rows(0, "train", 1, turns=3)
    outputs = await play(SessionLoop, row, Server(tokenizer, NOOP), tokenizer, model, session={"rolls": 4})
    records = [of_sample(output.extra_fields) for output in outputs]
    groups = [record.group for record in records]
    assert len(set(groups)) * 4 == len(groups)
    assert of_validation(outputs[0].extra_fields["reward_extra_info"]["records"]) == records
    assert [record.environment_s > 0 for record in records] == [True] + [False] * (len(records) - 1)
    greedy = await play(SessionLoop, row, Server(tokenizer, NOOP), tokenizer, model, sampling=GREEDY)
    assert len(greedy) == len(set(groups))


async def test_an_answer_is_a_sample_too(tokenizer: Any, model: Path) -> None:
    row = next(row for row in world_answerer_rows(0, "train", 20) if row.bank.memories)
    reply = json.dumps({"selected": [], "answer": row.question.answer})
    given: dict[str, Any] = {"role": "answerer"}
    (output,) = await play(AnswererLoop, row, Server(tokenizer, reply), tokenizer, model, **given)
    record = of_sample(output.extra_fields)
    assert (record.reward, record.category, record.operations) == (1.0, row.question.category, ())


def test_what_the_models_folder_states_goes_before_the_config(tmp_path: Path) -> None:
    FolderLimits(max_tokens=9).save(tmp_path)
    settings = TrainingSettings(max_tokens=50)
    assert Policy.at(str(tmp_path)).max_tokens(settings, 64) == 9
    assert Policy.at("some/model").max_tokens(settings, 64) == 50
    assert Policy.at("some/model").max_tokens(settings, 32) == 32
    assert Policy().max_tokens(TrainingSettings(), 64) == 64


@pytest.mark.parametrize(("written", "read"), [("", "4"), ("2", "2"), ("\0", "4")])
def test_a_run_killed_while_its_newest_step_was_written_down_goes_on(tmp_path: Path, written: str, read: str) -> None:
    checkpoints = tmp_path / "checkpoints"
    for step in (2, 4):
        (checkpoints / f"global_step_{step}" / "actor").mkdir(parents=True)
        (checkpoints / f"global_step_{step}" / "actor" / "model_world_size_1_rank_0.pt").touch()
        (checkpoints / f"global_step_{step}" / "data.pt").touch()
    tracker = checkpoints / "latest_checkpointed_iteration.txt"
    tracker.write_text(written)
    mend_tracker(checkpoints)
    assert tracker.read_text() == read
    mend_tracker(tmp_path / "nowhere")
