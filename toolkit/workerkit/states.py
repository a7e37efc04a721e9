"""Where a job may be in its life, and the moves that it may make."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class Status(str, Enum):
    """Where a job is in its life."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    # A member is its string. An enumeration's own methods are Python, and a job's path is full of look-ups.
    __hash__ = str.__hash__
    __str__ = str.__str__

    @property
    def ended(self) -> bool:
        """Whether the job is over (a FAILED or TIMED_OUT one may still be retried)."""
        return self not in (Status.IN_QUEUE, Status.IN_PROGRESS)


#: Every move a job may make. `finish`, `claim`, `release` and `retry` make no other.
MOVES: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.IN_QUEUE: frozenset({Status.IN_PROGRESS, Status.CANCELLED, Status.TIMED_OUT}),
        Status.IN_PROGRESS: frozenset(
            {Status.IN_QUEUE, Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT}
        ),
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset({Status.IN_QUEUE}),
        Status.CANCELLED: frozenset(),
        Status.TIMED_OUT: frozenset({Status.IN_QUEUE}),
    }
)
