"""The driver behind one door: managed transactions, bounded waits, and errors that say what to do.

The only module that imports `neo4j`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, LiteralString, Protocol, TypeVar, cast

from memory_r1.memory.errors import (
    ConflictError,
    InputError,
    MemoryR1Error,
    MissingExtraError,
    StoreError,
    StoreUnavailableError,
)

try:
    import neo4j
    from neo4j import exceptions as wrong
except ModuleNotFoundError as error:
    raise MissingExtraError.of("neo4j", "neo4j") from error

logger = logging.getLogger(__name__)

T = TypeVar("T")
Rows = list[list[Any]]
"""The records of one statement, by column."""

PAGE = 2_000
"""Nodes that one page of a bank holds."""

OLDEST = (5, 26)
"""The oldest server whose Cypher the queries need."""

_FAILURES = (wrong.Neo4jError, wrong.DriverError, OSError, TimeoutError, UnicodeEncodeError, OverflowError)
_AWAY = (
    wrong.ServiceUnavailable, wrong.SessionExpired, wrong.ConnectionPoolError, wrong.TransientError,
    wrong.DatabaseError, OSError,
)  # fmt: skip
_TRIES = 4
_LOOK = 2.0
"""Seconds in which a server that took too long for a call must accept a connection, or it counts as away."""
_AT_ONCE = 8
"""Calls that a connection puts to the server at once. A hundred at a server that has just started would all plan the
same statement before the first plan is cached, for tens of seconds."""


class Run(Protocol):
    """Runs one statement in the transaction at hand and returns its rows."""

    async def __call__(self, query: str, /, **parameters: object) -> Rows:
        """The rows of `query`. `parameters` are sent apart from it, never spliced into it."""
        ...


async def listed(run: Run, query: str, /, **parameters: object) -> list[Any]:
    """The list that `query` returns as its one record; [] without a record."""
    rows = await run(query, **parameters)
    return rows[0][0] if rows else []


async def paged(run: Run, query: str, numbers: range, /, size: int = PAGE, **parameters: object) -> list[Any]:
    """The lists that `query` returns for `numbers`, `size` at a time, so that the server never holds a large bank."""
    found: list[Any] = []
    for first in range(numbers.start, numbers.stop, size):
        found += await listed(run, query, first=first, next=min(first + size, numbers.stop), **parameters)
    return found


class Connection:
    """One database on one server. Make it by `open`; serves any number of tasks of the event loop that opened it."""

    def __init__(self, driver: neo4j.AsyncDriver, uri: str, database: str, patience: float) -> None:
        self._driver = driver
        self._uri = uri
        self._database = database
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self.version = (0, 0)

    @classmethod
    async def open(cls, uri: str, auth: tuple[str, str], database: str, patience: float) -> Connection:
        """Connect and read the server's version. `patience`: seconds after which a call gives up on the server; the
        wait for other calls of this connection doesn't count.

        Raises InputError (address, user, password, database or server version) and StoreUnavailableError.
        """
        try:
            driver = neo4j.AsyncGraphDatabase.driver(  # pyright: ignore[reportUnknownMemberType]
                uri, auth=auth, connection_timeout=min(5.0, patience), connection_acquisition_timeout=patience,
                max_transaction_retry_time=patience, notifications_min_severity="OFF",
            )  # fmt: skip
        except (wrong.DriverError, ValueError) as error:
            raise InputError(f"{uri!r} is no Neo4j address ({error}): write bolt://HOST:7687") from error
        self = cls(driver, uri, database, patience)
        try:
            found = await self.run("CALL dbms.components() YIELD versions RETURN versions[0]")
            self.version = _version(str(found[0][0]))
        except BaseException:
            await driver.close()
            raise
        return self

    async def run(self, query: str, **parameters: object) -> Rows:
        """Run one statement in a transaction of its own, without a retry: for schema and server commands."""

        async def once() -> Rows:
            async with self._session() as session:
                result = await session.run(cast("LiteralString", query), parameters)
                return await result.values()

        return await self._bounded(once)

    async def read(self, work: Callable[[Run], Awaitable[T]]) -> T:
        """What `work` reads in one transaction; tried again while the server is away and time is left."""
        return await self._bounded(lambda: self._managed(lambda session: session.execute_read(self._unit(work))))

    async def write(self, work: Callable[[Run], Awaitable[T]]) -> T:
        """Commit what `work` does in one transaction.

        `work` runs again when the server was away or died in the commit, which may then have happened or not:
        it must look first whether it is done.
        """
        return await self._bounded(lambda: self._managed(lambda session: session.execute_write(self._unit(work))))

    async def close(self) -> None:
        """Close all connections. A second call does nothing."""
        await self._driver.close()

    async def _managed(self, execute: Callable[[neo4j.AsyncSession], Awaitable[T]]) -> T:
        """Execute once more where the driver itself doesn't: after a commit whose answer got lost."""
        for left in reversed(range(_TRIES)):
            try:
                async with self._session() as session:
                    return await execute(session)
            except wrong.IncompleteCommit:
                if not left:
                    raise
                logger.warning("the server went away during a commit; looking whether it happened")
        raise AssertionError("unreachable")

    def _session(self) -> neo4j.AsyncSession:
        return self._driver.session(database=self._database)  # pyright: ignore[reportUnknownMemberType]

    def _unit(self, work: Callable[[Run], Awaitable[T]]) -> Callable[[neo4j.AsyncManagedTransaction], Awaitable[T]]:
        @neo4j.unit_of_work(timeout=self._patience)
        async def unit(transaction: neo4j.AsyncManagedTransaction) -> T:
            async def run(query: str, /, **parameters: object) -> Rows:
                result = await transaction.run(cast("LiteralString", query), parameters)
                return await result.values()

            return await work(run)

        return unit

    async def _bounded(self, once: Callable[[], Awaitable[T]]) -> T:
        if asyncio.get_running_loop() is not self._loop:
            raise InputError("this Neo4j store was opened in another event loop: open it in the one that uses it")
        try:
            async with self._turn:
                return await asyncio.wait_for(once(), self._patience)
        except MemoryR1Error:
            raise
        except TimeoutError as error:
            raise self._translated(await self._away() or error) from error
        except _FAILURES as error:
            raise self._translated(error) from error

    async def _away(self) -> Exception | None:
        """Why the server can't be reached now; None if it can be, or says nothing."""
        try:
            await asyncio.wait_for(self._driver.verify_connectivity(), _LOOK)  # pyright: ignore[reportUnknownMemberType]
        except TimeoutError:
            return None
        except _FAILURES as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, TimeoutError):
                cause = cause.__cause__
            return None if cause else error
        return None

    def _translated(self, error: Exception) -> MemoryR1Error:
        where = f"Neo4j at {self._uri!r}"
        code = str(getattr(error, "code", None) or "")
        if isinstance(error, TimeoutError) or "TransactionTimedOut" in code:
            return StoreUnavailableError(
                f"{where} did not answer within {self._patience:g} s: look whether it is busy or stuck, then repeat; "
                f"a write with its old key is applied once only"
            )
        if isinstance(error, wrong.AuthError):
            return InputError(f"{where} refused the user or the password ({code}): correct them and try again")
        if isinstance(error, UnicodeEncodeError | OverflowError) or "too large to index" in str(error):
            return InputError(f"Neo4j can't keep a value of this write: {_first(error)}")
        if isinstance(error, _AWAY):
            return StoreUnavailableError(f"{where} is not available ({_first(error)}): start it, then repeat")
        if code == "Neo.ClientError.Database.DatabaseNotFound":
            return InputError(f"{where} has no database {self._database!r}: Community Edition has only 'neo4j'")
        if isinstance(error, wrong.ConstraintError):
            return ConflictError(f"{where} holds this already, from another writer: read it again ({_first(error)})")
        return StoreError(f"{where} refused: {code} {_first(error)}")


def _version(text: str) -> tuple[int, int]:
    """(5, 26) for "5.26.30", (2026, 8) for "2026.08.1". Raises InputError for a server that is too old."""
    major, minor = ([int(part) for part in re.findall(r"\d+", text)] + [0, 0])[:2]
    if (major, minor) < OLDEST:
        raise InputError(f"Neo4j {text} is too old: the store needs {OLDEST[0]}.{OLDEST[1]} or newer")
    return major, minor


def _first(error: Exception) -> str:
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    return str(message).splitlines()[0][:300]
