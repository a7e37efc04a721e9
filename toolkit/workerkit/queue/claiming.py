"""Calls of `claim`: who looks into the database, who waits in memory, and who gets which job."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from workerkit.queue import Claim, running
from workerkit.queue.batch import Batch
from workerkit.queue.context import Context
from workerkit.queue.waiting import Claimer


class Claiming:
    """The side of a store that hands out jobs."""

    def __init__(self, context: Context, do: Callable[[Callable[[Batch], Any]], asyncio.Future[Any]]) -> None:
        self._context = context
        self._claimers = context.claimers
        self._do = do
        #: Claimers that the next look into the database is for.
        self._looking: defaultdict[str, list[Claimer]] = defaultdict(list)

    async def claim(self, endpoint: str, n: int, holder: str, wait: float) -> list[Claim]:
        """See `Feed.claim`."""
        if n <= 0:
            return []
        loop = asyncio.get_running_loop()
        claimer = Claimer(endpoint, n, holder, loop.create_future(), stays=wait > 0)
        if wait <= 0 or self._claimers.has_backlog(endpoint):
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

    def stir(self) -> None:
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
