"""Samples on their way into verl's queue: what verl itself would queue, many of them in one put."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests import verl_imports  # noqa: F401  isort: skip - first of all that imports verl

import torch
from transfer_queue.metadata import extract_field_schema
from verl.experimental.agent_loop.agent_loop import AgentLoopOutput
from verl.trainer.ppo.v1 import agent_loop_tq
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

from memory_r1.rl.trainer import outbox as module
from memory_r1.rl.trainer.outbox import UNREAD, Outbox, Queued, columns, queued
from memory_r1.rl.trainer.workers import LoopWorker

ROW = {"uid": "u1", "session_id": 3, "global_steps": 7, "index": 5, "data_source": "world"}


def output(reward: float, prompt: int = 4, response: int = 3) -> AgentLoopOutput:
    extra = {"record": {"reward": reward}, "reward_extra_info": {}, "min_global_steps": 6, "max_global_steps": 6}
    return AgentLoopOutput(
        prompt_ids=list(range(prompt)),
        response_ids=list(range(10, 10 + response)),
        response_mask=[1] * response,
        response_logprobs=[-0.5] * response,
        reward_score=reward,
        num_turns=2,
        metrics={"generate_sequences": 0.1},  # pyright: ignore[reportArgumentType] - pydantic
        extra_fields=extra,
    )


class Queue:
    """verl's queue, as far as putting goes. `fails`: raised by the puts to come that carry samples, one each."""

    def __init__(self) -> None:
        self.puts: list[list[str]] = []
        self.fields: list[Any] = []
        self.tags: list[Sequence[dict[str, Any]]] = []
        self.status: dict[str, list[str]] = {}
        self.partitions: set[str] = set()
        self.fails: list[Exception] = []

    async def async_kv_batch_put(
        self, keys: list[str], partition_id: str, tags: Sequence[dict[str, Any]], fields: Any = None
    ) -> None:
        await asyncio.sleep(0)
        self.partitions.add(partition_id)
        if fields is None:
            for key, tag in zip(keys, tags, strict=True):
                self.status.setdefault(key, []).append(tag["status"])
            return
        if self.fails:
            raise self.fails.pop()
        self.puts.append(keys)
        self.fields.append(fields)
        self.tags.append(tags)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    made = Queue()
    monkeypatch.setattr(module, "tq", made)
    monkeypatch.setattr(agent_loop_tq, "tq", made)
    return made


def worker(run: Any = None, rollouts: int = 2) -> Any:
    """A worker without Ray and servers, whose loop is `run`."""
    made = object.__new__(LoopWorker)
    made.distillation_enabled, made.processor, made.reward_loop_worker_handles = False, None, []
    made._loops = {"manager": SimpleNamespace(run=run)}
    made._outboxes = {False: Outbox("train"), True: Outbox("val")}
    many = SimpleNamespace(n=rollouts, val_kwargs=SimpleNamespace(n=1))
    made.config = SimpleNamespace(actor_rollout_ref=SimpleNamespace(rollout=many))
    return made


def prompt(uid: str, **columns: Any) -> dict[str, Any]:
    return {"uid": uid, "global_steps": 7, "row": "long", "agent_name": "manager", **columns}


async def run_all(made: Any, prompts: Sequence[dict[str, Any]], validate: bool = False) -> None:
    await asyncio.gather(*[made._run_prompt(one, {"temperature": 1.0}, {"validate": validate}) for one in prompts])


async def some(*samples: Queued, seconds: float = 0.0) -> list[Queued]:
    await asyncio.sleep(seconds)
    return list(samples)


async def test_what_is_queued_is_what_verl_would_queue_but_for_what_nobody_reads(queue: Queue) -> None:
    (ours,) = queued([output(0.5)], ROW)
    await worker()._agent_loop_postprocess([output(0.5)], False, **ROW)
    assert queue.puts == [[ours.key]]
    assert queue.tags == [[ours.tag]]
    row = queue.fields[0][0]
    assert set(row.keys()) - UNREAD == set(ours.fields)
    for name, value in ours.fields.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(row[name], value), name
            assert row[name].dtype == value.dtype, name


@pytest.mark.parametrize("lengths", [(3, 3, 3), (3, 5, 1), (2,)], ids=str)
def test_columns_are_verls_to_the_queue(lengths: Sequence[int]) -> None:
    rows = [dict(one.fields) for n in lengths for one in queued([output(0.5, 2 * n, n)], ROW)]
    ours, theirs = columns(rows), list_of_dict_to_tensordict(rows)
    assert extract_field_schema(ours) == extract_field_schema(theirs)
    for name in rows[0]:
        mine, other = ours[name], theirs[name]
        if isinstance(mine, torch.Tensor):
            pairs = zip(mine.unbind(), other.unbind(), strict=True)
            assert all(torch.equal(one, two) for one, two in pairs), name
        else:
            assert list(mine) == list(other), name


def test_each_decision_of_a_rollout_keeps_its_own_reward() -> None:
    found = queued([output(0.0), output(1.0)], ROW)
    assert [one.key for one in found] == ["u1_3_0", "u1_3_1"]
    assert [float(one.fields["rm_scores"].sum()) for one in found] == [0.0, 1.0]


async def test_what_ends_at_different_times_is_put_once_when_nothing_runs(queue: Queue) -> None:
    async def run(sampling: dict[str, Any], **row: Any) -> list[AgentLoopOutput]:
        assert (row["row"], row["validate"]) == ("long", False)
        await asyncio.sleep(0.02 * int(row["uid"][1]))
        return [output(0.5)] * (row["session_id"] + 1)

    await run_all(worker(run), [prompt("u0"), prompt("u1"), prompt("u2", __rollout_n__=1)])
    (put,) = queue.puts
    assert sorted(put) == ["u0_0_0", "u0_1_0", "u0_1_1", "u1_0_0", "u1_1_0", "u1_1_1", "u2_0_0"]
    assert queue.status == {"u0": ["finished"], "u1": ["finished"], "u2": ["finished"]}
    assert queue.partitions == {"train"}
    assert set(queue.fields[0].keys()).isdisjoint({"row", "index"})


async def test_validation_rolls_out_as_often_as_it_says_and_apart(queue: Queue) -> None:
    async def run(sampling: dict[str, Any], **row: Any) -> list[AgentLoopOutput]:
        assert row["validate"] and sampling["temperature"] == 1.0
        return [output(0.5)]

    await run_all(worker(run), [prompt("u0", __do_sample__=False)], validate=True)
    assert (queue.puts, queue.partitions) == ([["u0_0_0"]], {"val"})


async def test_a_prompt_that_is_not_to_be_sampled_is_greedy(queue: Queue) -> None:
    async def run(sampling: dict[str, Any], **row: Any) -> list[AgentLoopOutput]:
        assert sampling["temperature"] == 0
        return [output(0.5)]

    await run_all(worker(run), [prompt("u0", __do_sample__=False)])
    assert queue.status == {"u0": ["finished"]}


async def test_much_is_put_while_others_run(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    outbox, last = Outbox("train"), asyncio.Event()

    async def late() -> list[Queued]:
        await last.wait()
        return queued([output(0.1)], {**ROW, "uid": "late"})

    running = asyncio.create_task(outbox.settle("late", late()))
    await asyncio.sleep(0)
    await outbox.settle("u1", some(*queued([output(0.1), output(0.2)], ROW)))
    assert queue.puts == [["u1_3_0", "u1_3_1"]]
    last.set()
    await running
    assert queue.puts[1:] == [["late_3_0"]]


async def test_a_rollout_that_raises_fails_its_prompt_alone_when_its_siblings_have_ended(queue: Queue) -> None:
    ended: list[str] = []

    async def run(sampling: dict[str, Any], **row: Any) -> list[AgentLoopOutput]:
        if (row["uid"], row["session_id"]) == ("u0", 0):
            raise RuntimeError("a defect")
        await asyncio.sleep(0.01)
        ended.append(row["uid"])
        return [output(0.5)]

    await run_all(worker(run), [prompt("u0"), prompt("u1")])
    assert sorted(ended) == ["u0", "u1", "u1"]
    assert queue.status == {"u0": ["failure"], "u1": ["finished"]}
    assert [sorted(put) for put in queue.puts] == [["u1_0_0", "u1_1_0"]]


async def test_a_put_that_fails_fails_the_prompts_that_went_with_it_and_no_other(queue: Queue) -> None:
    queue.fails = [ConnectionError("the queue is gone")]
    outbox = Outbox("train")
    await asyncio.gather(*[outbox.settle(f"u{n}", some(*queued([output(0.1)], ROW), seconds=0.01)) for n in range(3)])
    assert queue.status == {"u0": ["failure"], "u1": ["failure"], "u2": ["failure"]}
    await outbox.settle("u3", some(*queued([output(0.1)], ROW)))
    assert queue.status["u3"] == ["finished"]
    assert queue.puts == [["u1_3_0"]]


async def test_a_group_of_which_nobody_was_asked_puts_nothing_and_has_ended(queue: Queue) -> None:
    async def run(sampling: dict[str, Any], **row: Any) -> list[AgentLoopOutput]:
        return []

    await run_all(worker(run), [prompt("u0")])
    assert (queue.puts, queue.status) == ([], {"u0": ["finished"]})


async def test_what_is_told_of_a_prompt_first_arrives_first(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    put, slow = queue.async_kv_batch_put, iter([0.05, 0.0])

    async def delayed(**given: Any) -> None:
        await asyncio.sleep(next(slow))
        await put(**given)

    monkeypatch.setattr(queue, "async_kv_batch_put", delayed)
    outbox = Outbox("train")
    running = asyncio.create_task(outbox.mark({"u1": "running"}))
    await asyncio.sleep(0)
    await outbox.settle("u1", some())
    await running
    assert queue.status == {"u1": ["running", "finished"]}


async def test_an_end_is_told_when_all_is_in_the_queue(queue: Queue) -> None:
    made, gate = worker(), asyncio.Event()

    async def late() -> list[Queued]:
        await gate.wait()
        return queued([output(0.1)], ROW)

    task = asyncio.create_task(made._outboxes[False].settle("u1", late()))
    made.background_tasks = {task}
    task.add_done_callback(made.background_tasks.discard)
    told = asyncio.create_task(made.settled())
    await asyncio.sleep(0.01)
    assert not told.done()
    gate.set()
    await told
    assert queue.status == {"u1": ["finished"]}
    await made.settled()
