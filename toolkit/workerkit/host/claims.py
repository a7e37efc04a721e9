"""Claims of one function's jobs, one after the other, as long as there is a use for jobs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from workerkit.errors import QueueError
from workerkit.queue import Claim, Feed

log = logging.getLogger(__name__)

#: Seconds that one claim waits for a job, and that the next waits after the queue refused one.
CLAIM_WAIT, REFUSED_PAUSE = 60.0, 1.0


class Claims:
    """Asks for as many jobs as are `wanted`, and says what was `received`."""

    def __init__(
        self,
        endpoint: str,
        feed: Feed,
        holder: str,
        wanted: Callable[[], int],
        received: Callable[[list[Claim]], None],
    ) -> None:
        self._endpoint = endpoint
        self._feed = feed
        self._holder = holder
        self._wanted = wanted
        self._received = received
        #: Set while jobs are claimed and given out.
        self.are_open = False
        #: A claim that is about to be made, and the one that is under way.
        self._coming: asyncio.Handle | None = None
        self._task: asyncio.Task[None] | None = None
        self._pause = 0.0

    def open(self) -> None:
        """Claim from now on."""
        self.are_open = True
        self._begin()

    async def close(self) -> None:
        """Claim nothing more. What is given in this very moment is received, or goes back."""
        self.are_open = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def go_on(self) -> None:
        """Claim if there is a use for jobs, once everything has been said that is being said now."""
        if self.are_open and self._coming is None and self._task is None and self._wanted() > 0:
            loop, pause = asyncio.get_running_loop(), self._pause
            self._coming = loop.call_later(pause, self._begin) if pause else loop.call_soon(self._begin)
            self._pause = 0.0

    def call_off(self) -> None:
        """End a claim that waits for jobs nobody can run now, or it would take what others can."""
        if self._task is not None:
            self._task.cancel()

    def refused(self) -> None:
        """What was claimed could not be stored, or begun: the next claim waits a while."""
        self._pause = REFUSED_PAUSE

    def _begin(self) -> None:
        self._coming = None
        if self.are_open and (wanted := self._wanted()) > 0:
            self._task = asyncio.get_running_loop().create_task(self._claim(wanted))
            self._task.add_done_callback(self._over)

    async def _claim(self, n: int) -> None:
        try:
            claims = await self._feed.claim(self._endpoint, n, self._holder, CLAIM_WAIT)
            self._task = None
            self._received(claims)
        except QueueError as error:
            log.error("no job can be taken from the queue, trying again: %s", error)
            self.refused()
        except Exception:  # whatever it was, a pool that takes no jobs any more looks well
            log.exception("taking jobs of %s has failed, and goes on", self._endpoint)
            self.refused()

    def _over(self, task: asyncio.Task[None]) -> None:
        """It may have been called off, before or after it began: what is wanted has changed."""
        if self._task is task:
            self._task = None
        self.go_on()
