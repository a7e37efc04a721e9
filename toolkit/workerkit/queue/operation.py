"""An operation on its way into a transaction, and back to who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import msgspec

from workerkit.queue.batch import Batch


class Lane(IntEnum):
    """Who goes first."""

    NOW = 0
    HOUSEKEEPING = 1


class Operation(msgspec.Struct, eq=False):
    """What `run` does in a batch. `size` is about how many bytes it brings.

    The result of an `early` one comes before the commit. Nobody waits for that of a `patient` one alone.
    """

    run: Callable[[Batch], Any]
    future: asyncio.Future[Any]
    size: int
    early: bool
    patient: bool
    result: Any = None

    def resolve(self) -> None:
        """It is done."""
        if not self.future.done():
            self.future.set_result(self.result)

    def reject(self, error: Exception) -> None:
        """It is not."""
        reject(self.future, error)


class Open(msgspec.Struct, frozen=True):
    """A batch that waits for more operations. Who got jobs from it has them already."""

    batch: Batch
    ran: list[Operation]
    size: int
    timer: asyncio.TimerHandle


def reject(future: asyncio.Future[Any], error: Exception) -> None:
    """Fail a promise. An error that nobody asked for is not worth a log line."""
    if not future.done():
        future.set_exception(error)
        future.exception()
