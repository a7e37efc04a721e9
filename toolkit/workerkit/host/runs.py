"""A JOB'S PATH in the host, top to bottom: begun, heard from, ended. (`supply` claims it.)"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from workerkit.errors import WorkerkitError
from workerkit.host.crash import worker_died
from workerkit.host.ends import Ends, timed_out
from workerkit.host.relay import Relay
from workerkit.host.status import joined
from workerkit.host.stubborn import stubbornly
from workerkit.host.supply import Slot, Supply
from workerkit.host.tasks import background
from workerkit.host.vault import Vault
from workerkit.host.worker import Run, Worker
from workerkit.job import Result, Status
from workerkit.queue import Blame, Claim, Feed, Record
from workerkit.settings import Settings
from workerkit.wire import Chunk, Descriptor, JobEnd, Progress, RunJob, Stop

log = logging.getLogger(__name__)

#: A job that was started this often goes back no more, whoever was to blame.
MOST_STARTS = 10
#: Seconds that the last writes have when the host stops.
LAST_WRITES = 10.0


class Runs:
    """The jobs of one function: takes them from the queue and sees each to its end."""

    def __init__(
        self,
        function: Descriptor,
        feed: Feed,
        ends: Ends,
        vault: Vault,
        settings: Settings,
        holder: str,
        clock: Callable[[], int],
    ) -> None:
        self._function = function
        self._feed = feed
        self._ends = ends
        self._vault = vault
        self._settings = settings
        self._clock = clock
        self.supply = Supply(function.name, feed, holder, self._begin)
        self._active: dict[str, Run] = {}
        #: Over in the worker, and their ends not stored yet.
        self._finishing: set[Run] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._relay = Relay(feed, self._later)
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def held(self) -> list[tuple[str, int]]:
        """The (id, attempt) of every run whose lease must be kept."""
        runs = (*self._active.values(), *self._finishing)
        return [(run.record.id, run.record.attempt) for run in runs if not run.over]

    def _begin(self, slot: Slot, claim: Claim) -> None:
        """Hand a claimed job to a worker, perhaps while its claim is still being committed."""
        record = claim.record
        try:
            if record.restarts >= MOST_STARTS:
                raise WorkerkitError(
                    f"the job was started {record.restarts} times, and no run of it came to an end"
                )
            fields, redactor = self._vault.open(record)
        except WorkerkitError as error:
            self._cannot_begin(record, error)
            self.supply.offer(slot)
            return
        run = Run(record, self._ends.request(record), slot.worker, time.monotonic(), redactor)
        slot.worker.take(slot.number, run)
        self._active[record.id] = run
        self._idle.clear()
        slot.worker.send(RunJob(slot.number, record.id, record.attempt, record.input, fields))
        left = min(record.policy.execution_timeout, record.expires_at - self._clock()) / 1000
        run.timer = asyncio.get_running_loop().call_later(max(left, 0), self._overtime, run)
        claim.committed.add_done_callback(lambda settled: self._claim_settled(run, settled))

    def _cannot_begin(self, record: Record, error: WorkerkitError) -> None:
        """It was started too often, or the key of its secrets is gone."""
        result = Result(status=Status.FAILED, attempt=record.attempt, error=str(error))
        self._later(self._ends.end_stubbornly(record, result))

    def _claim_settled(self, run: Run, settled: asyncio.Future[None]) -> None:
        """A claim that could not be stored never was: its run is stopped."""
        if not settled.cancelled() and settled.exception() is not None:
            self.supply.refused()
            self._stop(run, "its claim could not be stored")

    def on_chunk(self, frame: Chunk) -> None:
        """A run has yielded."""
        run = self._heard_from(frame)
        if run is None:
            return
        run.size += len(frame.value)
        if self._function.aggregate and run.size > self._settings.limits.output:
            self._later(self._overflow(run))
        else:
            self._relay.chunk(run, frame)

    async def _overflow(self, run: Run) -> None:
        """The chunks add up to more than an output may be: the job fails now, not when it ends."""
        run.over = True
        text = (
            f"the chunks add up to more than limits.output, {self._settings.limits.output:,} bytes; "
            "yield less, or use @worker_function(aggregate=False) to stream without collecting"
        )
        await self._ends.end_stubbornly(run.record, run.result(Status.FAILED, error=text), run.request)
        self._stop(run, "its output is too large")

    def on_progress(self, frame: Progress) -> None:
        """A run has something to show."""
        if (run := self._heard_from(frame)) is not None:
            self._relay.progress(run, frame)

    def _heard_from(self, frame: Chunk | Progress) -> Run | None:
        """The run that a frame is about, unless its job has ended without it."""
        run = self._active.get(frame.id)
        is_current = run is not None and not run.over and run.record.attempt == frame.attempt
        return run if is_current else None

    def on_end(self, worker: Worker, frame: JobEnd, ended: Callable[[Worker, str | None], None]) -> None:
        """A run is over and its slot is free. `ended` hears of it when the end is stored."""
        run = worker.busy.get(frame.slot)
        if run is None or (run.record.id, run.record.attempt) != (frame.id, frame.attempt):
            worker.misbehaved(f"reported the end of job {frame.id}, which its slot {frame.slot} does not run")
            return
        del worker.busy[frame.slot]
        self._forget(run)
        run.seconds = frame.seconds
        self.supply.took(frame.seconds)
        if frame.refresh is not None:
            worker.leaving = True
        elif not worker.leaving:
            self.supply.offer(Slot(worker, frame.slot))
        self._later(self._finish(run, frame, ended))

    async def _finish(self, run: Run, frame: JobEnd, ended: Callable[[Worker, str | None], None]) -> None:
        self._finishing.add(run)
        try:
            if not run.over:
                await self._store(run, frame)
        finally:
            self._finishing.discard(run)
            ended(run.worker, run.clean(frame.refresh))

    async def _store(self, run: Run, frame: JobEnd) -> None:
        status, output, error = Status(frame.status), frame.output, frame.error
        if frame.chunks is not None:
            status, output, error = await self._chunked(run, frame)
        result = run.result(status, output=output, error=error, notes=frame.notes, refresh=frame.refresh)
        await self._ends.end_stubbornly(run.record, result, run.request)

    async def _chunked(self, run: Run, frame: JobEnd) -> tuple[Status, bytes | None, str | None]:
        """A generator's output: the list of what was stored."""
        status, error = Status(frame.status), frame.error
        if run.writes:
            await asyncio.wait(run.writes)
        if run.unwritten is not None and status is Status.COMPLETED:
            return Status.FAILED, None, f"a chunk of the output could not be stored: {run.unwritten}"
        if not self._function.aggregate or not frame.chunks:
            return status, (b"[]" if status is Status.COMPLETED else frame.output), error
        id, attempt = run.record.id, run.record.attempt
        chunks = await stubbornly(f"the output of job {id}", lambda: self._feed.chunks(id, attempt))
        return status, joined(chunks), error

    def _overtime(self, run: Run) -> None:
        self._later(self._time_out(run))

    async def _time_out(self, run: Run) -> None:
        now = self._clock()
        expired = now >= run.record.expires_at
        if await self._ends.end_stubbornly(
            run.record, timed_out(run.record, now, expired=expired), run.request
        ):
            self._stop(run, "its time is over")

    def stop(self, id: str, attempt: int, reason: str) -> None:
        """Stop a run whose job has ended already: cancelled, timed out or taken away."""
        run = self._active.get(id)
        if run is not None and run.record.attempt == attempt:
            self._stop(run, reason)

    def _stop(self, run: Run, reason: str) -> None:
        """Async handlers are cancelled; others cannot be, so their process is killed."""
        run.over = True
        worker = run.worker
        if run not in worker.busy.values():
            return
        if self._function.kind in ("coroutine", "async_generator"):
            worker.send(Stop(run.record.id, run.record.attempt, reason))
            grace = self._settings.workers.stop_grace
            asyncio.get_running_loop().call_later(grace, self._kill_if_still_there, run, reason)
        else:
            worker.kill(f"a job had to be stopped: {reason}")

    def _kill_if_still_there(self, run: Run, reason: str) -> None:
        if run in run.worker.busy.values():
            run.worker.kill(f"a job did not stop: {reason}")

    def lost(self, worker: Worker) -> None:
        """A worker is gone: what it ran goes back to the queue, or ends when it went back too often."""
        runs, worker.busy = list(worker.busy.values()), {}
        for run in runs:
            self._forget(run)
            if not run.over:
                run.over = True
                self._later(self._return(run))

    async def _return(self, run: Run) -> None:
        record = run.record
        blame = Blame.NONE if run.worker.killed_for else Blame.CRASH
        allowed = self._function.max_starts or self._settings.workers.max_starts
        if blame is Blame.CRASH and record.crashes + 1 >= allowed:
            error = worker_died(run.worker, await run.worker.process.last_words(), record)
            await self._ends.end_stubbornly(record, run.result(Status.FAILED, error=error), run.request)
        else:
            await stubbornly(
                f"the return of job {record.id}",
                lambda: self._feed.release(record.id, record.attempt, blame),
            )

    async def wait_idle(self, seconds: float) -> None:
        """Wait until no job runs, at most `seconds`."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        if self._active:
            log.warning(
                "%s: jobs still run, and go back to the queue: %d", self._function.name, len(self._active)
            )

    async def give_back(self) -> None:
        """Return what still runs to the queue, without blame, and wait for what is under way."""
        for run in list(self._active.values()):
            if not run.over:
                run.over = True
                run.worker.kill("the host is stopping")
                self._later(self._feed.release(run.record.id, run.record.attempt, Blame.NONE))
        await self.supply.drained()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_WRITES)
        for task in self._tasks:
            task.cancel()  # the queue cannot take it; at the next start the job is given back

    def _forget(self, run: Run) -> None:
        if self._active.get(run.record.id) is run:
            del self._active[run.record.id]
        run.worker.left(run)
        if run.timer is not None:
            run.timer.cancel()
        if not self._active:
            self._idle.set()

    def _later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = background(work, f"a step of a job of {self._function.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
