"""What a run says before it ends, on its way to the queue: chunks, and what they add up to; progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from workerkit.errors import QueueError
from workerkit.host.events import Events, Telling
from workerkit.host.run import Run
from workerkit.host.status import joined
from workerkit.host.stubborn import stubbornly
from workerkit.queue import Feed
from workerkit.states import Status
from workerkit.wire import Chunk, Exempt, JobEnd, News, Progress

#: Bytes of one run's chunks on their way to the disk, above which its worker waits; and what each
#: chunk weighs beside its bytes.
MOST_UNWRITTEN, CHUNK_WEIGHT = 8_000_000, 32_000


class Relay:
    """Stores what comes, in order, and makes a worker wait that is faster than the disk."""

    def __init__(
        self, feed: Feed, events: Events, later: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]
    ) -> None:
        self._feed = feed
        self._events = events
        self._later = later

    def begin(self, run: Run) -> None:
        """A worker has a run, of which others are told once its claim is stored."""
        run.telling = self._events.of(run)
        if run.telling is not None and run.claim is not None:
            run.claim.committed.add_done_callback(partial(_claimed, run.telling))

    def end(self, run: Run) -> None:
        """A run says nothing more. May be called twice."""
        for n, value in run.last_chunks():
            self._store(run, n, value)
        if run.telling is not None:
            run.telling.end()

    def hear(self, run: Run, frame: News) -> None:
        """A run says something. A chunk is stored, unless it must wait for the next one: see `StreamRedactor`."""
        match frame:
            case Chunk():
                for n, value in run.chunks(frame.n, frame.value):
                    self._store(run, n, value)
            case Progress():
                self._progress(run, run.shown(frame.value, "progress"))
            case Exempt():
                run.exempt(frame.url)

    async def settle(self, run: Run) -> None:
        """Store what waits, too, since the job may end now. If it does not, that is stored again as it comes out.

        Raises `QueueError` when the queue cannot take it.
        """
        id, attempt = run.record.id, run.record.attempt
        await asyncio.gather(*(self._feed.chunk(id, attempt, n, value) for n, value in run.waiting_chunks()))

    def _store(self, run: Run, n: int, value: bytes) -> None:
        weight, task = len(value) + CHUNK_WEIGHT, self._later(self._write(run, n, value))
        if run.telling is not None:
            run.telling.chunk(value)
        run.writes.add(task)
        task.add_done_callback(lambda task: self._written(run, task, weight))
        run.unwritten_size += weight
        if run.unwritten_size > MOST_UNWRITTEN:
            run.worker.pause()

    async def _write(self, run: Run, n: int, value: bytes) -> None:
        try:
            await self._feed.chunk(run.record.id, run.record.attempt, n, value)
        except QueueError as error:
            run.unwritten = run.unwritten or error

    def _written(self, run: Run, task: asyncio.Task[None], weight: int) -> None:
        run.writes.discard(task)
        run.unwritten_size -= weight
        if run.unwritten_size <= MOST_UNWRITTEN // 2:
            run.worker.resume()

    async def output(
        self, run: Run, frame: JobEnd, *, whole: bool
    ) -> tuple[Status, bytes | None, str | None]:
        """Status, output and error of a generator: the list of what was stored, unless not the `whole`
        is wanted."""
        status, error = frame.status, frame.error
        if run.writes:
            await asyncio.wait(run.writes)
        if run.unwritten is not None and status is Status.COMPLETED:
            return Status.FAILED, None, f"a chunk of the output could not be stored: {run.unwritten}"
        if not whole or not frame.chunks:
            return status, (b"[]" if status is Status.COMPLETED else frame.output), error
        id, attempt = run.record.id, run.record.attempt
        chunks = await stubbornly(f"the output of job {id}", lambda: self._feed.chunks(id, attempt))
        return status, joined(chunks), error

    def _progress(self, run: Run, value: bytes) -> None:
        """Show a value meanwhile. Of those that come while one is being stored, the last counts."""
        run.progress = value
        if run.telling is not None:
            run.telling.progress(value)
        if not run.showing:
            run.showing = True
            self._later(self._show(run))

    async def _show(self, run: Run) -> None:
        try:
            while (value := run.progress) is not None and not run.over:
                run.progress = None
                await self._feed.progress(run.record.id, run.record.attempt, value)
        finally:
            run.showing = False


def _claimed(telling: Telling, settled: asyncio.Future[None]) -> None:
    if not settled.cancelled() and settled.exception() is None:
        telling.claimed()
