"""What ends a training run on purpose. Picklable: Ray ships them from the trainer's process to the command's."""

from __future__ import annotations

from memory_r1.memory.errors import MemoryR1Error


class TrainingError(MemoryR1Error):
    """The run can't go on. The newest checkpoint stands; the same command resumes from it."""


class RolloutsLostError(TrainingError):
    """More rollouts of one step failed for good than the run may lose; the step's weights were not updated."""
