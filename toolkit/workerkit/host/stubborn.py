"""Writes that must not be lost: repeated while the queue cannot take them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from workerkit.errors import QueueError

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Seconds between two tries: first, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


async def stubbornly(what: str, step: Callable[[], Awaitable[T]]) -> T:
    """What `step` returns, as soon as the queue lets it. `what` names it in the log."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await step()
        except QueueError as error:
            log.error("%s is not stored yet, trying again in %.1f s: %s", what, pause, error)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
