"""Telling plugins of running jobs: in order, seldom enough, and never in a job's way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from workerkit.delivery import Delivery
from workerkit.event import EventKind, JobEvent
from workerkit.hooks import Hooks
from workerkit.host.status import running_body
from workerkit.host.tasks import background

if TYPE_CHECKING:
    from workerkit.host.run import Run

#: Seconds between two events of one job that tell of outputs.
INTERVAL = 0.5
#: Bytes of chunks that wait to be told; above it the oldest are left out.
MOST_WAITING = 4_000_000

Send = Callable[[Delivery], Awaitable[bool]]


class Events:
    """Makes the telling of each run that a plugin wants to hear of. `send` tries a delivery once."""

    def __init__(self, hooks: Hooks, send: Send, clock: Callable[[], int]) -> None:
        self.hooks = hooks
        self.send = send
        self.clock = clock

    def of(self, run: Run) -> Telling | None:
        """The telling of a run that begins; None when nobody wants to hear of it."""
        return Telling(self, run) if self.hooks.wants_events(run.request) else None


class Telling:
    """What is told of one run, by one task that lives while there is something to tell."""

    def __init__(self, events: Events, run: Run) -> None:
        self._events = events
        self._run = run
        self._started = False
        self._number = 0
        self._progress: bytes | None = None
        self._news = False
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._ended = asyncio.Event()
        self._claimed = False
        self._task: asyncio.Task[None] | None = None

    def claimed(self) -> None:
        """The claim of the run is stored: from now on there is something to tell."""
        self._claimed = True
        self._go_on()

    def chunk(self, value: bytes) -> None:
        """The run has yielded."""
        self._chunks.append(value)
        self._waiting += len(value)
        while self._waiting > MOST_WAITING and len(self._chunks) > 1:
            self._waiting -= len(self._chunks.popleft())
        self._go_on()

    def progress(self, value: bytes) -> None:
        """The run has something else to show."""
        self._progress, self._news = value, True
        self._go_on()

    def end(self) -> None:
        """The run is over: what is not told yet is left to the end of the job."""
        self._ended.set()

    def _go_on(self) -> None:
        if self._claimed and self._task is None and not self._ended.is_set():
            self._task = background(self._tell(), f"events of job {self._run.record.id}")

    async def _tell(self) -> None:
        try:
            if not self._started:
                self._started = True
                await self._say("start", None, [])
            while (self._chunks or self._news) and not self._ended.is_set():
                chunks, self._chunks, self._waiting, self._news = list(self._chunks), deque(), 0, False
                await self._say("output", self._progress, chunks)
                await self._pause()
        finally:
            self._task = None

    async def _say(self, kind: EventKind, progress: bytes | None, chunks: list[bytes]) -> None:
        self._number += 1
        record = self._run.record
        body = running_body(record, self._events.clock(), progress, chunks)
        event = JobEvent(kind=kind, attempt=record.attempt, number=self._number, body=body)
        for delivery in await self._events.hooks.job_event(self._run.request, event):
            if self._ended.is_set():
                return
            await self._events.send(_of(delivery, record.id, record.endpoint, event))

    async def _pause(self) -> None:
        """Until the next output may be told, or there will be none."""
        ended = asyncio.ensure_future(self._ended.wait())
        await asyncio.wait({ended}, timeout=INTERVAL)
        ended.cancel()


def _of(delivery: Delivery, job: str, endpoint: str, event: JobEvent) -> Delivery:
    """The delivery as `deliver` gets it, with what the queue would have filled in."""
    return attrs.evolve(
        delivery,
        body=event.body if delivery.body is None else delivery.body,
        attempts=1,
        id=f"msg_{job}_{event.attempt}_e{event.number}",
        job=job,
        job_attempt=event.attempt,
        endpoint=endpoint,
        number=1,
    )
