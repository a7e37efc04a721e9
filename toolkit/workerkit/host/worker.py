"""A worker as the host sees it: the host's end of the wire, and the state that its frames make."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import msgspec

from workerkit.host.output import WorkerOutput
from workerkit.host.owner import Listener, Owner
from workerkit.host.printed import Logbook
from workerkit.host.process import WorkerProcess
from workerkit.host.run import Run
from workerkit.wire import (
    PROTOCOL,
    Assign,
    Descriptor,
    Drain,
    Frame,
    Hello,
    Hidden,
    Hide,
    JobEnd,
    News,
    Ready,
    Refresh,
    Resize,
    Start,
    Unfit,
    Unpacker,
    decode_to_host,
    pack,
)

if TYPE_CHECKING:
    from workerkit.host.agency import Plan

log = logging.getLogger(__name__)

#: Seconds to wait for the end of a dead worker's wire; a stray grandchild may hold it open.
WIRE_END_WAIT = 0.5
#: Seconds that a worker has to end before it is killed: for `worker_stop`, and for its exit functions
#: when it cannot serve. One of those may wait for a child for ever.
LEAVE_GRACE, UNFIT_GRACE = 10.0, 1.0


class Worker(asyncio.Protocol):
    """One worker process and what is known of it."""

    def __init__(self, id: str, owner: Owner, book: Logbook) -> None:
        self.id = id
        self.owner = owner
        self.listener: Listener | None = None
        self.endpoint = ""
        self.ready = False
        self.was_ready = False
        #: It was asked to end in good order.
        self.drained = False
        #: Set when it takes nothing more: it is being refreshed, drained or killed.
        self.leaving = False
        #: Set when it takes nothing more, and goes when it is its turn to be refreshed.
        self.retiring = False
        #: Why the host killed it; empty when it was not the host.
        self.killed_for = ""
        #: What it did wrong that it had to be killed for.
        self.fault = ""
        #: Why it cannot serve, in its own words; and whether another try may do.
        self.unfit = ""
        self.passing = False
        #: By what it was told what to load, and what it found there; in which round of starts that was.
        self.plan: Plan | None = None
        self.round = 0
        self.functions: list[Descriptor] | None = None
        #: The GPU that it has, and the worker that it takes over from.
        self.device: str | None = None
        self.predecessor: Worker | None = None
        #: How many jobs it takes at a time, how many of its slots have been opened, and how many runs
        #: have begun in it.
        self.slots = 0
        self.opened = 0
        self.begun = 0
        #: Runs that are over, and whose ends are not stored yet.
        self.unsettled = 0
        #: When it last had nothing to do, in seconds of the monotonic clock.
        self.idle_since = 0.0
        #: Slots in use, by number.
        self.busy: dict[int, Run] = {}
        self.process: WorkerProcess
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self.output = WorkerOutput(id, book)
        #: Kills it when it is not ready in time.
        self.starting: asyncio.TimerHandle | None = None
        self._unpacker = Unpacker()
        #: Its death has been reported to whoever owned it then.
        self.gone = False

    @property
    def idle(self) -> bool:
        """Whether it is ready, and has nothing to do or to say."""
        return self.ready and not self.busy and not self.unsettled

    @property
    def understudy(self) -> bool:
        """Whether it gets ready to take over from one that still goes on."""
        before = self.predecessor
        return before is not None and not before.leaving and not before.gone

    @property
    def fresh(self) -> bool:
        """Whether it can take jobs and none has run in it."""
        return self.ready and not self.begun and not self.retiring

    @property
    def serves(self) -> bool:
        """Whether it can take jobs, or has some."""
        return self.ready and (bool(self.busy) or not (self.retiring or self.leaving))

    @property
    def full(self) -> bool:
        """Whether it has a job in every slot."""
        return len(self.busy) >= self.slots > 0

    @property
    def waits(self) -> bool:
        """Whether it has loaded, and cannot start before a job is over in the one that it takes over from."""
        before = self.predecessor
        loaded = self.functions is not None and not self.slots
        return loaded and before is not None and before.leaving and bool(before.busy)

    async def launch(self, environment: Mapping[str, str]) -> None:
        """Start the process; it waits to be told what to load. Death is reported to the owner, once."""
        self.process = await WorkerProcess.start(environment, self.output.read)
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self, sock=self.process.wire)
        self.process.ended.add_done_callback(self._died)

    def begin(self, start: Start) -> None:
        """Say what it shall load."""
        self.output.marked_by(start.tag)
        self.send(start)

    def take(self, number: int, run: Run) -> None:
        """Let a slot run a job."""
        self.output.began(run, alone=not self.busy, only=self.slots == 1)
        self.begun += 1
        self.busy[number] = run

    def left(self, run: Run) -> None:
        """A run is over; what it printed may still be on its way."""
        self.output.ended(run)
        if not self.busy:
            self.idle_since = time.monotonic()

    def assign(self, endpoint: str, slots: int) -> None:
        """Have it serve a function."""
        self.endpoint, self.slots = endpoint, slots
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
        """Let it end in good order: it takes nothing more, and has a while for `worker_stop`."""
        self.leaving = self.drained = True
        self.send(Drain())
        asyncio.get_running_loop().call_later(LEAVE_GRACE, self._overdue, LEAVE_GRACE)

    def _overdue(self, seconds: float) -> None:
        if not self.gone:
            log.warning("%s did not leave within %g s and is killed", self.id, seconds, extra=self.about)
            self.kill(f"it did not leave within {seconds:g} s")

    def kill(self, reason: str) -> None:
        """End it at once, because of `reason`."""
        self.leaving = True
        self.killed_for = self.killed_for or f"was killed because {reason}"
        self.process.kill()

    @property
    def how_it_ended(self) -> str:
        """A phrase for the log and for the error of the job that it ran."""
        return self.killed_for or self.fault or self.process.how_it_ended()

    def why_not_ready(self, target: str = "the target") -> str:
        """Why it never got ready, and how far it got when it just died."""
        how = self.how_it_ended
        if self.functions is None and not self.killed_for:
            how = f"{how} while it imported {target}"
        return self.unfit or how

    @property
    def about(self) -> dict[str, str]:
        """What a log record says of it beside its message."""
        return {"worker": self.id, "endpoint": self.endpoint} if self.endpoint else {"worker": self.id}

    async def last_words(self, run: Run) -> str:
        """What it printed last, without what other runs did, once that has arrived."""
        await self.process.drained()
        return self.output.tail(run)

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
            if self.drained and not self.killed_for and self.process.ended.result():
                log.warning("%s %s as it left", self.id, self.how_it_ended, extra=self.about)
            if self._transport is not None:
                self._transport.close()
            self.owner.on_death(self)

    def _wire_without_end(self) -> None:
        """The wire was closed and the process lives on: nobody can use it any more."""
        if not self.process.ended.done() and not self.drained:
            self.misbehaved("closed its wire")

    def misbehaved(self, what: str) -> None:
        """It is killed, and unlike a worker that the host kills for its own ends, it is to blame."""
        log.error("worker %s %s and is killed", self.id, what, extra=self.about)
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
            case JobEnd() if self.listener is not None:
                self.listener.on_end(self, frame)
            case Hide():
                self.output.hide(frame)
                self.send(Hidden(frame.number))
            case News() if self.listener is not None:
                self.listener.on_news(frame)
            case Hello():
                self._introduced(frame)
            case Ready():
                self.ready = self.was_ready = True
                self.idle_since = time.monotonic()
                self.owner.on_ready(self)
            case Refresh():
                self.owner.on_refresh(self, frame)
            case Resize():
                self.owner.on_resize(self, frame)
            case Unfit():
                self.unfit, self.passing = frame.reason, frame.passing
                asyncio.get_running_loop().call_later(UNFIT_GRACE, self._overdue, UNFIT_GRACE)

    def _introduced(self, hello: Hello) -> None:
        if hello.protocol == PROTOCOL:
            self.functions = hello.functions
            self.owner.on_hello(self, hello.functions)
        else:
            self.unfit = f"it speaks protocol {hello.protocol}, the host {PROTOCOL}; is it another version?"
            self.kill("it cannot serve")
