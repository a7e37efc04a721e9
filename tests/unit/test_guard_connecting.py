"""Connections of urllib3 that a guard judges, over real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

from certificates import certificate, server_context
from receivers import OK, receiver, says
from workerkit.guard import Blocked, Guard, guarded
from workerkit.guard.resolving import Answers


class Names:
    """A resolver with the addresses of one name after the other."""

    def __init__(self, **addresses: str) -> None:
        self.asked: list[str] = []
        self._addresses = {name.replace("_", "."): found for name, found in addresses.items()}

    def __call__(self, host: str, port: int) -> Answers:
        self.asked.append(host)
        if host not in self._addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self._addresses[host].split()
        ]


def plain(guard: Guard, host: str, port: int, timeout: float | None = 5.0) -> HTTPConnection:
    return guarded(HTTPConnection, guard)(host, port, timeout=timeout)


def get(connection: HTTPConnection) -> int:
    try:
        connection.request("GET", "/x")
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_socket_goes_to_the_address_that_was_judged_and_the_request_names_the_host() -> None:
    names = Names(storage_test="127.0.0.1")
    with receiver(says(OK)) as server:
        status = get(plain(Guard(loopback=True, resolver=names), "storage.test", server.port))

    assert status == 200
    assert names.asked == ["storage.test"]
    assert f"Host: storage.test:{server.port}\r\n".encode() in server.requests[0]


def test_an_address_that_does_not_pass_is_not_connected_to() -> None:
    guard = Guard(resolver=Names(storage_test="127.0.0.1"))
    with receiver(says(OK)) as server:
        for host in ("storage.test", "127.0.0.1", "2130706433"):
            with pytest.raises(Blocked, match="a loopback address; allow it with `loopback = true`"):
                get(plain(guard, host, server.port))
    assert server.connections == 0


def test_each_connection_is_judged_anew() -> None:
    class Rebinding(Names):
        def __call__(self, host: str, port: int) -> Answers:
            self._addresses[host] = "169.254.169.254" if self.asked else "127.0.0.1"
            return super().__call__(host, port)

    guard = Guard(loopback=True, resolver=Rebinding())
    with receiver(says(OK)) as server:
        assert get(plain(guard, "storage.test", server.port)) == 200
        with pytest.raises(Blocked, match="a cloud metadata address"):
            get(plain(guard, "storage.test", server.port))
    assert server.connections == 1


def test_the_certificate_must_be_that_of_the_name(tmp_path: Path) -> None:
    files = certificate(tmp_path, "storage.test")
    guard = Guard(loopback=True, resolver=Names(storage_test="127.0.0.1", other_test="127.0.0.1"))
    asked: list[str | None] = []
    context = server_context(files)
    context.sni_callback = lambda sock, name, _: asked.append(name)
    trusting = ssl.create_default_context(cafile=str(files))

    with receiver(says(OK), context) as server:

        class Pool(urllib3.HTTPSConnectionPool):
            ConnectionCls = guarded(HTTPSConnection, guard)

        def fetch(host: str) -> int:
            with Pool(host, server.port, ssl_context=trusting, retries=False) as pool:
                return pool.request("GET", "/x").status

        assert fetch("storage.test") == 200
        with pytest.raises(SSLError, match=r"certificate is not valid for 'other\.test'"):
            fetch("other.test")
        with pytest.raises(SSLError, match="IP address mismatch"):
            fetch("127.0.0.1")

    assert asked == ["storage.test", "other.test", None]
    assert len(server.requests) == 1


def test_a_name_that_is_not_there_says_so() -> None:
    with pytest.raises(NewConnectionError, match=r"the name 'gone\.test' cannot be resolved: .*; check its"):
        get(plain(Guard(resolver=Names()), "gone.test", 80))


def test_the_next_address_is_tried_when_one_refuses() -> None:
    names = Names(storage_test="127.0.0.2 127.0.0.1")
    with receiver(says(OK)) as server:
        assert get(plain(Guard(loopback=True, resolver=names), "storage.test", server.port)) == 200

    with pytest.raises(NewConnectionError, match="Connection refused"):
        get(plain(Guard(loopback=True, resolver=names), "storage.test", server.port))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of 127.0.0.1 whose queue is full: whoever connects gets no answer."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def test_silence_ends_with_the_time_that_a_connection_may_take(silent_port: int) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectTimeoutError, match=r"not connected within 0\.4 s"):
        get(plain(Guard(loopback=True), "127.0.0.1", silent_port, timeout=0.4))
    assert 0.3 < time.monotonic() - began < 3


def test_an_address_that_is_silent_leaves_time_for_the_next(silent_port: int) -> None:
    guard = Guard(loopback=True, resolver=Names(storage_test="127.0.0.1 127.0.0.2"))
    with socket.create_server(("127.0.0.2", silent_port)):
        connection = plain(guard, "storage.test", silent_port, timeout=2)
        connection.connect()
        assert connection.sock is not None
        assert connection.sock.getpeername() == ("127.0.0.2", silent_port)
        connection.close()


def test_a_look_up_that_hangs_takes_no_longer_than_a_connection_may() -> None:
    released = threading.Event()

    def hanging(host: str, port: int) -> Answers:
        assert released.wait(60)
        return []

    began = time.monotonic()
    with pytest.raises(NewConnectionError, match=r"'slow\.test' was not resolved within 0\.3 s"):
        get(plain(Guard(resolver=hanging), "slow.test", 80, timeout=0.3))
    assert time.monotonic() - began < 3
    released.set()


def test_the_connections_own_settings_hold() -> None:
    with receiver(says(OK)) as server:
        kind = guarded(HTTPConnection, Guard(loopback=True))
        connection = kind(
            "127.0.0.1",
            server.port,
            timeout=None,
            source_address=("127.0.0.3", 0),
            socket_options=[(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)],
        )
        connection.connect()
        sock = connection.sock
        assert sock is not None
        assert (sock.getsockname()[0], sock.gettimeout()) == ("127.0.0.3", None)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        connection.close()
    assert kind.__name__ == "GuardedHTTPConnection"


def test_no_proxy_is_gone_through() -> None:
    with receiver(says(OK)) as proxy:

        class Pool(urllib3.HTTPConnectionPool):
            ConnectionCls = guarded(HTTPConnection, Guard(loopback=True))

        manager = urllib3.ProxyManager(f"http://127.0.0.1:{proxy.port}", retries=False)
        manager.pool_classes_by_scheme = {"http": Pool}
        with pytest.raises(ValueError, match="a guarded connection goes through no proxy"):
            manager.request("GET", "http://10.1.2.3/x")
    assert proxy.connections == 0


def test_only_connections_of_urllib3_can_be_guarded() -> None:
    with pytest.raises(TypeError, match="is no connection class of urllib3 2"):
        guarded(socket.socket, Guard())  # type: ignore[type-var]
