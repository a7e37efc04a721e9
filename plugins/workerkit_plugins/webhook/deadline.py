"""A deadline for a whole exchange, which no peer can stretch by sending a little at a time.

Socket time-outs bound each read, not their sum. So a timer cuts the connection when time is up.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from types import TracebackType


class Deadline:
    """Time that runs out at a fixed moment, and cuts the sockets it was given when it does.

    A cut connection can look like a complete answer: ask `expired` before believing one.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._handle: socket.socket | None = None
        self.expired = False

    @property
    def remaining(self) -> float:
        """Seconds that are left; raises TimeoutError when none are."""
        left = self._end - time.monotonic()
        if self.expired or left <= 0:
            self.expired = True
            raise TimeoutError("time is up")
        return left

    def guard(self, sock: socket.socket) -> None:
        """Cut `sock` at the deadline, through a handle that outlives a TLS wrapper's taking it over."""
        sock.settimeout(self.remaining)
        self._handle = socket.socket(fileno=os.dup(sock.fileno()))
        self._timer = threading.Timer(self.remaining, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def _cut(self) -> None:
        with self._lock:
            self.expired = True
            if self._handle is not None:
                try:
                    self._handle.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # the peer was faster

    def __enter__(self) -> Deadline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None
