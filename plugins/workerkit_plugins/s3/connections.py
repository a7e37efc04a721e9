"""Connections that can be cut: all of a client at its end, and one whose answer does not come in time.

A timeout of a socket begins again with every byte, so that an endpoint may drip its answer for ever.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar
from weakref import WeakSet


class OpenSockets:
    """Those of one client. Threads may share it."""

    def __init__(self) -> None:
        self._open: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()
        self.is_cut = False

    def add(self, sock: socket.socket) -> None:
        """One more, which is cut with the others."""
        with self._lock:
            self._open.add(sock)
            is_late = self.is_cut
        if is_late:
            _cut(sock)

    def cut(self) -> None:
        """End whatever is on its way, now and from now on."""
        with self._lock:
            self.is_cut = True
            left = list(self._open)
        for sock in left:
            _cut(sock)


def cuttable(kind: type[Any], sockets: OpenSockets) -> type[Any]:
    """A kind of urllib3 connection whose sockets are among `sockets`, and whose read timeout is a head's, whole."""
    return type(f"Cuttable{kind.__name__}", (_Cuttable, kind), {"_sockets": sockets})


class _Cuttable:
    """Stands before a connection class, whose other methods go on as they are."""

    _sockets: ClassVar[OpenSockets]

    def connect(self: Any) -> None:
        super().connect()  # type: ignore[misc]
        self._sockets.add(self.sock)

    def getresponse(self: Any) -> Any:
        """Raises TimeoutError when the head is not there in time.

        The response has a method `cutting`, which is that for its body.
        """
        sock = self.sock
        with _cutting(sock, self.timeout):
            response = super().getresponse()  # type: ignore[misc]
        response.cutting = partial(_cutting, sock)
        return response


@contextlib.contextmanager
def _cutting(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Cut a connection that a block reads for longer; raises TimeoutError then, whatever the block does."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        _cut(sock)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if late.is_set():
            raise TimeoutError("timed out") from None
        raise
    finally:
        timer.cancel()
    if late.is_set():  # the end of a connection is taken for that of a head, or a body
        raise TimeoutError("timed out")


def _cut(sock: socket.socket) -> None:
    """Not by the method of a TLS socket, which would go on in plain text."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
