"""Jobs for free slots: claimed as slots become free, and a little ahead when jobs are very short."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

import attrs

from workerkit.errors import QueueError
from workerkit.host.worker import Worker
from workerkit.queue import Blame, Claim, Feed

log = logging.getLogger(__name__)

#: Seconds that one claim waits for a job, and that the next waits after the queue refused one.
CLAIM_WAIT, REFUSED_PAUSE = 60.0, 1.0
#: A claim takes a commit. What is claimed ahead is about what the slots do meanwhile, and no more
#: than `MOST_AHEAD` jobs; what no slot has taken after `UNUSED_AFTER` seconds goes back.
AHEAD_SECONDS, MOST_AHEAD, UNUSED_AFTER = 0.02, 64, 0.05
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
        #: Claimed jobs that no slot has taken yet, each with the time when it came.
        self._ahead: deque[tuple[float, Claim]] = deque()
        self._room = asyncio.Event()
        self._claiming: asyncio.Future[list[Claim]] | None = None
        self._returning: asyncio.TimerHandle | None = None
        self._returns: set[asyncio.Task[bool]] = set()
        #: Seconds that a job takes, as of late; long until something is known.
        self._pace = 1.0
        self._pause = 0.0

    def offer(self, slot: Slot) -> None:
        """A slot is free."""
        self._free.append(slot)
        self._match()

    def withdraw(self, worker: Worker) -> None:
        """A worker is gone, and its free slots with it."""
        self._free = deque(slot for slot in self._free if slot.worker is not worker)

    def took(self, seconds: float) -> None:
        """A job took this long."""
        self._pace += LATEST * (seconds - self._pace)

    def refused(self) -> None:
        """A claim that was given out could not be stored: the next one waits a while."""
        self._pause = REFUSED_PAUSE

    async def run(self) -> None:
        """Claim for ever. Cancelling it loses nothing: what was claimed ahead goes back."""
        try:
            while True:
                while (wanted := self._wanted()) <= 0:
                    self._room.clear()
                    await self._room.wait()
                pause, self._pause = self._pause, 0.0
                if pause:
                    await asyncio.sleep(pause)
                await self._claim(wanted)
        finally:
            self._give_back()

    async def drained(self) -> None:
        """Wait until what went back is stored."""
        if self._returns:
            await asyncio.wait(self._returns)

    async def _claim(self, n: int) -> None:
        claiming = asyncio.ensure_future(self._feed.claim(self._endpoint, n, self._holder, CLAIM_WAIT))
        self._claiming = claiming
        try:
            await asyncio.wait({claiming})
        except asyncio.CancelledError:  # what it was given at this moment goes back with the rest
            claiming.cancel()
            await asyncio.wait({claiming})
            self._collect(claiming)
            raise
        self._collect(claiming)
        self._match()

    def _collect(self, claiming: asyncio.Future[list[Claim]]) -> None:
        if claiming.cancelled():
            return  # called off: what is wanted has changed
        try:
            claims = claiming.result()
        except QueueError as error:
            log.error("no job can be taken from the queue, trying again: %s", error)
            self.refused()
        else:
            now = time.monotonic()
            self._ahead += ((now, claim) for claim in claims)

    def _call_off(self) -> None:
        """End a claim that waits for jobs ahead, or it would take again what is given back."""
        if self._claiming is not None:
            self._claiming.cancel()

    def _wanted(self) -> int:
        """How many more jobs have a use: none until half of what was claimed ahead is used up."""
        ahead = min(int(AHEAD_SECONDS / max(self._pace, 1e-6)), MOST_AHEAD)
        wanted = len(self._free) + ahead - len(self._ahead)
        return wanted if 2 * wanted > ahead else 0

    def _match(self) -> None:
        """Give out what is here, and wake `run` when more is wanted."""
        while self._ahead and (slot := self._next_slot()) is not None:
            self._begin(slot, self._ahead.popleft()[1])
        if self._wanted() > 0:
            self._room.set()
        if self._ahead and self._returning is None:
            self._look_again_after(UNUSED_AFTER)

    def _next_slot(self) -> Slot | None:
        """A free slot of a worker that is still there."""
        while self._free:
            slot = self._free.popleft()
            if not slot.worker.leaving:
                return slot
        return None

    def _look_again_after(self, seconds: float) -> None:
        self._returning = asyncio.get_running_loop().call_later(seconds, self._return_unused)

    def _return_unused(self) -> None:
        """Give back what was claimed ahead for a pace that is no longer kept; others may run it."""
        self._returning = None
        if not self._ahead:
            return
        left = self._ahead[0][0] + UNUSED_AFTER - time.monotonic()
        if left > 0:
            self._look_again_after(left)
        else:
            self._pace = max(self._pace, UNUSED_AFTER)
            self._call_off()
            self._give_back()

    def _give_back(self) -> None:
        while self._ahead:
            record = self._ahead.pop()[1].record
            task = asyncio.ensure_future(self._feed.release(record.id, record.attempt, Blame.UNUSED))
            self._returns.add(task)
            task.add_done_callback(self._returns.discard)
