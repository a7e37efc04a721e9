"""The operating system's side of a worker: its process, its group, its pipes and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping

from workerkit import deathpipe
from workerkit.host.tree import MARK, Tree

log = logging.getLogger(__name__)

#: Seconds to wait for a dead worker's last words; a stray grandchild may hold the pipe open.
LAST_WORDS_WAIT = 0.5
#: `-m workerkit.worker` where no `queue.py` in the working directory shadows what the worker itself imports.
MODULE = (
    ("-P", "-m", "workerkit.worker")
    if sys.version_info >= (3, 11)
    else ("-c", "import sys; del sys.path[0]; from workerkit.worker.__main__ import main; main()")
)


class WorkerProcess:
    """A started `python -m workerkit.worker` in a session of its own.

    The worker holds one end of `wire` and the reading end of a pipe whose writing end is ours: when
    this process is gone, the pipe closes and the worker is ended.
    """

    def __init__(self, process: subprocess.Popen[bytes], tree: Tree, wire: socket.socket, death: int) -> None:
        self.pid = process.pid
        self.wire = wire
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = loop.create_future()
        self._drained: asyncio.Future[None] = loop.create_future()
        self._process = process
        self._tree = tree
        self._death = death

    @classmethod
    async def start(cls, environment: Mapping[str, str], on_output: Callable[[bytes], None]) -> WorkerProcess:
        """Start a worker and watch it; what it prints goes to `on_output`, and nothing when no more comes."""
        with contextlib.ExitStack() as undo:
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            with theirs:
                reading, writing = os.pipe()
                undo.callback(os.close, writing)
                command = [sys.executable, *MODULE, "--wire", str(theirs.fileno()), "--death", str(reading)]
                try:
                    process, tree = await asyncio.to_thread(
                        _start, command, environment, theirs.fileno(), reading
                    )
                finally:
                    os.close(reading)
            undo.callback(_beside, _abandon, process, tree)
            ours.setblocking(False)
            self = cls(process, tree, ours, writing)
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


def _start(
    command: list[str], environment: Mapping[str, str], wire: int, death: int
) -> tuple[subprocess.Popen[bytes], Tree]:
    """Start the process; arm its death pipe, and mark it before it can have started anything itself."""
    mark = secrets.token_hex(8)
    process = subprocess.Popen(  # noqa: S603 - our own command
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(wire, death),
        env={**environment, MARK: mark},
        start_new_session=True,
    )
    try:
        deathpipe.arm(death, process.pid)
    except BaseException:  # nobody would end it
        with process:
            process.kill()
        raise
    return process, Tree(process.pid, mark)


def _abandon(process: subprocess.Popen[bytes], tree: Tree) -> None:
    """End a process that cannot be watched."""
    with process:  # closes its output, and waits for its end
        tree.end(last=True)
        process.kill()


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
