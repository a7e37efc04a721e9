"""What must happen although nobody asks: leases renewed, time limits kept, what is over deleted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from workerkit.errors import QueueError
from workerkit.host.ends import Ends, timed_out
from workerkit.host.runs import Runs
from workerkit.job import Result
from workerkit.queue import Blame, Record, Store

log = logging.getLogger(__name__)

#: Seconds between looks for jobs past their ttl, for results past their retention, and for folders that
#: dead runs have left.
EXPIRY_EVERY, SWEEP_EVERY, TIDY_EVERY = 2.0, 10.0, 2.0
#: What is looked for at one go, and deleted: a sweep passes by what must stay, once each time.
SLICE, MOST_SWEPT = 100, 5_000


class Housekeeping:
    """Slow loops beside the jobs' path. `tidy` removes the folders of jobs that are over."""

    def __init__(
        self,
        store: Store,
        ends: Ends,
        all_runs: Callable[[], Iterable[Runs]],
        lease: float,
        tidy: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._ends = ends
        self._all_runs = all_runs
        self._lease = lease
        self._tidy = tidy

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(
            self._every(self._lease / 3, self.renew),
            self._every(EXPIRY_EVERY, self.expire),
            self._every(SWEEP_EVERY, self.sweep),
            self._every(TIDY_EVERY, self._tidy),
        )

    async def _every(self, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await step()
            except QueueError as error:
                log.error("housekeeping is put off: %s", error)
            except Exception:
                log.exception("housekeeping failed, and goes on")

    async def renew(self) -> None:
        """Extend the leases of what runs here; stop what the queue says is not ours any more."""
        for runs in self._all_runs():
            held = runs.held
            for id, attempt in await self._store.heartbeat(held) if held else ():
                runs.stop(id, attempt, "it is no longer this host's job")

    async def expire(self) -> None:
        """End what is past its ttl, queued or running, and give back what nobody renews."""
        ended = SLICE
        while ended == SLICE:
            ended = sum([await self._expire(record) for record in await self._store.expired(SLICE)])
        await self.renew()  # first: this process may have stood still for longer than a lease
        for record in await self._store.lapsed(SLICE):
            await self._store.release(record.id, record.attempt, Blame.NONE)

    async def _expire(self, record: Record) -> bool:
        """End one job; a fault of one must not keep the others."""
        try:
            return await self.end(record, timed_out(record, self._store.now(), expired=True), "it expired")
        except QueueError:
            raise
        except Exception:
            log.exception("job %s could not be ended after its ttl", record.id)
            return False

    async def sweep(self) -> None:
        """Delete results past their retention, a slice at a time."""
        deleted = MOST_SWEPT
        while deleted == MOST_SWEPT:
            deleted = await self._store.sweep(MOST_SWEPT)

    async def end(self, record: Record, result: Result, reason: str) -> bool:
        """End a job that may run here: what it has yielded is stored before, and its run stopped behind it.

        False when it has moved on since it was seen in `record`.
        """
        for runs in self._all_runs():
            await runs.settle(record.id, record.attempt)
        ended = await self._ends.end(record, result)
        for runs in self._all_runs() if ended else ():
            runs.stop(record.id, record.attempt, reason)
        return ended
