"""The operating system's side of a worker: its process, its group, its pipes and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable

from workerkit.host.launch import Launch

log = logging.getLogger(__name__)

#: Seconds to wait for a dead worker's last words; a stray grandchild may hold the pipe open.
LAST_WORDS_WAIT = 0.5


class WorkerProcess:
    """A worker's process that is watched."""

    def __init__(self, launch: Launch) -> None:
        self.pid = launch.process.pid
        self.wire = launch.wire
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = loop.create_future()
        self._drained: asyncio.Future[None] = loop.create_future()
        self._process = launch.process
        self._tree = launch.tree
        self._death = launch.death

    @classmethod
    async def watch(cls, launch: Launch, on_output: Callable[[bytes], None]) -> WorkerProcess:
        """Watch a worker that has been started."""
        launch.watched = True
        with contextlib.ExitStack() as undo:
            undo.callback(_beside, launch.abandon)
            launch.wire.setblocking(False)
            self = cls(launch)
            await self._watch(on_output)
            undo.pop_all()
        return self

    async def _watch(self, on_output: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        assert self._process.stdout is not None
        # uvloop closes the descriptor and then the file object; only one of the two may do it, or the
        # second hits whoever was given the number in between.
        output = open(os.dup(self._process.stdout.fileno()), "rb", 0, closefd=False)  # noqa: SIM115, ASYNC230
        self._process.stdout.close()
        try:
            await loop.connect_read_pipe(lambda: _Output(on_output, self._drained), output)
        except OSError:
            os.close(output.fileno())
            raise
        try:
            descriptor = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # another system, an old kernel or a sandbox
            threading.Thread(target=self._wait, args=(loop,), daemon=True).start()
        else:
            loop.add_reader(descriptor, self._exited, loop, descriptor)

    def _exited(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        _beside(self._bury, loop)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()  # its id is still nobody else's as long as its group has members
        self._bury(loop)

    def _bury(self, loop: asyncio.AbstractEventLoop) -> None:
        """The process has ended: end what it left behind, and only then say so."""
        try:
            if left := self._tree.end(last=True):
                log.info("worker process %d left %d others behind, which were killed", self.pid, left)
        finally:
            code = self._process.wait()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._ended, code)

    def _ended(self, code: int) -> None:
        with contextlib.suppress(OSError):
            os.close(self._death)
        self.ended.set_result(code)

    def kill(self) -> None:
        """End the process and whatever it has started; `ended` tells when all that is gone."""
        _beside(self._tree.end)

    async def drained(self) -> None:
        """Wait until all that it printed has arrived, but not for long."""
        await asyncio.wait({self._drained}, timeout=LAST_WORDS_WAIT)

    def how_it_ended(self) -> str:
        """A phrase such as `was killed by SIGSEGV` or `exited with code 1`."""
        code = self.ended.result()
        if code < 0:
            return f"was killed by {_signal_name(-code)}"
        return f"exited with code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _beside(work: Callable[..., object], *arguments: object) -> None:
    """Do what takes milliseconds in a thread, so that the event loop goes on."""
    try:
        threading.Thread(target=work, args=arguments, daemon=True).start()
    except RuntimeError:  # there is no thread to be had: a handler may have used up all processes
        work(*arguments)


class _Output(asyncio.Protocol):
    """Reads what a worker prints, so that a full pipe never blocks a handler."""

    def __init__(self, on_output: Callable[[bytes], None], drained: asyncio.Future[None]) -> None:
        self._drained = drained
        self._on_output = on_output

    def data_received(self, data: bytes) -> None:
        self._on_output(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._on_output(b"")
        if not self._drained.done():
            self._drained.set_result(None)
