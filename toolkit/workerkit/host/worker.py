"""A worker as the host sees it: the host's end of the wire, and the state that its frames make."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from typing import cast

import msgspec

from workerkit.host.launch import Launch
from workerkit.host.owner import Owner
from workerkit.host.printed import Logbook
from workerkit.host.process import WorkerProcess
from workerkit.host.run import Run
from workerkit.host.standing import Standing
from workerkit.wire import (
    PROTOCOL,
    Assign,
    Drain,
    Frame,
    Hello,
    Hidden,
    Hide,
    JobEnd,
    News,
    Ready,
    Recall,
    Refresh,
    Resize,
    Start,
    Unfit,
    Unpacker,
    Untouched,
    decode_to_host,
    pack,
)

log = logging.getLogger(__name__)

#: Seconds to wait for the end of a dead worker's wire; a stray grandchild may hold it open.
WIRE_END_WAIT = 0.5
#: Bytes that are read at a time of what a dead worker has left on its wire.
RECEIVED = 65_536
#: Seconds that a worker has to end before it is killed: for `worker_stop`, and for its exit functions
#: when it cannot serve. One of those may wait for a child for ever.
LEAVE_GRACE, UNFIT_GRACE = 10.0, 1.0


class Worker(Standing, asyncio.Protocol):
    """One worker process and what is known of it."""

    def __init__(self, id: str, owner: Owner, book: Logbook) -> None:
        super().__init__(id, book)
        self.owner = owner
        self.process: WorkerProcess
        self._transport: asyncio.Transport | None = None
        #: What goes out at one go, since each write may wake the worker: set between `cork` and `uncork`.
        self._unsent: list[bytearray] | None = None
        self._paused = False
        #: Kills it when it is not ready in time.
        self.starting: asyncio.TimerHandle | None = None
        self._unpacker = Unpacker()

    async def launch(self, environment: Mapping[str, str], there: Launch | None = None) -> None:
        """Start the process, if it is not `there` already; it waits to be told what to load.

        Death is reported to the owner, once.
        """
        launch = await asyncio.to_thread(Launch, environment) if there is None else there
        await self.watch(await WorkerProcess.watch(launch, self.output.read))

    async def watch(self, process: WorkerProcess) -> None:
        """Hear what a process says, and of its end."""
        self.process = process
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self, sock=self.process.wire)
        self.process.ended.add_done_callback(self._died)

    def begin(self, start: Start) -> None:
        """Say what it shall load."""
        self.output.marked_by(start.tag)
        self.send(start)

    def recall(self) -> None:
        """Have it give back what has not begun."""
        if self.before:
            self.send(Recall())

    def assign(self, endpoint: str, slots: int) -> None:
        """Have it serve a function."""
        self.endpoint, self.slots = endpoint, slots
        self.elastic = any(known.elastic for known in self.functions or () if known.name == endpoint)
        self.send(Assign(endpoint, slots))

    def send(self, frame: Frame) -> None:
        """Write a frame; a worker that is gone does not read it, and its death says the rest."""
        if self._unsent is not None:
            self._unsent.append(pack(frame))
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack(frame))

    def cork(self) -> bool:
        """Keep what is sent from now on until `uncork`; False when it is kept already."""
        if self._unsent is None:
            self._unsent = []
            return True
        return False

    def uncork(self) -> None:
        """Write at one go what was kept."""
        frames, self._unsent = self._unsent, None
        if frames and self._transport is not None and not self._transport.is_closing():
            self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))

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
            if self._transport is not None:
                self._read_rest()
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
        if not self.gone:
            self.leaving = True
            self._read_rest()
        if self.process.ended.done():
            self._report()
        else:
            asyncio.get_running_loop().call_later(WIRE_END_WAIT, self._wire_without_end)

    def _read_rest(self) -> None:
        """Hear what it has said last, or jobs that it has ended would run again.

        A transport that cannot write reads nothing more, nor does one that has been paused.
        """
        with contextlib.suppress(OSError):  # there is nothing more, though another may hold the other end
            while data := self.process.wire.recv(RECEIVED):
                self.data_received(data)

    def data_received(self, data: bytes) -> None:
        """Frames, in order. A worker that speaks nonsense is killed; its jobs are not lost."""
        self.cork()
        try:
            for body in self._unpacker.feed(data):
                self._received(decode_to_host(body))
        except (ValueError, msgspec.MsgspecError) as error:
            self.misbehaved(f"sent what is no frame ({error})")
        finally:
            try:
                if self.listener is not None:
                    self.listener.heard()
            finally:
                self.uncork()

    def _received(self, frame: Frame) -> None:
        match frame:
            case JobEnd() if self.listener is not None:
                self.listener.on_end(self, frame)
            case Untouched() if self.listener is not None:
                self.listener.on_untouched(self, frame)
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
