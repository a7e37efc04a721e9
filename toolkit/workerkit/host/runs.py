"""A JOB'S PATH in the host, top to bottom: begun, heard from, ended. (`supply` claims it.)"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

from workerkit.errors import WorkerkitError
from workerkit.host import telling
from workerkit.host.employer import Employer
from workerkit.host.ends import Ended, Ends, timed_out
from workerkit.host.events import Events
from workerkit.host.finishing import Finishing
from workerkit.host.meter import Meter
from workerkit.host.overtime import Overtime
from workerkit.host.relay import Relay
from workerkit.host.returns import Returns
from workerkit.host.run import Run
from workerkit.host.stopping import INTERRUPTED, stop
from workerkit.host.supply import Slot, Supply
from workerkit.host.tasks import background
from workerkit.host.vault import Vault
from workerkit.host.verdict import may_begin, too_large
from workerkit.host.worker import Worker
from workerkit.job import Result
from workerkit.queue import Blame, Claim, Feed
from workerkit.settings import Settings
from workerkit.states import Status
from workerkit.wire import Chunk, Descriptor, JobEnd, News, RunJob, Untouched

#: Seconds that the last writes have when the host stops.
LAST_WRITES = 10.0
#: No run takes so many seconds, whatever its worker says.
FOREVER = 1e9


class Runs:
    """The jobs of one function: takes them from the queue and sees each to its end."""

    def __init__(
        self,
        function: Descriptor,
        feed: Feed,
        ends: Ends,
        events: Events,
        vault: Vault,
        settings: Settings,
        holder: str,
        clock: Callable[[], int],
        meter: Meter,
    ) -> None:
        self._meter = meter
        self.employer: Employer
        self._function = function
        self._feed = feed
        self._ends = ends
        self._vault = vault
        self._settings = settings
        self._clock = clock
        self.supply = Supply(
            function.name, feed, holder, self._begin, self._claim_refused, lambda: self.employer.needs_fresh()
        )
        self._active: dict[tuple[str, int], Run] = {}
        self._overtime = Overtime(self._active, self._out_of_time)
        #: Told to stop, and the ends of their jobs not stored yet.
        self._cut_short: set[Run] = set()
        self._closing = False
        #: A slot has gone on to the next run since `heard`.
        self._went_on = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._step = f"a step of a job of {function.name}"
        self._relay = Relay(feed, events, self._later)
        self._returns = Returns(feed, ends, meter)
        self._finishing = Finishing(
            ends,
            self._returns,
            self._relay,
            meter,
            clock,
            self._later,
            lambda worker: self.employer.settled(worker),
        )
        self._idle = asyncio.Event()
        self._idle.set()

    def renew(self, function: Descriptor, settings: Settings) -> None:
        """Run by a new descriptor and new settings from now on."""
        self._function, self._settings = function, settings

    @property
    def held(self) -> list[tuple[str, int]]:
        """The (id, attempt) of every run whose lease must be kept."""
        runs = [run for run in (*self._active.values(), *self._finishing.runs) if not run.over]
        return self.supply.held + [(run.record.id, run.record.attempt) for run in (*runs, *self._cut_short)]

    def _begin(self, slot: Slot, claim: Claim) -> bool:
        """Hand a claimed job to a worker, perhaps while its claim is still being committed."""
        record = claim.record
        try:
            may_begin(record)
            fields, secrets = self._vault.open(record)
        except WorkerkitError as error:  # started too often, or the key of its secrets is gone
            result = Result(status=Status.FAILED, attempt=record.attempt, error=str(error))
            self._later(self._ends.end_stubbornly(Ended(record, result, cause=str(error))))
            return False
        request, redactor = self._ends.request(record), slot.worker.output.redactor
        run = Run(record, request, slot.worker, time.monotonic(), redactor, secrets, self._meter)
        run.claim = claim
        its_turn = slot.worker.take(slot.number, run)
        if not self._active:
            self._idle.clear()
        self._active[run.key] = run
        slot.worker.send(RunJob(slot.number, record.id, record.attempt, record.input, fields))
        if its_turn:
            self._turn(run)
        return True

    def _turn(self, run: Run) -> None:
        """The worker begins a run, which may have been sent to it before."""
        record, now = run.record, self._clock()
        run.started = time.monotonic()
        if run.over:  # its job has ended meanwhile: it is over as it begins, or goes on and is killed
            stop(run, "its job has ended", self._function, self._settings.workers)
            return
        self._relay.begin(run)
        left = min(record.policy.execution_timeout, record.expires_at - now) / 1000
        self._overtime.watch(run, left)
        self._meter.job_began(record.endpoint, now - record.submitted_at)

    def _claim_refused(self, claim: Claim) -> None:
        """A claim that could not be stored never was: its run is stopped."""
        if (run := self.find(claim.record.id, claim.record.attempt)) is not None:
            self._stop(run, "its claim could not be stored")

    def on_news(self, frame: News) -> None:
        """A run says something before its end."""
        run = self.find(frame.id, frame.attempt)
        if run is None or run.over:
            return  # its job has ended without it
        if isinstance(frame, Chunk):
            run.size += len(frame.value)
        if self._function.aggregate and run.size > self._settings.limits.output:
            self._overflow(run)
        else:
            self._relay.hear(run, frame)

    def _overflow(self, run: Run) -> None:
        """The chunks add up to more than an output may be: the job fails now, not when it ends."""
        error = too_large(self._settings.limits.output)
        self._cut(run, run.result(Status.FAILED, error=error), "its output is too large")

    def on_end(self, worker: Worker, frame: JobEnd) -> None:
        """A run is over and its slot is free."""
        run = worker.busy.get(frame.slot)
        if run is None or run.key != (frame.id, frame.attempt):
            worker.misbehaved(f"reported the end of job {frame.id}, which its slot {frame.slot} does not run")
            return
        del worker.busy[frame.slot]
        self._forget(run)
        self._finishing.add(run, frame)
        turn = time.monotonic() - run.started
        run.seconds = frame.seconds if 0 <= frame.seconds < FOREVER else turn
        self.supply.took(run.seconds, turn)
        if frame.refresh is not None or frame.interrupted:  # it begins nothing more
            self.employer.replace(worker, run.clean(frame.refresh) or INTERRUPTED)
        elif not worker.retiring:
            self._go_on(worker, frame.slot)
        if frame.error is not None:
            worker.output.failed(run, frame.error)

    def heard(self) -> None:
        """All that a worker said at one go has been told."""
        try:
            if self._went_on:
                self._went_on = False
                self.supply.match()
        finally:
            self._finishing.go_on(self._function)

    def _go_on(self, worker: Worker, number: int) -> None:
        """A slot has ended a run: it is the next one's turn, or the slot is free."""
        if (following := worker.next_turn(number)) is not None:
            self._turn(following)
            self._went_on = True
        elif not worker.leaving:
            self.supply.over(worker)
            if number < worker.opened:
                self.supply.offer(Slot(worker, number))

    def on_untouched(self, worker: Worker, frame: Untouched) -> None:
        """Runs have not begun, and will not: their jobs may run elsewhere."""
        runs, numbers = worker.drop({*frame.runs})
        self._not_begun(runs)
        for number in numbers:
            self._go_on(worker, number)
        self.employer.settled(worker)

    def _not_begun(self, runs: list[Run]) -> None:
        for run in runs:
            self._forget(run)
        self.supply.back([run.claim for run in runs if run.claim is not None and not run.over])

    def _out_of_time(self, run: Run) -> None:
        if not run.over:
            now = self._clock()
            result = timed_out(run.record, now, run.worker.id, expired=now >= run.record.expires_at)
            self._cut(run, result, "its time is over")

    def _cut(self, run: Run, result: Result, reason: str) -> None:
        """End a job whose run is not over. The run is stopped now, however long the queue refuses writes."""
        self._cut_short.add(run)
        self._stop(run, reason)
        cause = reason if result.status is Status.FAILED else ""
        storing = self._later(self._ends.end_stubbornly(Ended(run.record, result, run.request, cause)))
        storing.add_done_callback(lambda _: self._cut_short.discard(run))

    async def settle(self, id: str, attempt: int) -> None:
        """Store what a run has yielded so far, since its job may end now without it."""
        if (run := self.find(id, attempt)) is not None:
            await self._relay.settle(run)

    def stop(self, id: str, attempt: int, reason: str) -> None:
        """Stop a run whose job has ended already: cancelled, timed out or taken away."""
        self.supply.forget(id, attempt)
        if (run := self.find(id, attempt)) is not None:
            self._stop(run, reason)

    def find(self, id: str, attempt: int) -> Run | None:
        """The run that a worker has; None when none does."""
        return self._active.get((id, attempt))

    def _stop(self, run: Run, reason: str) -> None:
        run.over = True
        self._relay.end(run)
        if stop(run, reason, self._function, self._settings.workers):
            self.employer.replace(run.worker, INTERRUPTED)

    def lost(self, worker: Worker) -> None:
        """A worker is gone: what it ran goes back to the queue, or ends when it went back too often."""
        # Whoever stops the host may have killed more than that.
        innocent = bool(worker.killed_for) or self._closing
        waiting, _ = worker.drop({run.key for run in worker.before})
        runs, worker.busy = [*worker.busy.values()], {}
        self._not_begun(waiting)
        for run in runs:
            self._forget(run)
            if not run.over:
                run.over = True
                self._later(self._returns.after_death(run, self._function, self._settings, innocent=innocent))

    async def wait_idle(self, seconds: float) -> None:
        """Wait until no job runs, at most `seconds`: this is the end, and workers that die are not to blame."""
        self._closing = True
        for worker in {run.worker for run in self._active.values()}:
            worker.recall()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        if self._active:
            telling.still_run(self._function.name, len(self._active))

    async def give_back(self) -> None:
        """Return what still runs to the queue, without blame, and wait for what is under way."""
        for run in list(self._active.values()):
            if not run.over:
                run.over = True
                blame = Blame.UNUSED if run in run.worker.before else Blame.NONE
                run.worker.kill("the host is stopping")
                self._later(self._returns.give_back(run, blame))
        await self.supply.drained()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_WRITES)
        for task in self._tasks:
            task.cancel()  # the queue cannot take it; at the next start the job is given back

    def _forget(self, run: Run) -> None:
        if self._active.get(run.key) is run:
            del self._active[run.key]
        run.worker.left(run)
        self._relay.end(run)
        if not self._active:
            self._idle.set()

    def _later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return background(work, self._step, self._tasks)
