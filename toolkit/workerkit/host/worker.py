"""A worker as the host sees it: the host's end of the wire, and the state that its frames make."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast

import attrs
import msgspec

from workerkit.host.process import WorkerProcess
from workerkit.job import Request, Result, Status
from workerkit.queue import Record
from workerkit.redaction import Redactor
from workerkit.wire import (
    PROTOCOL,
    Assign,
    Chunk,
    Descriptor,
    Drain,
    Frame,
    Hello,
    JobEnd,
    Progress,
    Ready,
    Start,
    Unfit,
    Unpacker,
    decode_to_host,
    pack,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Seconds to wait for the end of a dead worker's wire; a stray grandchild may hold it open.
WIRE_END_WAIT = 0.5
#: How long after a job's end, in seconds, and of how many such jobs, output is searched for secrets.
LATE_OUTPUT, LATE_REDACTORS = 2.0, 64


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
    #: How long it took, once it is over, as its worker measured it.
    seconds: float | None = None
    #: The job has ended, or gone back, without this run; what it still says is ignored.
    over: bool = False

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


class Owner(Protocol):
    """Who hears of a worker: the pool it belongs to."""

    def on_hello(self, worker: Worker, functions: list[Descriptor]) -> None:
        """It has imported the target, which holds these functions."""

    def on_ready(self, worker: Worker) -> None:
        """Its slots are open."""

    def on_chunk(self, worker: Worker, frame: Chunk) -> None:
        """A run has yielded."""

    def on_progress(self, worker: Worker, frame: Progress) -> None:
        """A run has something to show."""

    def on_end(self, worker: Worker, frame: JobEnd) -> None:
        """A run is over, and its slot is free."""

    def on_death(self, worker: Worker) -> None:
        """The process is gone, and nothing more will come from it."""


class Worker(asyncio.Protocol):
    """One worker process and what is known of it."""

    def __init__(self, id: str, owner: Owner) -> None:
        self.id = id
        self.owner = owner
        self.endpoint = ""
        self.ready = False
        self.was_ready = False
        #: It was asked to end in good order.
        self.drained = False
        #: Set when it takes nothing more: it is being refreshed, drained or killed.
        self.leaving = False
        #: Why the host killed it; empty when it was not the host.
        self.killed_for = ""
        #: What it did wrong that it had to be killed for.
        self.fault = ""
        #: Why it cannot serve, in its own words.
        self.unfit = ""
        #: Slots in use, by number.
        self.busy: dict[int, Run] = {}
        self.process: WorkerProcess
        self._transport: asyncio.Transport | None = None
        self._paused = False
        #: Lines come late: output is read beside the wire.
        self._redactors: deque[Redactor] = deque(maxlen=LATE_REDACTORS)
        #: Kills it when it is not ready in time.
        self.starting: asyncio.TimerHandle | None = None
        self._unpacker = Unpacker()
        #: Its death has been reported to whoever owned it then.
        self.gone = False

    async def start(
        self, first: Start, environment: Mapping[str, str], on_line: Callable[[str], str]
    ) -> None:
        """Start the process and say what it shall load. Death is reported to the owner, once."""
        self.process = await WorkerProcess.start(environment, on_line)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self, sock=self.process.wire)
        self.process.ended.add_done_callback(self._died)
        self.send(first)

    def take(self, number: int, run: Run) -> None:
        """Let a slot run a job. What was printed before it is no concern of a job that runs alone."""
        if not self.busy:
            self.process.tail.clear()
        if run.redactor is not None:
            self._redactors.append(run.redactor)
        self.busy[number] = run

    def left(self, run: Run) -> None:
        """A run is over; what it printed may still be on its way."""
        if run.redactor is not None:
            asyncio.get_running_loop().call_later(LATE_OUTPUT, self._forget, run.redactor)

    def _forget(self, redactor: Redactor) -> None:
        with contextlib.suppress(ValueError):  # pushed out by later ones
            self._redactors.remove(redactor)

    def assign(self, endpoint: str, slots: int) -> None:
        """Have it serve a function."""
        self.endpoint = endpoint
        self.send(Assign(endpoint, slots))

    def send(self, frame: Frame) -> None:
        """Write a frame; a worker that is gone does not read it, and its death says the rest."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack(frame))

    def pause(self) -> None:
        """Read nothing more for now; a worker that goes on sending blocks."""
        if self._transport is not None and not self._paused:
            self._transport.pause_reading()
            self._paused = True

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and self._paused:
            self._transport.resume_reading()
            self._paused = False

    def drain(self) -> None:
        """Let it end in good order: it takes nothing more."""
        self.leaving = self.drained = True
        self.send(Drain())

    def kill(self, reason: str) -> None:
        """End it at once, because of `reason`."""
        self.leaving = True
        self.killed_for = self.killed_for or f"was killed because {reason}"
        self.process.kill()

    @property
    def how_it_ended(self) -> str:
        """A phrase for the log and for the error of the job that it ran."""
        return self.killed_for or self.fault or self.process.how_it_ended()

    def redacted(self, line: str) -> str:
        """A printed line without the secrets of the jobs that run, or ran of late, in this worker."""
        for redactor in self._redactors:
            line = redactor.text(line)
        return line

    def _died(self, _: asyncio.Future[int]) -> None:
        """The process is gone; what it still said is read before anybody hears of its death."""
        self.ready = False
        self.leaving = True
        if self._transport is None:
            self._report()
        else:
            asyncio.get_running_loop().call_later(WIRE_END_WAIT, self._report)

    def _report(self) -> None:
        if not self.gone:
            self.gone = True
            if self._transport is not None:
                self._transport.close()
            self.owner.on_death(self)

    def _wire_without_end(self) -> None:
        """The wire was closed and the process lives on: nobody can use it any more."""
        if not self.process.ended.done() and not self.drained:
            self.misbehaved("closed its wire")

    def misbehaved(self, what: str) -> None:
        """It is killed, and unlike a worker that the host kills for its own ends, it is to blame."""
        log.error("worker %s %s and is killed", self.id, what)
        self.fault = self.fault or what
        self.leaving = True
        self.process.kill()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The wire is open."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no such base

    def connection_lost(self, error: Exception | None) -> None:
        """The wire is closed: the process is gone, or it must go."""
        self._transport = None
        if self.process.ended.done():
            self._report()
        else:
            asyncio.get_running_loop().call_later(WIRE_END_WAIT, self._wire_without_end)

    def data_received(self, data: bytes) -> None:
        """Frames, in order. A worker that speaks nonsense is killed; its jobs are not lost."""
        try:
            for body in self._unpacker.feed(data):
                self._received(decode_to_host(body))
        except (ValueError, msgspec.MsgspecError) as error:
            self.misbehaved(f"sent what is no frame ({error})")

    def _received(self, frame: Frame) -> None:
        match frame:
            case JobEnd():
                self.owner.on_end(self, frame)
            case Chunk():
                self.owner.on_chunk(self, frame)
            case Progress():
                self.owner.on_progress(self, frame)
            case Hello():
                self._introduced(frame)
            case Ready():
                self.ready = self.was_ready = True
                self.owner.on_ready(self)
            case Unfit():
                self.unfit = frame.reason

    def _introduced(self, hello: Hello) -> None:
        if hello.protocol == PROTOCOL:
            self.owner.on_hello(self, hello.functions)
        else:
            self.unfit = f"it speaks protocol {hello.protocol}, the host {PROTOCOL}; is it another version?"
            self.kill("it cannot serve")
