"""The operating system's side of a worker: its process, its group, its pipes and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping

#: How much of a worker's last words is kept for the error of the job that it ran.
TAIL_LINES = 40
LAST_WORDS_WAIT = 0.5
#: `-m workerkit.worker` where no `queue.py` in the working directory shadows what the worker itself imports.
MODULE = (
    ("-P", "-m", "workerkit.worker")
    if sys.version_info >= (3, 11)
    else ("-c", "import sys; del sys.path[0]; from workerkit.worker.__main__ import main; sys.exit(main())")
)
LINE_LIMIT = 64 * 1024


class WorkerProcess:
    """A started `python -m workerkit.worker` in a session of its own.

    The worker holds one end of `wire` and the reading end of a pipe whose writing end is ours: when
    this process is gone, the pipe closes and the worker ends itself.
    """

    def __init__(self, process: subprocess.Popen[bytes], wire: socket.socket, death: int) -> None:
        self.pid = process.pid
        self.wire = wire
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = loop.create_future()
        self._drained: asyncio.Future[None] = loop.create_future()
        self._process = process
        self._death = death

    @classmethod
    async def start(cls, environment: Mapping[str, str], on_line: Callable[[str], str]) -> WorkerProcess:
        """Start a worker and watch it; each line that it prints goes to `on_line`, and is
        remembered as that returns it."""
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        command = [sys.executable, *MODULE, "--wire", str(theirs.fileno()), "--death", str(reading)]
        try:
            process = await asyncio.to_thread(
                subprocess.Popen,
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(), reading),
                env=dict(environment),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            os.close(writing)
            raise
        finally:
            theirs.close()
            os.close(reading)
        ours.setblocking(False)
        self = cls(process, ours, writing)
        await self._watch(on_line)
        return self

    async def _watch(self, on_line: Callable[[str], str]) -> None:
        loop = asyncio.get_running_loop()
        assert self._process.stdout is not None
        # uvloop closes the descriptor and then the file object; only one of the two may do it, or the
        # second hits whoever was given the number in between.
        output = open(os.dup(self._process.stdout.fileno()), "rb", 0, closefd=False)  # noqa: SIM115, ASYNC230
        self._process.stdout.close()
        await loop.connect_read_pipe(lambda: _Lines(self.tail, on_line, self._drained), output)
        if hasattr(os, "pidfd_open"):
            descriptor = os.pidfd_open(self.pid)
            loop.add_reader(descriptor, self._reap_and_close, descriptor)
        else:
            threading.Thread(target=self._wait, args=(loop,), daemon=True).start()

    def _reap_and_close(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        self.kill()  # what the leader left in its group, while the leader's id cannot be anybody else's
        self._ended(self._process.wait())

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        code = self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._ended, code)

    def _ended(self, code: int) -> None:
        with contextlib.suppress(OSError):
            os.close(self._death)
        self.ended.set_result(code)

    def kill(self) -> None:
        """End the process and its group at once."""
        if self.ended.done():
            return  # its id may be somebody else's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def last_words(self) -> str:
        """What it printed last, once that has arrived; a stray grandchild may hold the pipe open."""
        await asyncio.wait({self._drained}, timeout=LAST_WORDS_WAIT)
        return "\n".join(self.tail)

    def how_it_ended(self) -> str:
        """A phrase such as `was killed by SIGSEGV` or `exited with code 1`."""
        code = self.ended.result()
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"exited with code {code}"


class _Lines(asyncio.Protocol):
    """Cuts what a worker prints into lines, so that a full pipe never blocks a handler."""

    def __init__(
        self, tail: deque[str], on_line: Callable[[str], str], drained: asyncio.Future[None]
    ) -> None:
        self._tail = tail
        self._drained = drained
        self._on_line = on_line
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._emit(line)

    def connection_lost(self, error: Exception | None) -> None:
        if self._rest:
            self._emit(self._rest)
            self._rest = b""
        if not self._drained.done():
            self._drained.set_result(None)

    def _emit(self, line: bytes) -> None:
        text = line[:LINE_LIMIT].decode("utf-8", "replace").rstrip("\r")
        self._tail.append(self._on_line(text))
