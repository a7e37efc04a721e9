"""A deadline for a whole exchange, which no peer can stretch by sending a little at a time.

A socket's time-out bounds one call, not their sum. So before each call these sockets see that it is what is
left; one call to send all is bounded as a whole, with TLS too. When nothing is left they raise, so that an answer which was cut can never pass for a complete one.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Deadline:
    """A moment, so many seconds from when it is made."""

    def __init__(self, seconds: float) -> None:
        self._started = time.monotonic()
        self._end = self._started + seconds

    @property
    def left(self) -> float:
        """Seconds until then; raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("time is up")
        return left

    @property
    def ms(self) -> int:
        """Milliseconds since it was made."""
        return round((time.monotonic() - self._started) * 1000)


class TimedSocket(socket.socket):
    """A socket of which `deadline` bounds all that is sent and received. It is set anew for each exchange."""

    deadline: Deadline

    def bound(self) -> None:
        """Have the next call end when time is up, or at most a hundredth of what is left later.

        To set a time-out is a system call; one that is nearly right was set by the call before.
        """
        left = self.deadline.left
        if not left <= (self.gettimeout() or 0.0) <= 1.01 * left:
            self.settimeout(left)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive what has come, waiting for no longer than is left."""
        self.bound()
        return super().recv(buflen, flags)

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send all, within what is left."""
        self.bound()
        super().sendall(data, flags)


class TimedTlsSocket(TimedSocket, ssl.SSLSocket):
    """The same with TLS, made by a context of `tls_context`."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, within what is left."""
        self.bound()
        super().do_handshake(block)


def tls_context() -> ssl.SSLContext:
    """TLS 1.2 or newer with the certificates that this machine trusts."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = TimedTlsSocket
    return context
