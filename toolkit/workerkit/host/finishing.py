"""Runs that are over in their workers, until what follows is stored: the ends of their jobs, or other runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from workerkit.host.ends import Ended, Ends
from workerkit.host.meter import Meter
from workerkit.host.relay import Relay
from workerkit.host.returns import Returns
from workerkit.host.run import Run
from workerkit.host.verdict import next_run
from workerkit.host.worker import Worker
from workerkit.states import Status
from workerkit.wire import Descriptor, JobEnd

#: A run, and what its worker said of its end.
Ending = tuple[Run, JobEnd]


class Finishing:
    """Sees each run to what follows it. Those that come together are stored together, unless one has to wait.

    `settled` is told of a worker whenever one of its runs is done with.
    """

    def __init__(
        self,
        ends: Ends,
        returns: Returns,
        relay: Relay,
        meter: Meter,
        clock: Callable[[], int],
        later: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
        settled: Callable[[Worker], None],
    ) -> None:
        self._ends = ends
        self._returns = returns
        self._relay = relay
        self._meter = meter
        self._clock = clock
        self._later = later
        self._settled = settled
        #: What `go_on` has not seen yet.
        self._new: list[Ending] = []
        #: All whose ends are not stored.
        self.runs: set[Run] = set()

    def add(self, run: Run, frame: JobEnd) -> None:
        """A run is over, and its slot goes on without it."""
        run.worker.unsettled += 1
        self.runs.add(run)
        self._new.append((run, frame))

    def go_on(self, function: Descriptor) -> None:
        """Do what is to be done about all that came at one go."""
        new, self._new = self._new, []
        together, without = list[Ending](), list[Ending]()
        for run, frame in new:
            if run.over:
                without.append((run, frame))
            elif (wait := next_run(function, run.record, frame, self._clock())) is not None:
                self._begin([(run, frame)], self._again(run, frame, function, wait), function)
            elif frame.chunks is None and self._ends.prompt:
                together.append((run, frame))
            else:
                self._begin([(run, frame)], self._end([(run, frame)], function), function)
        if together:
            self._begin(together, self._end(together, function), function)
        for run, frame in without:  # their jobs have ended otherwise
            self._done(run, frame, stored=False)

    def _begin(
        self, endings: Sequence[Ending], work: Coroutine[Any, Any, list[bool]], function: Descriptor
    ) -> None:
        self._later(work).add_done_callback(partial(self._worked, endings, function))

    async def _again(self, run: Run, frame: JobEnd, function: Descriptor, wait: int) -> list[bool]:
        return [await self._returns.after_failure(run, frame, function, wait)]

    async def _end(self, endings: Sequence[Ending], function: Descriptor) -> list[bool]:
        ended = [await self._ended(run, frame, function) for run, frame in endings]
        return await self._ends.end_stubbornly(*ended)

    async def _ended(self, run: Run, frame: JobEnd, function: Descriptor) -> Ended:
        status, output, error = frame.status, frame.output, frame.error
        if frame.chunks is not None:
            status, output, error = await self._relay.output(run, frame, whole=function.aggregate)
        result = run.result(status, output=output, error=error, notes=frame.notes, refresh=frame.refresh)
        return Ended(run.record, result, run.request, run.clean(frame.cause))

    def _worked(
        self, endings: Sequence[Ending], function: Descriptor, work: asyncio.Task[list[bool]]
    ) -> None:
        failed = not work.cancelled() and work.exception() is not None
        if failed and len(endings) > 1:  # the fault of one must not be the others'
            for ending in endings:
                self._begin([ending], self._end([ending], function), function)
            return
        # What has failed, or has no more time, is no stale report; the job runs again when its lease is over.
        answers = [True] * len(endings) if failed or work.cancelled() else work.result()
        for (run, frame), stored in zip(endings, answers, strict=True):
            self._done(run, frame, stored=stored)

    def _done(self, run: Run, frame: JobEnd, *, stored: bool) -> None:
        if not stored and frame.status is not Status.CANCELLED:  # that is what a stopped run says
            self._meter.stale(run.record.endpoint)
        self.runs.discard(run)
        run.worker.unsettled -= 1
        self._settled(run.worker)
