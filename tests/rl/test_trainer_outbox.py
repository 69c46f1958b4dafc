"""Samples on their way into verl's queue: what verl itself would queue, many of them in one put."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tests import verl_imports  # noqa: F401  isort: skip - first of all that imports verl

import torch
from verl.experimental.agent_loop.agent_loop import AgentLoopOutput
from verl.trainer.ppo.v1 import agent_loop_tq

from memory_r1.rl.trainer import workers
from memory_r1.rl.trainer.workers import LoopWorker, Outbox, queued

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
    """verl's queue, as far as putting goes."""

    def __init__(self) -> None:
        self.puts: list[dict[str, Any]] = []

    async def async_kv_batch_put(self, **put: Any) -> None:
        await asyncio.sleep(0)
        self.puts.append(put)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    made = Queue()
    monkeypatch.setattr(workers, "tq", made)
    monkeypatch.setattr(agent_loop_tq, "tq", made)
    return made


def worker(loop: Any) -> Any:
    """A worker without Ray, a config or servers, whose loop is `loop`."""
    made = object.__new__(LoopWorker)
    made.distillation_enabled, made.processor, made.reward_loop_worker_handles = False, None, []
    made._loops, made._outboxes = {"manager": loop}, {"train": Outbox("train"), "val": Outbox("val")}
    return made


async def test_what_is_queued_is_what_verl_would_queue(queue: Queue) -> None:
    (ours,) = queued([output(0.5)], ROW)
    await worker(None)._agent_loop_postprocess([output(0.5)], False, **ROW)
    (theirs,) = queue.puts
    assert theirs["keys"] == [ours.key]
    assert theirs["tags"] == [ours.tag]
    row = theirs["fields"][0]
    assert set(row.keys()) == set(ours.fields)
    for name, value in ours.fields.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(row[name], value), name
            assert row[name].dtype == value.dtype, name


def test_each_decision_of_a_rollout_keeps_its_own_reward() -> None:
    found = queued([output(0.0), output(1.0)], ROW)
    assert [one.key for one in found] == ["u1_3_0", "u1_3_1"]
    assert [float(one.fields["rm_scores"].sum()) for one in found] == [0.0, 1.0]


async def test_what_ends_together_is_put_together_and_without_what_nobody_reads(queue: Queue) -> None:
    async def run(sampling: dict[str, Any], **row: Any) -> list[AgentLoopOutput]:
        assert row["row"] == "long"
        return [output(0.5)] * (row["session_id"] + 1)

    made = worker(SimpleNamespace(run=run))
    rows = [{**ROW, "session_id": number, "row": "long", "agent_name": "manager"} for number in range(3)]
    await asyncio.gather(*[made._run_agent_loop({}, {"validate": True}, **row) for row in rows])
    (put,) = queue.puts
    assert sorted(put["keys"]) == ["u1_0_0", "u1_1_0", "u1_1_1", "u1_2_0", "u1_2_1", "u1_2_2"]
    assert put["partition_id"] == "val"
    assert set(put["fields"].keys()).isdisjoint({"row", "index"})


async def test_what_ends_during_a_put_goes_with_the_next(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = asyncio.Event()
    under_way: list[int] = []

    async def slow(**put: Any) -> None:
        under_way.append(len(put["keys"]))
        await gate.wait()
        queue.puts.append(put)

    monkeypatch.setattr(queue, "async_kv_batch_put", slow)
    outbox = Outbox("train")
    first = asyncio.create_task(outbox.put(queued([output(0.1)], ROW)))
    while not under_way:
        await asyncio.sleep(0.001)
    rest = [asyncio.create_task(outbox.put(queued([output(0.2)], {**ROW, "uid": f"u{n}"}))) for n in range(5)]
    await asyncio.sleep(0.02)
    assert under_way == [1] and not any(task.done() for task in (first, *rest))
    gate.set()
    await asyncio.gather(first, *rest)
    assert under_way == [1, 5]
    assert [key for put in queue.puts for key in put["keys"]] == ["u1_3_0", *(f"u{n}_3_0" for n in range(5))]


async def test_a_put_that_fails_fails_all_that_went_with_it_and_no_other(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [ConnectionError("the queue is gone")]

    async def fails(**put: Any) -> None:
        if failures:
            raise failures.pop()
        queue.puts.append(put)

    monkeypatch.setattr(queue, "async_kv_batch_put", fails)
    outbox = Outbox("train")
    samples = [queued([output(0.1)], {**ROW, "uid": f"u{n}"}) for n in range(3)]
    found = await asyncio.gather(*map(outbox.put, samples), return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionError] * 3
    await outbox.put(samples[0])
    assert [put["keys"] for put in queue.puts] == [["u0_3_0"]]


async def test_a_group_of_which_nobody_was_asked_puts_nothing(queue: Queue) -> None:
    async def run(sampling: dict[str, Any], **row: Any) -> list[AgentLoopOutput]:
        return []

    await worker(SimpleNamespace(run=run))._run_agent_loop({}, {"validate": False}, agent_name="manager", **ROW)
    assert queue.puts == []
