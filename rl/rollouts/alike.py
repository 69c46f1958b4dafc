"""Plays once what the policy says alike: rollouts that met the same state and heard the same reply end the same.

Members of a group start from one state, so the graph asks the policy the same of each, and what follows depends on
nothing but its reply. The prompt of a state is taken from one run of the graph; each member has the policy reply to it
for itself; and each different reply is played through the graph once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from memory_r1.graphs.completers import Completer, Completion, Message
from memory_r1.rl.rollouts.recent import Once

T = TypeVar("T")
Said = Completion | Exception
"""What a policy replied, or failed with: the graph is to hear of either."""
Play = Callable[[Completer], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Heard(Generic[T]):
    """What came of one reply. `call`: the policy's, None where the graph asked for none."""

    played: T
    call: Completion | None


class Alike(Generic[T]):
    """The plays of one kind, of which the `size` used last are kept."""

    def __init__(self, size: int) -> None:
        self._prompts: Once[Hashable, Sequence[Message]] = Once(size)
        self._plays: Once[Hashable, T] = Once(size)

    @property
    def made(self) -> int:
        """How many were played through the graph."""
        return self._plays.made

    async def play(self, state: Hashable, policy: Completer, run: Play[T]) -> Heard[T]:
        """What `run`, which asks a completer at most once, makes of the reply of `policy` at `state`.

        `state` must name all that the run depends on but the reply. Raises what `run` raises, also to all others that
        wait for the same.
        """
        held = _Held(run)
        try:
            prompt = await self._prompts.get(state, held.asked)
            said = await _reply(policy, prompt) if prompt else None
            played = await self._plays.get((state, _key(said)), lambda: held.hears(prompt, said))
        finally:
            await held.end()
        return Heard(played, said if isinstance(said, Completion) else None)


async def _reply(policy: Completer, prompt: Sequence[Message]) -> Said:
    try:
        return await policy.complete(prompt)
    except Exception as error:  # noqa: BLE001 - the graph says what becomes of it
        return error


def _key(said: Said | None) -> Hashable:
    return (said.text, said.ended) if isinstance(said, Completion) else said


class _Held(Generic[T]):
    """A run of a graph that waits, where it asks the policy, for what it is to hear: the completer of its own run."""

    def __init__(self, run: Play[T]) -> None:
        self._run = run
        self._task: asyncio.Task[T] | None = None
        self._asked: asyncio.Future[Sequence[Message]] = asyncio.get_running_loop().create_future()
        self._heard: asyncio.Future[Said] = asyncio.get_running_loop().create_future()

    async def complete(self, messages: Sequence[Message]) -> Completion:
        """What it is to hear. Raises it, if it is an error."""
        assert not self._asked.done(), "a run that asks twice is no function of one reply"
        self._asked.set_result(messages)
        said = await self._heard
        if isinstance(said, Completion):
            return said
        raise said

    async def asked(self) -> Sequence[Message]:
        """Run to where the policy is asked: the prompt, empty where the run ended without."""
        task = self._begin()
        await asyncio.wait((task, self._asked), return_when=asyncio.FIRST_COMPLETED)
        if not self._asked.done():
            task.result()
        return self._prompt()

    async def hears(self, prompt: Sequence[Message], said: Said | None) -> T:
        """Run to the end with `said` as the reply to `prompt`; None where nothing is asked."""
        if said is not None:
            self._heard.set_result(said)
        played = await self._begin()
        assert list(self._prompt()) == list(prompt), "runs from one state asked different things"
        return played

    async def end(self) -> None:
        """Give up a run that nobody waits for."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))

    def _prompt(self) -> Sequence[Message]:
        return self._asked.result() if self._asked.done() else ()

    def _begin(self) -> asyncio.Task[T]:
        if self._task is None:
            self._task = asyncio.ensure_future(self._run(self))
        return self._task
