"""Hiring for one pool: as many as are missing, one at a time and with pauses while starts fail."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from workerkit.host.agency import Agency
from workerkit.host.meter import Meter
from workerkit.host.owner import Owner
from workerkit.host.starts import Starts
from workerkit.host.worker import Worker

log = logging.getLogger(__name__)


class Hiring:
    """Gets workers from the agency and hands them to `adopt`.

    Each takes over from one of `left`, if there are any: workers that were told to go.
    """

    def __init__(
        self,
        endpoint: str,
        owner: Owner,
        agency: Agency,
        meter: Meter,
        adopt: Callable[[Worker], None],
        not_hired: Callable[[Worker | None], None],
    ) -> None:
        #: Under way, those that wait for the next try included; and those that wait.
        self.count = self.pausing = 0
        #: Understudies under way.
        self.rehearsing = 0
        self.left: deque[Worker] = deque()
        self.starts = Starts()
        self._endpoint = endpoint
        self._owner = owner
        self._agency = agency
        self._meter = meter
        self._adopt = adopt
        self._not_hired = not_hired
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def hire(self, missing: int) -> None:
        """Begin to hire as many as are `missing` beyond those that are under way."""
        missing -= self.count
        if self.starts.problem:
            missing = min(missing, 1 - self.count)
        for _ in range(missing if not self._closed else 0):
            self.count += 1
            predecessor = self.left.popleft() if self.left else None
            self._begin(self._hire(predecessor, self.starts.round), predecessor)

    def understudy(self, worker: Worker) -> None:
        """Hire one that takes over from `worker`, which goes on until the other has imported the target."""
        if not self._closed:
            self.rehearsing += 1
            self._begin(self._rehearse(worker, self.starts.round), worker)

    def forget(self, worker: Worker) -> None:
        """A worker is gone, and nobody took over from it before."""
        if worker in self.left:
            self.left.remove(worker)

    def close(self) -> None:
        """Hire nobody any more."""
        self._closed = True
        for task in self._tasks:
            task.cancel()

    def _begin(self, work: Coroutine[Any, Any, None], predecessor: Worker | None) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._hired, predecessor, self.starts.round))

    async def _hire(self, predecessor: Worker | None, round: int) -> None:
        try:
            await self._pause()
            worker = await self._agency.hire(self._owner, predecessor.device if predecessor else None)
        finally:
            self.count -= 1
        worker.predecessor, worker.round = _still_there(predecessor), round
        self._adopt(worker)

    async def _rehearse(self, worker: Worker, round: int) -> None:
        try:
            understudy = await self._agency.hire(self._owner, worker.device)
        finally:
            self.rehearsing -= 1
        understudy.predecessor, understudy.round = _still_there(worker), round
        self._adopt(understudy)

    async def _pause(self) -> None:
        if self.starts.pause:
            self.pausing += 1
            try:
                await asyncio.sleep(self.starts.pause)
            finally:
                self.pausing -= 1

    def _hired(self, predecessor: Worker | None, round: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "%s: a worker could not be started",
                self._endpoint,
                exc_info=error,
                extra={"endpoint": self._endpoint},
            )
            self.failed(f"a worker could not be started: {error}", round)
            self._not_hired(predecessor)

    def failed(self, why: str, round: int, *, passing: bool = False, who: str = "a worker") -> None:
        """A worker did not get as far as being ready."""
        self._meter.start_failed(self._endpoint)
        news = self.starts.failed(why, round, passing=passing)
        log.error(
            "%s cannot serve: %s; next try in %g s",
            who,
            why if news else "as before",
            self.starts.pause,
            extra={"endpoint": self._endpoint},
        )


def _still_there(predecessor: Worker | None) -> Worker | None:
    """Whom a new worker takes over from: it may have died while the process was made."""
    return None if predecessor is None or predecessor.gone else predecessor


def expect(worker: Worker, seconds: float | None) -> None:
    """It has so long to get on, from now; None for as long as it takes, as it waits for its predecessor."""
    if worker.starting is not None:
        worker.starting.cancel()
    if seconds is not None:
        too_slow = f"it was not ready within workers.start_timeout, {seconds:g} s"
        worker.starting = asyncio.get_running_loop().call_later(seconds, worker.kill, too_slow)


def may_start(worker: Worker, *, overlap: bool) -> bool:
    """Whether it may start for good: once the one that it takes over from is gone.

    It need not wait when both can work side by side, since the other has some slots in use and some not.
    """
    before = worker.predecessor
    return before is None or before.gone or (overlap and before.slots > 1 and bool(before.busy))


def to_open(worker: Worker) -> list[int]:
    """Slots that can be offered now: those that are not yet, but for as many as its predecessor uses."""
    before = worker.predecessor
    used = len(before.busy) if before is not None and not before.gone else 0
    if not worker.ready or worker.leaving or worker.retiring:
        return []
    first, worker.opened = worker.opened, max(worker.opened, worker.slots - used)
    # One that is busy is offered once its run is over.
    return [number for number in range(first, worker.opened) if number not in worker.busy]
