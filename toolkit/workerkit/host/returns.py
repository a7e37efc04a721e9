"""Runs that go back to the queue: since they failed, since their worker died, or through no fault of theirs."""

from __future__ import annotations

from workerkit.host import telling
from workerkit.host.crash import worker_died
from workerkit.host.ends import Ended, Ends
from workerkit.host.meter import Meter
from workerkit.host.run import Run
from workerkit.host.stubborn import stubbornly
from workerkit.host.verdict import allowed, crashed_too_often
from workerkit.queue import Blame, Feed
from workerkit.settings import Settings
from workerkit.states import Status
from workerkit.wire import Descriptor, JobEnd


class Returns:
    """Gives jobs back, and says so."""

    def __init__(self, feed: Feed, ends: Ends, meter: Meter) -> None:
        self._feed = feed
        self._ends = ends
        self._meter = meter

    async def give_back(self, run: Run, blame: Blame, after: int = 0) -> bool:
        """Put a job back in the queue; False when it has moved on."""
        record = run.record
        stored = await stubbornly(
            f"the return of job {record.id}",
            lambda: self._feed.release(record.id, record.attempt, blame, after),
        )
        if stored:
            self._meter.job_returned(record.endpoint, blame.value)
        return stored

    async def after_failure(self, run: Run, frame: JobEnd, function: Descriptor, wait: int) -> bool:
        """Have a run that failed be followed by another in `wait` milliseconds."""
        stored = await self.give_back(run, Blame.FAILURE, wait)
        if stored:
            telling.runs_again(run, run.clean(frame.cause), wait / 1000, allowed(function, frame))
        return stored

    async def after_death(
        self, run: Run, function: Descriptor, settings: Settings, *, innocent: bool
    ) -> None:
        """See to a run whose worker is gone; unless it is `innocent`, its job may be to blame."""
        record, worker, most = run.record, run.worker, settings.workers.max_starts
        if innocent:
            if await self.give_back(run, Blame.NONE):
                telling.goes_back(run, None)
        elif crashed_too_often(function, record, most):
            last_words = await worker.last_words(run) if settings.workers.tracebacks else None
            error = worker_died(worker, last_words, record)
            result = run.result(Status.FAILED, error=error)
            cause = f"its worker {worker.how_it_ended}, for the last time that it may"
            await self._ends.end_stubbornly(Ended(record, result, run.request, cause))
        elif await self.give_back(run, Blame.CRASH):
            telling.goes_back(run, function.max_starts or most)
