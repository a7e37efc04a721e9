"""The workers of one function: hired, ready, refreshed, replaced when they die."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping

import msgspec

from workerkit.host.runs import Runs
from workerkit.host.supply import Slot
from workerkit.host.tasks import background
from workerkit.host.worker import Owner, Worker
from workerkit.settings import WorkersSettings
from workerkit.wire import Chunk, Descriptor, JobEnd, Progress, Start

log = logging.getLogger(__name__)

#: Seconds before a worker that could not start is tried again: first, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: Seconds that a worker has for `worker_stop` before it is killed.
LEAVE_GRACE = 10.0


#: RunPod's worker counters. We throttle nobody.
CENSUS = ("idle", "initializing", "ready", "running", "throttled", "unhealthy")


class Agency:
    """Starts worker processes: what all of them are told, and the environment they get."""

    def __init__(self, first: Start, environment: Mapping[str, str]) -> None:
        self._first = first
        self._environment = environment

    async def hire(self, owner: Owner) -> Worker:
        """A new worker process that loads the target; `owner` hears of it from now on."""
        worker = Worker(f"worker-{uuid.uuid4().hex[:8]}", owner)
        start = msgspec.structs.replace(self._first, worker_id=worker.id)

        def on_line(line: str) -> str:
            line = worker.redacted(line)
            log.info("%s | %s", worker.id, line)
            return line

        await worker.start(start, self._environment, on_line)
        return worker


class Pool:
    """Keeps `size` workers of one function alive."""

    def __init__(
        self, function: Descriptor, size: int, runs: Runs, agency: Agency, settings: WorkersSettings
    ) -> None:
        self.function = function
        self.size = size
        self.runs = runs
        self.workers: set[Worker] = set()
        self._agency = agency
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()
        self._supplying: asyncio.Task[None] | None = None
        self._failures = 0
        #: Why the last one could not serve, so that it is said once.
        self._unfit = ""
        self._hiring = 0
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()

    def census(self) -> dict[str, int]:
        """RunPod's six worker counters; a worker that is leaving is not among them."""
        staying = [worker for worker in self.workers if not worker.leaving]
        ready = [worker for worker in staying if worker.ready]
        running = sum(bool(worker.busy) for worker in ready)
        return {
            "idle": len(ready) - running,
            "initializing": len(staying) - len(ready) + self._hiring,
            "ready": len(ready),
            "running": running,
            "throttled": 0,
            "unhealthy": min(self._failures, 1),
        }

    def start(self, first: Worker | None = None) -> None:
        """Begin to take jobs, with `first` as a worker that has loaded the target already."""
        self._supplying = background(self.runs.supply.run(), f"taking jobs of {self.function.name}")
        if first is not None and not first.gone:
            first.owner = self
            self._adopt(first)
        self._fill()

    def _adopt(self, worker: Worker) -> None:
        self.workers.add(worker)
        self._empty.clear()
        worker.assign(self.function.name, self.function.concurrency)
        timeout = self._settings.start_timeout
        worker.starting = asyncio.get_running_loop().call_later(timeout, self._too_slow, worker)

    def _too_slow(self, worker: Worker) -> None:
        worker.kill(f"it was not ready within workers.start_timeout, {self._settings.start_timeout:g} s")

    def _fill(self) -> None:
        """Hire until there are enough; those that are leaving do not count."""
        staying = sum(not worker.leaving for worker in self.workers)
        for _ in range(self.size - staying - self._hiring if not self._closing else 0):
            self._hiring += 1
            task = asyncio.get_running_loop().create_task(self._hire())
            self._tasks.add(task)
            task.add_done_callback(self._hired)

    def _hired(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failures += 1
            log.error("%s: a worker could not be started", self.function.name, exc_info=task.exception())
            self._fill()

    async def _hire(self) -> None:
        try:
            if self._failures:
                await asyncio.sleep(_pause(self._failures))
            worker = await self._agency.hire(self)
        finally:
            self._hiring -= 1
        self._adopt(worker)
        if self._closing:
            worker.kill("the host is stopping")

    def on_hello(self, worker: Worker, functions: list[Descriptor]) -> None:
        """A replacement has imported the target; the function must still be there."""
        if self.function.name not in {function.name for function in functions}:
            worker.unfit = f"the target holds no function {self.function.name!r} any more"
            worker.kill("it cannot serve")

    def on_ready(self, worker: Worker) -> None:
        """Its slots are open."""
        self._failures = 0
        if worker.starting is not None:
            worker.starting.cancel()
        log.info("%s is ready for %s (pid %d)", worker.id, self.function.name, worker.process.pid)
        for number in range(self.function.concurrency):
            self.runs.supply.offer(Slot(worker, number))

    def on_chunk(self, worker: Worker, frame: Chunk) -> None:
        """One yielded value."""
        self.runs.on_chunk(frame)

    def on_progress(self, worker: Worker, frame: Progress) -> None:
        """What to show meanwhile."""
        self.runs.on_progress(frame)

    def on_end(self, worker: Worker, frame: JobEnd) -> None:
        """A run is over."""
        self.runs.on_end(worker, frame, self._after)

    def _after(self, worker: Worker, refresh: str | None) -> None:
        """An end is stored. A refreshed worker goes once its other slots are empty, and not before."""
        if refresh is not None:
            log.info("%s is refreshed: %s", worker.id, refresh)
            self._fill()
        if worker.leaving and not worker.busy and not worker.drained:
            self._dismiss(worker)

    def _dismiss(self, worker: Worker) -> None:
        worker.drain()
        asyncio.get_running_loop().call_later(LEAVE_GRACE, self._overdue, worker)

    def _overdue(self, worker: Worker) -> None:
        if worker in self.workers:
            worker.kill(f"it did not leave within {LEAVE_GRACE:g} s")

    def on_death(self, worker: Worker) -> None:
        """A worker is gone: its jobs are seen to, and another takes its place."""
        self.workers.discard(worker)
        self.runs.supply.withdraw(worker)
        if worker.starting is not None:
            worker.starting.cancel()
        if not worker.was_ready and not self._closing:
            self._failures += 1
        if worker.unfit:
            again = worker.unfit == self._unfit
            reason = "as before" if again else worker.unfit
            log.error(
                "%s cannot serve: %s; next try in %g s", worker.id, reason, _pause(max(self._failures, 1))
            )
            self._unfit = worker.unfit
        elif not worker.drained and not self._closing:
            log.warning("%s %s", worker.id, worker.how_it_ended)
        self.runs.lost(worker)
        self._fill()
        if not self.workers:
            self._empty.set()

    async def close(self, grace: float) -> None:
        """Take no more jobs, let those that run end within `grace` seconds, then let the workers go."""
        self._closing = True
        if self._supplying is not None:
            self._supplying.cancel()
            await asyncio.wait({self._supplying})
        await self.runs.wait_idle(grace)
        await self.runs.give_back()
        for task in self._tasks:
            task.cancel()
        for worker in list(self.workers):
            if not worker.drained:
                self._dismiss(worker)
        await self._empty.wait()


def _pause(failures: int) -> float:
    """Seconds before the next start, after so many failed ones in a row."""
    return min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE)
