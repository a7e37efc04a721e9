"""How many workers a function has, where that is a range: by how long jobs wait, and what idles."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Protocol

from workerkit.errors import QueueError
from workerkit.host.sizes import Size
from workerkit.host.staff import Staff
from workerkit.host.tasks import background
from workerkit.host.worker import Worker
from workerkit.queue import Store
from workerkit.settings import WorkersSettings

log = logging.getLogger(__name__)

#: Seconds that one look waits for a job, that the next waits after a refusal, and between two at least.
LOOK, REFUSED_PAUSE, LEAST_PAUSE = 60.0, 1.0, 0.05


class Scalable(Protocol):
    """The pool, as far as its size goes."""

    wanted: int

    @property
    def coming(self) -> int:
        """Slots of workers that are on their way, less those of workers that jobs will have for themselves."""

    def grow(self) -> None:
        """One more."""

    def shrink(self, worker: Worker) -> None:
        """One less: this one, which is idle."""


class Scaling:
    """Changes how many workers a pool wants, between `size.least` and `size.most`."""

    def __init__(self, endpoint: str, pool: Scalable, staff: Staff, store: Store) -> None:
        self._endpoint = endpoint
        self._pool = pool
        self._staff = staff
        self._store = store
        self._grown = 0.0
        #: None are left, and the next job must not wait for the next look.
        self._none_left = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def over(self, size: Size, settings: WorkersSettings) -> None:
        """Scale over this range from now on, which may be none."""
        self.close()
        self._size = size
        self._delay, self._idle_timeout = settings.scale_delay, settings.idle_timeout
        if size.least < size.most:
            self._task = background(self._run(), f"scaling {self._endpoint}")

    def close(self) -> None:
        """Leave the number of workers as it is."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        await asyncio.gather(self._grow_for_ever(), self._shrink_for_ever())

    async def _grow_for_ever(self) -> None:
        while True:
            try:
                pause = await self._look()
            except QueueError as error:
                log.error("%s: how long jobs wait is not known: %s", self._endpoint, error)
                pause = REFUSED_PAUSE
            except Exception:  # or the pool would stay as it is for good
                log.exception("%s: scaling has failed, and goes on", self._endpoint)
                pause = REFUSED_PAUSE
            self._none_left.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._none_left.wait(), pause)

    async def _look(self) -> float:
        """Add a worker when it is time to; returns seconds until the next look has a use."""
        since = await self._store.waiting(self._endpoint, LOOK)
        if since is None:
            return 0.0
        if self._pool.wanted >= self._size.most:
            return max(self._delay, REFUSED_PAUSE)
        waited = (self._store.now() - since) / 1000
        if self._pool.wanted == 0 or (self._left(waited) <= 0 and await self._has_use()):
            self._grow()
        return max(self._left(waited), LEAST_PAUSE)

    def wait_alone(self, seconds: float) -> None:
        """Claimed jobs wait for workers that each has for itself, the first for so long: they count as well."""
        room = self._pool.wanted < self._size.most
        if not self._pool.wanted or (room and self._left(seconds) <= 0 and self._pool.coming < 0):
            self._grow()

    def _left(self, waited: float) -> float:
        """Seconds until it is time for one more, when the first in line has waited for so long."""
        return self._delay - min(waited, time.monotonic() - self._grown)

    def _grow(self) -> None:
        self._grown = time.monotonic()
        self._pool.grow()

    async def _has_use(self) -> bool:
        """Whether more jobs wait than the workers that are starting will take."""
        return (await self._store.counts(self._endpoint)).in_queue > self._pool.coming

    async def _shrink_for_ever(self) -> None:
        pause = self._idle_timeout
        while True:
            await asyncio.sleep(pause)
            try:
                pause = self._let_go()
            except Exception:
                log.exception("%s: scaling has failed, and goes on", self._endpoint)
                pause = self._idle_timeout

    def _let_go(self) -> float:
        """Let those go that have idled for too long; returns seconds until another may have."""
        now = time.monotonic()
        idle = sorted((w for w in self._staff.staying if w.idle), key=lambda worker: worker.idle_since)
        for worker in idle:
            left = worker.idle_since + self._idle_timeout - now
            if self._pool.wanted <= self._size.least or left > 0:
                return max(left, LEAST_PAUSE) if left > 0 else self._idle_timeout
            self._pool.shrink(worker)
            if not self._pool.wanted:
                self._none_left.set()
        return self._idle_timeout
