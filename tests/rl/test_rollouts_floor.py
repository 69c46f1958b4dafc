"""Rollouts compute one after another, and none waits for what can't come."""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from random import Random

import pytest
from rollout_fakes import Policy, environment, moody, noop, right

from memory_r1.graphs.completers import Message
from memory_r1.rl.rollouts.floor import Floor, leave
from memory_r1.rl.rollouts.recent import Once
from memory_r1.rl.rollouts.session import Session
from memory_r1.rl.training.world_rows import world_answerer_rows, world_manager_rows, world_session_rows

FOREVER = 1e6


class Journal:
    """Rollouts that compute in several pieces, call a model, and compute again; what they did in which order."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.did: list[str] = []
        self.replies = asyncio.Event()

    async def compute(self, what: str) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.did.append(what)

    async def model(self) -> None:
        leave()
        await self.replies.wait()
        await self.floor.take()

    async def run(self, name: str) -> None:
        with self.floor.seat():
            await self.floor.take()
            await self.compute(f"{name} asks")
            await self.model()
            await self.compute(f"{name} heard")
            await self.compute(f"{name} ends")


async def test_each_gets_to_its_model_before_the_next_begins() -> None:
    journal = Journal(Floor(FOREVER))
    tasks = [asyncio.create_task(journal.run(name)) for name in "abc"]
    while len(journal.did) < 3:
        await asyncio.sleep(0)
    assert journal.did == ["a asks", "b asks", "c asks"]
    journal.replies.set()
    await asyncio.gather(*tasks)
    assert journal.did[3:] == ["a heard", "a ends", "b heard", "b ends", "c heard", "c ends"]


async def test_a_turn_of_one_that_waits_for_something_else_ends() -> None:
    floor, gate = Floor(0.01), asyncio.Event()

    async def stuck() -> None:
        with floor.seat():
            await floor.take()
            await gate.wait()

    task = asyncio.create_task(stuck())
    await asyncio.sleep(0)
    with floor.seat():
        async with asyncio.timeout(5):
            await floor.take()
    assert not task.done()
    gate.set()
    await task


@pytest.mark.parametrize("ends", ["cancelled", "raises"])
async def test_one_that_goes_away_keeps_nobody_waiting(ends: str) -> None:
    floor, gate = Floor(FOREVER), asyncio.Event()

    async def holds() -> None:
        with floor.seat():
            await floor.take()
            await gate.wait()
            raise ValueError("over")

    first = asyncio.create_task(holds())
    await asyncio.sleep(0)
    second = asyncio.create_task(holds())
    await asyncio.sleep(0)
    second.cancel()
    if ends == "cancelled":
        first.cancel()
    gate.set()
    await asyncio.gather(first, second, return_exceptions=True)
    with floor.seat():
        async with asyncio.timeout(5):
            await floor.take()


async def test_who_waits_for_what_another_makes_gives_up_the_floor() -> None:
    floor, once = Floor(FOREVER), Once[str, str](4)

    async def make() -> str:
        leave()
        await asyncio.sleep(0.01)
        await floor.take()
        return "made"

    async def run() -> str:
        with floor.seat():
            await floor.take()
            return await once.get("key", make)

    async with asyncio.timeout(5):
        assert await asyncio.gather(*[run() for _ in range(3)]) == ["made"] * 3
    assert once.made == 1


async def test_without_a_seat_nobody_waits() -> None:
    floor = Floor(FOREVER)
    with floor.seat():
        await floor.take()
        outside = asyncio.create_task(floor.take(), context=Context())
        async with asyncio.timeout(5):
            await outside


async def test_parts_of_a_rollout_take_turns_too_and_the_first_goes_on_with_its_turn() -> None:
    floor, did = Floor(FOREVER), list[str]()

    async def part(name: str) -> None:
        with floor.seat():
            await floor.take()
            for _ in range(3):
                await asyncio.sleep(0)
                did.append(name)

    async def whole(names: str) -> None:
        with floor.seat():
            await floor.take()
            await asyncio.gather(*map(part, names))

    async with asyncio.timeout(5):
        await asyncio.gather(whole("ab"), whole("cd"))
    assert "".join(did) == "aaacccbbbddd"


async def test_the_first_rows_policy_is_asked_before_other_rows_are_looked_at() -> None:
    made, banks = environment(), list[int]()
    made._player.floor = Floor(FOREVER)

    def reply(messages: Sequence[Message]) -> str:
        banks.append(made.banks)
        return noop(messages)

    await asyncio.gather(*[made.manage(row, Policy(reply, lambda: 0)) for row in world_manager_rows(0, "train", 12)])
    assert banks == list(range(1, 13))


@pytest.mark.parametrize("seed", range(4))
async def test_no_rollout_waits_for_a_turn_that_never_ends(seed: int) -> None:
    """Turns are without limit here: whoever waits has given up the floor by itself."""
    made = environment()
    made._player.floor = Floor(FOREVER)
    policies = [moody(seed), Policy(right), Policy(noop)]
    chance = Random(seed)
    managed = [row for row in world_manager_rows(seed, "train", 6) for _ in range(4)]
    answered = [row for row in world_answerer_rows(seed, "train", 4) for _ in range(3)]
    runs = [made.manage(row, chance.choice(policies)) for row in managed]
    runs += [made.answer(row, chance.choice(policies)) for row in answered]
    for row in world_session_rows(seed, "train", 2, turns=3):
        runs += [made.session(row, policies[0], Session(3)), made.session(row, policies[0], Session(2, "broadcast"))]
    chance.shuffle(runs)
    async with asyncio.timeout(60):
        episodes = await asyncio.gather(*runs)
    assert all(episode.decisions for episode in episodes)
