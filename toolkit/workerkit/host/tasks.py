"""Tasks that nobody awaits: what they raise is said at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


def background(
    work: Coroutine[Any, Any, Any], what: str, among: set[asyncio.Task[Any]] | None = None
) -> asyncio.Task[Any]:
    """Begin `work` as a task of its own, which is `among` others until it is over.

    When it raises, the log names `what` has failed.
    """

    def done(task: asyncio.Task[Any]) -> None:
        if among is not None:
            among.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("%s has failed", what, exc_info=error)

    task = asyncio.get_running_loop().create_task(work)
    if among is not None:
        among.add(task)
    task.add_done_callback(done)
    return task
