"""A store's calls, watched: a span and seconds for each call of the contract that the agent makes."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import iscoroutinefunction
from time import perf_counter
from typing import Any, Self, cast

from memory_r1.graphs.telemetry.telemetry import Telemetry
from memory_r1.memory.store import Before, Store
from memory_r1.memory.types import Bank, Receipt, Revision

CALLS = frozenset(
    name for name, member in vars(Store).items() if iscoroutinefunction(member) and not name.startswith("_")
)
"""The methods of the contract, primitive and derived ones alike."""


def watch_store(store: Store, telemetry: Telemetry) -> Store:
    """`store` with its calls watched. Whatever else it has (`fork`, say) is there as before."""
    return cast(Store, WatchedStore(store, telemetry))


@Store.register
class WatchedStore:
    """The store `inner`. A call of the contract is the inner store's own, whichever methods it overrides."""

    def __init__(self, inner: Store, telemetry: Telemetry) -> None:
        self.inner = inner
        self._telemetry = telemetry
        self._system = type(inner).__name__.removesuffix("Store").lower()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.inner.close()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in CALLS:
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._watched(name, found, args, kwargs)

        self.__dict__[name] = call
        return call

    async def _watched(self, name: str, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        labels = {"db.system.name": self._system, "db.operation.name": name}
        bank: object = args[0] if args else kwargs.get("bank")
        named = {"memory_r1.bank": bank} if isinstance(bank, str) else {}
        began = perf_counter()
        wrong: dict[str, str] = {}
        try:
            with self._telemetry.span(f"{name} {self._system}", {**labels, **named}, client=True) as span:
                found = await method(*args, **kwargs)
                span.set_attributes(told(found))
                return found
        except BaseException as error:
            wrong = {"error.type": type(error).__name__}
            raise
        finally:
            self._telemetry.count("db.client.operation.duration", perf_counter() - began, {**labels, **wrong})


def told(found: Any) -> dict[str, int | bool]:
    """What may be said of what a store returned: the revision, whether it was a repeat, how many rows."""
    if isinstance(found, Receipt):
        repeated = {"memory_r1.repeated": True} if found.repeated else {}
        return {"memory_r1.revision": found.revision.number, **repeated}
    if isinstance(found, Revision):
        return {"memory_r1.revision": found.number}
    if isinstance(found, Bank):
        return {"memory_r1.revision": found.revision}
    if isinstance(found, Before):
        return {"memory_r1.revision": found.bank.revision, "db.response.returned_rows": len(found.recent)}
    if isinstance(found, tuple) and found and isinstance(found[0], Bank):
        bank, rows = cast("tuple[Bank, Sequence[Sequence[object]]]", found)
        return {"memory_r1.revision": bank.revision, "db.response.returned_rows": sum(map(len, rows))}
    return {"db.response.returned_rows": len(cast("list[object]", found))} if isinstance(found, list) else {}
