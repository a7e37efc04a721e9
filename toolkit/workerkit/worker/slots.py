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
from queue import SimpleQueue

from workerkit.bridge import Cancel
from workerkit.errors import WorkerkitError
from workerkit.job import Status
from workerkit.runner import Run, Runner
from workerkit.wire import Chunk, JobEnd, Progress, RunJob, Stop
from workerkit.worker.connection import Connection


class Slots:
    """The jobs that wait and run in this worker. The reader thread gives, slots take."""

    def __init__(self, runner: Runner, connection: Connection, count: int) -> None:
        self._runner = runner
        self._connection = connection
        self._count = count
        self._pid = os.getpid()
        self._waiting: SimpleQueue[tuple[RunJob, Cancel] | None] = SimpleQueue()
        self._cancels: dict[tuple[str, int], Cancel] = {}

    def add(self, frame: RunJob) -> None:
        """Have the next free slot run a job."""
        cancel = self._cancels[frame.id, frame.attempt] = Cancel()
        self._waiting.put((frame, cancel))

    def stop(self, frame: Stop) -> None:
        """Cancel a run that is async or has not begun; a sync one only its process's end can stop."""
        cancel = self._cancels.get((frame.id, frame.attempt))
        if cancel is not None:
            cancel.request()

    def close(self) -> None:
        """Let `serve` return once every job that was added has ended."""
        for _ in range(self._count):
            self._waiting.put(None)

    def serve(self) -> None:
        """Run jobs until `close`; with one slot, in the calling thread."""
        others = [
            threading.Thread(target=self._serve_one, name=f"workerkit-slot-{n}", daemon=True)
            for n in range(1, self._count)
        ]
        for thread in others:
            thread.start()
        self._serve_one()
        for thread in others:
            thread.join()

    def _serve_one(self) -> None:
        """Run jobs until there are no more.

        Whatever gets past a run ends the process: the host is gone, or this is a child that a
        handler forked, or a slot would be dead and look free.
        """
        try:
            while (taken := self._waiting.get()) is not None:
                self._serve_job(*taken)
        except BaseException:
            if os.getpid() == self._pid:
                traceback.print_exc()
                sys.stderr.flush()
            os._exit(1)

    def _serve_job(self, frame: RunJob, cancel: Cancel) -> None:
        began = time.monotonic()
        run = self._run(frame, cancel)
        seconds = time.monotonic() - began
        del self._cancels[frame.id, frame.attempt]
        self._report(frame, run, seconds)

    def _report(self, frame: RunJob, run: Run, seconds: float) -> None:
        try:
            self._connection.send(_ended(frame, run, seconds))
        except OverflowError as error:
            # JSON holds integers of any size, and the wire those of 64 bits.
            lost = Run(status=Status.FAILED, error=f"the job's notes cannot be sent: {error}")
            self._connection.send(_ended(frame, lost, seconds))

    def _run(self, frame: RunJob, cancel: Cancel) -> Run:
        send, ask = self._connection.send, (frame.id, frame.attempt)
        try:
            job = self._runner.job(
                id=frame.id,
                attempt=frame.attempt,
                input=frame.input,
                fields=frame.fields,
                progress=lambda value: send(Progress(*ask, value)),
            )
        except (WorkerkitError, ValueError) as error:
            return Run(status=Status.FAILED, error=str(error))
        return self._runner.run(job, lambda n, value: send(Chunk(*ask, n, value)), cancel)


def _ended(frame: RunJob, run: Run, seconds: float) -> JobEnd:
    return JobEnd(
        slot=frame.slot,
        id=frame.id,
        attempt=frame.attempt,
        status=run.status.value,
        output=run.output,
        error=run.error,
        notes=dict(run.notes),
        refresh=run.refresh,
        chunks=run.chunks,
        seconds=seconds,
    )
