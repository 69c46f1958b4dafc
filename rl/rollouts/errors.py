"""What goes wrong in a rollout and is no policy's fault."""

from __future__ import annotations

from memory_r1.memory.errors import MemoryR1Error


class RolloutLostError(MemoryR1Error):
    """A model or a store failed a rollout at every attempt. There is no reward: mask the rollout and count it.

    `details`: `row`, `attempts`, and as `cause` the name of the last error's class. Its message is quoted.
    """

    @classmethod
    def of(cls, row: str, attempts: int, error: Exception) -> RolloutLostError:
        """The error for row `row`, which `error` ended at the last of `attempts`."""
        name = type(error).__name__
        return cls(
            f"the rollout of row {row!r} failed at all of {attempts} attempts, last by {name}: {error}",
            row=row, attempts=attempts, cause=name,
        )  # fmt: skip
