"""Calls of `claim` and `waiting`: who looks into the database, who waits in memory, and for what."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from workerkit.queue import Claim, delays, running
from workerkit.queue.batch import Batch
from workerkit.queue.context import Context
from workerkit.queue.waiting import Claimer, Watches


class Claiming:
    """The side of a store that hands out jobs."""

    def __init__(
        self,
        context: Context,
        clock: Callable[[], int],
        do: Callable[[Callable[[Batch], Any]], asyncio.Future[Any]],
    ) -> None:
        self._context = context
        self._claimers = context.claimers
        self._do = do
        self.delays = delays.Delays(context, clock, do)
        #: Calls of `waiting`, by endpoint.
        self._line = Watches()
        self._closed = False
        #: Claimers that the next look into the database is for.
        self._looking: defaultdict[str, list[Claimer]] = defaultdict(list)

    async def claim(self, endpoint: str, n: int, holder: str, wait: float) -> list[Claim]:
        """See `Feed.claim`."""
        if n <= 0:
            return []
        loop = asyncio.get_running_loop()
        claimer = Claimer(endpoint, n, holder, loop.create_future(), stays=wait > 0)
        if wait <= 0 or self._claimers.has_backlog(endpoint) or self.delays.over(endpoint):
            self._look(claimer)
        else:
            self._claimers.wait(claimer)
        timer = loop.call_later(max(wait, 0), self._expire, claimer) if wait > 0 else None
        try:
            return await claimer.future
        except asyncio.CancelledError:
            self._give_back(claimer)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def waiting(self, endpoint: str, wait: float) -> int | None:
        """See `Store.waiting`. Read on the writing connection, which knows what has just been claimed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        with self._line.watch(endpoint) as line:
            while True:
                since: int | None = await self._do(partial(self._first, endpoint))
                if since is not None or not await line.changed(deadline - loop.time()) or self._closed:
                    return since

    def _first(self, endpoint: str, batch: Batch) -> int | None:
        self._let_through(batch, endpoint)
        row = batch.one(self._context.sql["first_in_line"], (endpoint, batch.now))
        return row[0] if row else None

    def _let_through(self, batch: Batch, endpoint: str) -> None:
        """The timer may be late, as the time of day may be set."""
        if self.delays.over(endpoint):
            delays.promote(batch, self._context, endpoint)

    def hand_over(self, batch: Batch) -> None:
        """The commit is on its way: whoever was given jobs may start."""
        for claimer, _ in batch.handed:
            claimer.answer()

    def undo(self, batch: Batch) -> None:
        """The batch was rolled back: what nobody has seen is taken back, and looks are made again."""
        self._claimers.undo(batch.handed)
        for claimer in batch.lookers:
            if not claimer.future.done():
                self._looking[claimer.endpoint].append(claimer)

    def tell(self, batch: Batch) -> None:
        """The batch is committed: whoever waits for what is in it is told."""
        self.delays.update(batch.delays)
        self._stir()
        looked = {claimer.endpoint for claimer in batch.lookers}
        for endpoint in batch.filled | looked:
            # Where claimers are about to look, their batch says whether they left something.
            attended = endpoint in self._looking and endpoint not in looked
            if not attended and self._claimers.has_backlog(endpoint):
                self._line.wake([(endpoint, None)])

    def close(self) -> None:
        """Answer everybody with nothing."""
        self._closed = True
        self.delays.stop()
        self._claimers.dismiss()
        self._line.wake_all()

    def _stir(self) -> None:
        """For every job that waits in the database, one who waits for it looks there."""
        for endpoint in self._claimers.endpoints():
            jobs = self._context.levels.get(endpoint, 0)
            while jobs > 0 and self._claimers.has_backlog(endpoint):
                claimer = self._claimers.pop(endpoint)
                if claimer is None:
                    break
                jobs -= claimer.n
                self._look(claimer)

    def _look(self, claimer: Claimer) -> None:
        """Claimers of one endpoint look together: one statement for all that gathered."""
        lookers = self._looking[claimer.endpoint]
        if not lookers:
            looked = self._do(partial(self._claim, claimer.endpoint))
            looked.add_done_callback(partial(self._looked, claimer.endpoint))
        lookers.append(claimer)

    def _claim(self, endpoint: str, batch: Batch) -> None:
        lookers = self._looking.pop(endpoint, [])
        batch.lookers += lookers
        self._let_through(batch, endpoint)
        running.claim(batch, self._context, endpoint, lookers)

    def _looked(self, endpoint: str, looked: asyncio.Future[Any]) -> None:
        error = looked.exception()
        if error is not None:
            for claimer in self._looking.pop(endpoint, []):
                if not claimer.future.done():
                    claimer.future.set_exception(error)

    def _expire(self, claimer: Claimer) -> None:
        self._claimers.leave(claimer)
        claimer.answer()

    def _give_back(self, claimer: Claimer) -> None:
        """The caller was cancelled: what it was given in that very moment waits again."""
        self._claimers.leave(claimer)
        for claim in claimer.claims:
            run = claim.record.id, claim.record.attempt
            self._do(partial(self._release, run))

    def _release(self, run: running.Run, batch: Batch) -> bool:
        return running.give_back(batch, self._context, *run)
