"""Slots: each runs one job at a time, and says how it ended.

With one slot it is the main thread that runs handlers: libraries that insist on it work, and a
signal can interrupt it. With more, each slot is a thread; an async handler's slot only waits.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from itertools import count as counting
from queue import Empty, SimpleQueue

import attrs

from workerkit.bridge import Cancel
from workerkit.errors import JobCancelled, WorkerkitError
from workerkit.failures import sendable
from workerkit.job import Job
from workerkit.runner import NO_RETRY, Emit, Run, Runner
from workerkit.states import Status
from workerkit.wire import (
    Chunk,
    Exempt,
    Frame,
    Hidden,
    Hide,
    JobEnd,
    Progress,
    Refresh,
    Resize,
    RunJob,
    Stop,
    Untouched,
)
from workerkit.worker.interrupt import Interrupt
from workerkit.worker.printing import Printer, Printing
from workerkit.worker.sizing import Sizing

#: Puts a frame on the wire.
Send = Callable[[Frame], None]


class Slots:
    """The jobs that wait and run in this worker. The reader thread gives, slots take.

    `interrupt` stops plain handlers, and is for one slot; `printing` marks what runs print.
    """

    def __init__(
        self,
        runner: Runner,
        send: Send,
        count: int,
        *,
        interrupt: Interrupt | None = None,
        printing: Printing | None = None,
    ) -> None:
        self._runner = runner
        self._send = send
        self._count = count
        self._interrupt = interrupt
        self._printing = printing
        #: What a run sends must be whole, also when it is interrupted meanwhile.
        self._tell = send if interrupt is None else interrupt.shielding(send)
        self._pid = os.getpid()
        self._waiting: SimpleQueue[tuple[RunJob, Cancel] | None] = SimpleQueue()
        self._cancels: dict[tuple[str, int], Cancel] = {}
        #: Nothing more begins here: this process is about to be replaced.
        self._leaving = False
        #: Secrets that the host was told of and does not mask yet, by number.
        self._hiding: dict[int, threading.Event] = {}
        self._numbers = counting()
        self._others: list[threading.Thread] = []
        elastic = runner.function.elastic
        self._sizing = None if elastic is None else Sizing(elastic.wanted, count, self._resize)

    def add(self, frame: RunJob) -> None:
        """Have the next free slot run a job."""
        cancel = self._cancels[frame.id, frame.attempt] = Cancel()
        self._waiting.put((frame, cancel))

    def stop(self, frame: Stop) -> None:
        """Cancel a run that is async or has not begun, and interrupt a plain one where that can be done."""
        cancel = self._cancels.get((frame.id, frame.attempt))
        if cancel is not None:
            cancel.request()
            if self._interrupt is not None:
                self._interrupt.send(cancel, frame.reason)

    def hidden(self, frame: Hidden) -> None:
        """The host masks a secret from now on."""
        if (hidden := self._hiding.get(frame.number)) is not None:
            hidden.set()

    def ask_for_refresh(self, reason: str, last: bool) -> None:
        """Have this worker replaced when it is its turn."""
        self._leaving = self._leaving or last
        self._tell(Refresh(sendable(reason), last))  # the host recalls what waits here

    def return_untouched(self) -> None:
        """Run nothing of what waits here: others may."""
        frames: list[RunJob] = []
        with suppress(Empty):
            while (taken := self._waiting.get_nowait()) is not None:
                frames.append(taken[0])
            self.close()  # which it was before
        if frames:
            self._return(*frames)

    def _return(self, *frames: RunJob) -> None:
        runs = [(frame.id, frame.attempt) for frame in frames]
        for run in runs:
            del self._cancels[run]
        self._tell(Untouched(runs))

    def close(self) -> None:
        """Let `serve` return once every job that was added has ended. May be called twice."""
        self._waiting.put(None)

    def serve(self) -> None:
        """Run jobs until `close`; with one slot, in the calling thread."""
        self._grow(self._count)
        if self._sizing is not None:
            self._sizing.start()
        self._serve_one()
        if self._sizing is not None:
            self._sizing.stop()
        for thread in tuple(self._others):
            thread.join()

    def _resize(self, count: int) -> None:
        """Have room for `count` jobs. Threads that are too many wait, since the host gives them nothing."""
        self._grow(count)
        self._send(Resize(count))

    def _grow(self, count: int) -> None:
        for number in range(len(self._others) + 1, count):
            thread = threading.Thread(target=self._serve_one, name=f"workerkit-slot-{number}", daemon=True)
            self._others.append(thread)
            thread.start()

    def _serve_one(self) -> None:
        """Run jobs until there are no more.

        Whatever gets past a run ends the process: the host is gone, or this is a child that a
        handler forked, or a slot would be dead and look free.
        """
        try:
            while (taken := self._waiting.get()) is not None:
                if self._leaving:
                    self._return(taken[0])
                else:
                    self._serve_job(*taken)
            self._waiting.put(None)  # for the next slot
        except BaseException:
            if os.getpid() == self._pid:
                traceback.print_exc()
                sys.stderr.flush()
            os._exit(1)

    def _serve_job(self, frame: RunJob, cancel: Cancel) -> None:
        began = time.monotonic()
        if self._printing is None:
            run = self._run(frame, cancel)
        else:
            with self._printing.job(frame.id, frame.attempt) as printer:
                run = self._run(frame, cancel, printer)
        seconds = time.monotonic() - began
        del self._cancels[frame.id, frame.attempt]
        if cancel.interrupted:  # whatever the handler made of it
            run = attrs.evolve(
                run, status=Status.CANCELLED, output=None, error=None, retry=NO_RETRY, cause=""
            )
        self._leaving = self._leaving or cancel.interrupted or run.refresh is not None
        self._report(frame, run, seconds, cancel.interrupted)
        if self._sizing is not None:
            self._sizing.job_ended()

    def _report(self, frame: RunJob, run: Run, seconds: float, interrupted: bool) -> None:
        try:
            self._send(_ended(frame, run, seconds, interrupted))
        except OverflowError as error:
            # JSON holds integers of any size, and the wire those of 64 bits.
            lost = Run(status=Status.FAILED, error=f"the job's notes cannot be sent: {error}")
            self._send(_ended(frame, lost, seconds, interrupted))

    def _run(self, frame: RunJob, cancel: Cancel, printer: Printer | None = None) -> Run:
        tell, ask = self._tell, (frame.id, frame.attempt)
        try:
            job = self._runner.job(
                id=frame.id,
                attempt=frame.attempt,
                input=frame.input,
                fields=frame.fields,
                progress=lambda value: tell(Progress(*ask, value)),
                exempt=lambda url: tell(Exempt(*ask, url)),
                hide=lambda secret: self._hide(*ask, secret, printer),
            )
        except (WorkerkitError, ValueError) as error:
            return Run(status=Status.FAILED, error=str(error))
        if printer is not None and job.fields:
            printer.hide(job.secrets)

        def emit(number: int, value: bytes) -> None:
            tell(Chunk(*ask, number, value))

        if self._interrupt is None:
            return self._runner.run(job, emit, cancel)
        return self._armed(self._interrupt, job, emit, cancel)

    def _hide(self, id: str, attempt: int, secret: str, printer: Printer | None) -> None:
        """Have the host mask a secret, and wait until it does: what is printed next may come faster than a frame."""
        if os.getpid() != self._pid:
            raise RuntimeError(
                "a secret cannot be hidden in a process that the handler forked, which the host does not hear; "
                "hide it before the fork"
            )
        number = next(self._numbers)
        hidden = self._hiding[number] = threading.Event()
        try:
            self._tell(Hide(id, attempt, number, secret))
            hidden.wait()
        finally:
            del self._hiding[number]
        if printer is not None:
            printer.hide([secret])

    def _armed(self, interrupt: Interrupt, job: Job, emit: Emit, cancel: Cancel) -> Run:
        """Interrupts reach plugins and the handler, and not what happens to the job's resources at the end."""
        try:
            interrupt.arm(cancel)
            run = self._runner.attempt(job, emit, cancel)
            interrupt.disarm()
        except JobCancelled:  # it came so late that it hit the runner
            run = Run(status=Status.CANCELLED)
        finally:
            job.close()
        return run


def _ended(frame: RunJob, run: Run, seconds: float, interrupted: bool) -> JobEnd:
    return JobEnd(
        slot=frame.slot,
        id=frame.id,
        attempt=frame.attempt,
        status=run.status,
        output=run.output,
        error=run.error,
        notes=dict(run.notes),
        refresh=run.refresh,
        chunks=run.chunks,
        seconds=seconds,
        retry=run.retry,
        retry_after=run.retry_after,
        interrupted=interrupted,
        cause=run.cause,
    )
