"""Jobs for free slots: claimed as slots become free, and a little ahead when jobs are very short."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import attrs

from workerkit.errors import QueueError
from workerkit.host.worker import Worker
from workerkit.queue.base import Blame, Claim, Feed

log = logging.getLogger(__name__)

#: Seconds that one claim waits for a job, and that the next waits after the queue refused one.
CLAIM_WAIT, REFUSED_PAUSE = 60.0, 1.0
#: A claim takes a commit. What is claimed ahead is about what the slots do meanwhile, and no more
#: than `MOST_AHEAD` jobs; what no slot has taken after `UNUSED_AFTER` seconds goes back.
AHEAD_SECONDS, MOST_AHEAD, UNUSED_AFTER = 0.005, 64, 0.05
#: The weight of the latest job in the pace.
LATEST = 0.2


@attrs.frozen(eq=False)
class Slot:
    """Room for one job in a worker."""

    worker: Worker
    number: int


class Supply:
    """Matches free slots with claimed jobs. `begin` is called for every match."""

    def __init__(self, endpoint: str, feed: Feed, holder: str, begin: Callable[[Slot, Claim], None]) -> None:
        self._endpoint = endpoint
        self._feed = feed
        self._holder = holder
        self._begin = begin
        self._free: deque[Slot] = deque()
        self._ahead: deque[Claim] = deque()
        self._room = asyncio.Event()
        self._returning: asyncio.TimerHandle | None = None
        self._returns: set[asyncio.Task[bool]] = set()
        #: Seconds that a job takes, as of late; long until something is known.
        self._pace = 1.0

    def offer(self, slot: Slot) -> None:
        """A slot is free."""
        self._free.append(slot)
        self._match()

    def took(self, seconds: float) -> None:
        """A job took this long."""
        self._pace += LATEST * (seconds - self._pace)

    async def run(self) -> None:
        """Claim for ever. Cancelling it loses nothing: what was claimed ahead goes back."""
        try:
            while True:
                await self._room.wait()
                await self._claim()
        finally:
            self._give_back()

    async def drained(self) -> None:
        """Wait until what went back is stored."""
        if self._returns:
            await asyncio.wait(self._returns)

    async def _claim(self) -> None:
        try:
            self._ahead += await self._feed.claim(self._endpoint, self._wanted(), self._holder, CLAIM_WAIT)
        except QueueError as error:
            log.error("no job can be taken from the queue, trying again: %s", error)
            await asyncio.sleep(REFUSED_PAUSE)
        self._match()

    def _wanted(self) -> int:
        """How many more jobs have a use."""
        ahead = min(int(AHEAD_SECONDS / max(self._pace, 1e-6)), MOST_AHEAD)
        return len(self._free) + ahead - len(self._ahead)

    def _match(self) -> None:
        """Give out what is here, and say whether more is wanted."""
        while self._ahead and (slot := self._next_slot()) is not None:
            self._begin(slot, self._ahead.popleft())
        if self._wanted() > 0:
            self._room.set()
        else:
            self._room.clear()
        if self._ahead and self._returning is None:
            self._returning = asyncio.get_running_loop().call_later(UNUSED_AFTER, self._unused)

    def _next_slot(self) -> Slot | None:
        """A free slot of a worker that is still there."""
        while self._free:
            slot = self._free.popleft()
            if not slot.worker.leaving:
                return slot
        return None

    def _unused(self) -> None:
        """Jobs were claimed ahead for a pace that is no longer kept; others may run them."""
        self._returning = None
        if self._ahead and not self._free:
            self._pace = max(self._pace, UNUSED_AFTER)
            self._give_back()

    def _give_back(self) -> None:
        while self._ahead:
            record = self._ahead.pop().record
            task = asyncio.ensure_future(self._feed.release(record.id, record.attempt, Blame.UNUSED))
            self._returns.add(task)
            task.add_done_callback(self._returns.discard)
