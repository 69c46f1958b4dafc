"""What environments are made of: shared clocks, caches, kept vectors."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.rl.rollouts.clocks import Clocks, Ledger, Shared
from memory_r1.rl.rollouts.recent import Once, Recent
from memory_r1.rl.rollouts.types import Seconds
from memory_r1.rl.rollouts.vectors import KeptVectors


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30)), min_size=1, max_size=8))
def test_shares_add_up_to_the_time_in_which_anybody_ran(spans: list[tuple[int, int]]) -> None:
    now = SimpleNamespace(time=0)
    shared, entered, shares = Shared(lambda: float(now.time)), {}, []
    for at in range(81):
        now.time = at
        for number, (start, length) in enumerate(spans):
            if at == start:
                entered[number] = shared.enter()
            if at == start + length:
                shares.append(shared.leave(entered.pop(number)))
    busy = sum(any(start <= at < start + length for start, length in spans) for at in range(81))
    assert sum(shares) == pytest.approx(busy)
    assert all(share > 0 for share in shares)


class Time:
    """Clocks that stand until they are moved. `works`: processor and wall; `waits`: the wall alone."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self.clocks = Clocks(lambda: self.wall, lambda: self.cpu)

    def works(self, seconds: float) -> None:
        self.wall += seconds
        self.cpu += seconds

    def waits(self, seconds: float) -> None:
        self.wall += seconds


async def test_the_environment_is_charged_for_its_own_work_and_not_for_the_models() -> None:
    time, ledger = Time(), Ledger()

    async def model() -> str:
        time.works(3)
        await asyncio.sleep(0)
        time.waits(50)
        time.works(4)
        return "done"

    with time.clocks.rollout(ledger):
        time.works(1)
        assert await time.clocks.call("generation", ledger, model()) == "done"
        time.works(1)
        time.waits(20)
    time.works(1_000)
    assert ledger.seconds() == Seconds(generation=57, answering=0, environment=2)


async def test_calls_and_rollouts_at_once_share_their_time() -> None:
    time, ledgers = Time(), [Ledger() for _ in range(4)]
    gate = asyncio.Event()

    async def one(ledger: Ledger) -> None:
        with time.clocks.rollout(ledger):
            await time.clocks.call("answering", ledger, gate.wait())

    tasks = [asyncio.create_task(one(ledger)) for ledger in ledgers]
    await asyncio.sleep(0)
    time.waits(12)
    time.works(8)
    gate.set()
    await asyncio.gather(*tasks)
    assert [ledger.seconds() for ledger in ledgers] == [Seconds(0, 5, 2)] * 4


async def test_a_call_passes_on_errors_and_cancellations_and_still_counts() -> None:
    clocks, ledger, heard = Clocks(), Ledger(), list[str]()

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    task = asyncio.create_task(clocks.call("generation", ledger, waits()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard == ["cancelled"]
    with pytest.raises(ValueError, match="no"):
        await clocks.call("generation", ledger, fails())
    assert await clocks.call("generation", ledger, asyncio.sleep(0, "fine")) == "fine"


def test_recent_keeps_what_was_used_last() -> None:
    kept: Recent[str, int] = Recent(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert (kept.get("b"), kept.get("a"), kept.get("c"), len(kept)) == (None, 1, 3, 2)


async def test_once_makes_a_value_once_for_all_who_ask_meanwhile() -> None:
    once: Once[str, int] = Once(10)

    async def make() -> int:
        await asyncio.sleep(0)
        return 7

    assert await asyncio.gather(*(once.get("a", make) for _ in range(5))) == [7] * 5
    assert once.made == 1


async def test_once_keeps_no_error_and_tells_all_who_wait() -> None:
    once: Once[str, int] = Once(10)

    async def fails() -> int:
        await asyncio.sleep(0)
        raise ConnectionError("gone")

    found = await asyncio.gather(*(once.get("a", fails) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in found] == ["gone"] * 3
    assert await once.get("a", lambda: asyncio.sleep(0, 5)) == 5


async def test_once_is_made_by_another_when_its_maker_is_cancelled() -> None:
    once: Once[str, int] = Once(10)
    first = asyncio.create_task(once.get("a", lambda: asyncio.sleep(60, 1)))
    await asyncio.sleep(0)
    second = asyncio.create_task(once.get("a", lambda: asyncio.sleep(0, 2)))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 2
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_who_waits_can_leave_without_harm() -> None:
    once: Once[str, int] = Once(10)
    first = asyncio.create_task(once.get("a", lambda: asyncio.sleep(0.01, 1)))
    await asyncio.sleep(0)
    second = asyncio.create_task(once.get("a", lambda: asyncio.sleep(0, 2)))
    await asyncio.sleep(0)
    second.cancel()
    assert await first == 1
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_kept_vectors_are_the_embedders_and_asked_for_once() -> None:
    class Asked(HashedEmbedder):
        calls: list[list[str]] = []  # noqa: RUF012

        async def embed(self, texts, *, query=False):
            self.calls.append(list(texts))
            return await super().embed(texts, query=query)

    inner = Asked(64)
    kept = KeptVectors(inner, size=3)
    assert (kept.name, kept.dim) == (inner.name, 64)
    texts = ["a cat", "a dog", "a cat", "", "two cats"]
    expected = inner.vectors(texts)
    assert np.array_equal(await kept.embed(texts), expected)
    assert np.array_equal(await kept.embed(texts[2:]), expected[2:])
    assert inner.calls == [["a cat", "a dog", "", "two cats"], ["a cat"]], "three are kept"
    assert (await kept.embed([])).shape == (0, 64)
