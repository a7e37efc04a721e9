"""One run of a job, from its claim to its end, as the host keeps it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from workerkit.job import Request, Result, Status
from workerkit.queue import Record
from workerkit.redaction import Redactor

if TYPE_CHECKING:
    from workerkit.host.events import Telling
    from workerkit.host.worker import Worker

T = TypeVar("T")


@attrs.define(eq=False)
class Run:
    """A job that a worker has, or had."""

    record: Record
    request: Request
    worker: Worker
    started: float
    redactor: Redactor | None = None
    timer: asyncio.TimerHandle | None = None
    #: Chunks on their way to the disk, and why one of them did not get there.
    writes: set[asyncio.Task[Any]] = attrs.field(factory=set)
    unwritten: Exception | None = None
    #: Bytes of all chunks so far, and of those that are on their way.
    size: int = 0
    unwritten_size: int = 0
    #: The latest progress that is not being stored yet, and whether an earlier one is.
    progress: bytes | None = None
    showing: bool = False
    #: What plugins are told of it meanwhile, when one wants to hear of it.
    telling: Telling | None = None
    #: How long it took, once it is over, as its worker measured it.
    seconds: float | None = None
    #: The job has ended, or gone back, without this run; what it still says is ignored.
    over: bool = False
    #: It was told to stop.
    stopped: bool = False

    def clean(self, value: T) -> T:
        """What came out of the run, without its secrets."""
        return value if self.redactor is None else self.redactor.tree(value)

    def result(self, status: Status, **known: Any) -> Result:
        """The end of this run, with its times."""
        record = self.record
        seconds = time.monotonic() - self.started if self.seconds is None else self.seconds
        return Result(
            status=status,
            attempt=record.attempt,
            delay_time=(record.started_at or record.submitted_at) - record.submitted_at,
            execution_time=int(seconds * 1000),
            worker_id=self.worker.id,
            **self.clean(known),
        )
