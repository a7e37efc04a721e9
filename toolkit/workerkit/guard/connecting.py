"""Connections of urllib3 that go only where a guard lets them.

urllib3 is not imported here: the settings import this package, and it takes longer than all the rest.
"""

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from workerkit.guard.resolving import Unresolved
from workerkit.guard.url import parse

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection

    from workerkit.guard.guard import Guard
    from workerkit.guard.resolving import Address

    Kind = TypeVar("Kind", bound=HTTPConnection)

#: Seconds for the look-up and the connection, where a connection sets none.
CONNECT_TIMEOUT = 10.0


def guarded(kind: type[Kind], guard: Guard) -> type[Kind]:
    """A kind of urllib3 connection that connects to the addresses that `guard` lets pass, and to no other.

        class Pool(urllib3.HTTPSConnectionPool):
            ConnectionCls = guarded(urllib3.connection.HTTPSConnection, guard)

    The host is resolved once for each connection, and its TLS certificate must still be that of the
    name. Look-up and connection together may take the connection's own connect timeout, in seconds, and
    every address has its share of that. Connecting raises `Blocked`, or what urllib3 raises for a host
    that cannot be reached; a connection through a proxy, whose address would be checked in place of the
    host's, raises ValueError. TypeError when `kind` is no connection that can be guarded.
    """
    if not hasattr(kind, "_new_conn"):
        raise TypeError(f"{kind!r} is no connection class of urllib3 2")
    return type(f"Guarded{kind.__name__}", (_Guarded, kind), {"_guard": guard})


class _Guarded:
    """Stands before a connection class, whose other methods go on as they are."""

    _guard: ClassVar[Guard]

    def _new_conn(self: Any) -> socket.socket:
        """The socket that urllib3 speaks through, TLS or not."""
        from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

        if self.proxy is not None:
            raise ValueError("a guarded connection goes through no proxy")
        scheme = "https" if self.default_port == 443 else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        seconds = self.timeout if isinstance(self.timeout, (int, float)) else CONNECT_TIMEOUT
        end = time.monotonic() + seconds
        try:
            addresses = self._guard.addresses(parse(f"{scheme}://{host}:{self.port}"), seconds)
            sock: socket.socket = self._first_of(addresses, end)
        except Unresolved as exc:
            raise NewConnectionError(self, str(exc)) from exc
        except TimeoutError as exc:
            raise ConnectTimeoutError(self, f"not connected within {seconds:g} s") from exc
        except OSError as exc:
            raise NewConnectionError(self, exc.strerror or str(exc)) from exc
        sys.audit("http.client.connect", self, self.host, self.port)
        sock.settimeout(self.timeout)
        return sock

    def _first_of(self: Any, addresses: tuple[Address, ...], end: float) -> socket.socket:
        """A connection to the first address that answers; a silent one leaves time for the others."""
        failure: OSError = TimeoutError()
        for place, address in enumerate(addresses):
            share = (end - time.monotonic()) / (len(addresses) - place)
            try:
                connected: socket.socket = self._connected(address, max(share, 0.001))
            except OSError as exc:
                failure = exc
                continue
            return connected
        raise failure

    def _connected(self: Any, address: Address, seconds: float) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(seconds)
            if self.source_address:
                sock.bind(self.source_address)
            sock.connect(address.sockaddr)
        except BaseException:
            sock.close()
            raise
        return sock
