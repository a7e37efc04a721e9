"""What the files of one input may have together, while several are on their way: bytes and time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from workerkit import JobFailed


class Stopped(Exception):
    """This file is not wanted any more: another one failed, or the job has ended."""


class Budget:
    """Counts bytes against `limit` and the clock against `seconds`. Threads share it."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.done = 0
        #: Of all files whose size somebody told.
        self.expected = 0
        self._limit = limit
        self._seconds = seconds
        self._begun = time.monotonic()
        self._stopped = False
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        """Seconds since the first file was asked for."""
        return time.monotonic() - self._begun

    @property
    def left(self) -> float:
        """Seconds that are left; raises TimeoutError when there are none."""
        left = self._seconds - self.elapsed
        if left <= 0:
            raise TimeoutError(
                f"it is not complete after {self._seconds:g} s, which is `timeout` under [plugin.files]"
            )
        return left

    def expect(self, size: int) -> None:
        """A file says that it has so many bytes. Raises `JobFailed` when that is too much."""
        with self._lock:
            self.expected += size
            self._check(self.expected)

    def add(self, size: int) -> None:
        """So many bytes have come. Raises `JobFailed` for too many, TimeoutError, or `Stopped`."""
        with self._lock:
            self.done += size
            self._check(self.done)
        self.check()

    def check(self) -> None:
        """Raise `Stopped` or TimeoutError when there is no use in going on."""
        if self._stopped:
            raise Stopped
        _ = self.left

    @contextmanager
    def waiting_on(self, sock: socket.socket) -> Iterator[None]:
        """What the block waits for on this socket ends when all is stopped."""
        with self._lock:
            self._sockets.add(sock)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._sockets.discard(sock)

    def stop(self) -> None:
        """Have everybody else stop, now."""
        with self._lock:
            self._stopped = True
            for sock in self._sockets:
                with suppress(OSError):
                    # Not TLS's own, which is for the thread that reads.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise JobFailed(
                f"the files of this input have more than {self._limit:,} bytes, "
                "which is `limit` under [plugin.files]"
            )
