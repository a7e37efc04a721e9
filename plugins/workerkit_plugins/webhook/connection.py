"""Connections to addresses that were checked, directly or through the operator's proxy."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import cached_property
from http.client import HTTPException
from typing import Any

from urllib3.connection import HTTPConnection

from workerkit.guard import Address, Guard, Url
from workerkit_plugins.webhook.answer import Answer
from workerkit_plugins.webhook.deadline import Deadline, TimedSocket, tls_context
from workerkit_plugins.webhook.failed import Try, said, shown_text
from workerkit_plugins.webhook.proxy import proxy_url

#: Bytes of a body that are copied, so as to go with the headers.
_SHORT = 64 * 1024
_NAME, _BREAK = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\r\n\0]")
#: What a connection may be used for again: the same scheme, host, port and checked address.
Key = tuple[str, str, int, tuple[Any, ...]]


def key(url: Url, address: Address) -> Key:
    """Under which a connection to `address` for `url` is kept."""
    return (url.scheme, url.host, url.port, address.sockaddr)


def shown(address: Address) -> str:
    """An address with its port, for people."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.sockaddr[1]}"


class Connection(HTTPConnection):
    """A connection that is open when it is made. Closed, it stays closed: it never connects by itself."""

    auto_open = 0

    def __init__(self, url: Url, address: Address, sock: TimedSocket) -> None:
        super().__init__(url.host, url.port)
        self.sock: TimedSocket | None = sock
        self.key = key(url, address)
        self.address = shown(address)

    def begin(self, deadline: Deadline) -> None:
        """Bound the exchange that follows."""
        if self.sock is not None:
            self.sock.deadline = deadline

    def post(self, target: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send a request whole; raises ValueError for a header that cannot be sent.

        What is short goes with one call: of two, a receiver might read twice.
        """
        if not all(map(_NAME.fullmatch, headers)):
            raise ValueError("a header has no name that can be sent")
        lines = [f"POST {target} HTTP/1.1", *map(": ".join, headers.items()), f"Content-Length: {len(body)}"]
        if any(map(_BREAK.search, lines)):
            raise ValueError("a header has more than one line")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if len(body) <= _SHORT:
            self.send(head + body)
        else:
            self.send(head)
            self.send(body)

    def answer(self, most: int) -> Answer:
        """The answer to what was sent, with up to `most` bytes of its body."""
        assert self.sock is not None
        return Answer(self.sock, most)

    @property
    def is_alive(self) -> bool:
        """Whether the peer has neither closed it nor sent anything that nobody asked for."""
        pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        return self.is_connected and not pending


class ProxyFailed(OSError):
    """The proxy made no connection; the text is a sentence."""


class Connector:
    """Makes connections. `proxy` is `http://host:port` or empty; raises ValueError for another."""

    def __init__(self, proxy: str) -> None:
        self._proxy = proxy_url(proxy) if proxy else None

    def open(self, tried: Try, addresses: Sequence[Address], within: Deadline, seconds: float) -> Connection:
        """Connect to the first address that answers, all `within` some `seconds`; raises `PostFailed`."""
        failure: OSError = TimeoutError()
        for place, address in enumerate(addresses):
            tried.address = shown(address)
            try:
                # Each gets its share, so that a first one which is silent leaves time for the next.
                share = Deadline(within.left / (len(addresses) - place))
                sock = self._reached(address, share)
            except OSError as exc:
                failure = exc
                continue
            return Connection(tried.url, address, self._secured(sock, tried))
        if isinstance(failure, ProxyFailed):
            raise tried.failed("proxy", str(failure)) from failure
        why = f"not connected within {seconds:g} s" if isinstance(failure, TimeoutError) else said(failure)
        raise tried.failed("connect", why) from failure

    def _reached(self, address: Address, deadline: Deadline) -> TimedSocket:
        if self._proxy is None:
            return _connected(address, deadline)
        return self._through(self._proxy, address, deadline)

    def _through(self, proxy: Url, address: Address, deadline: Deadline) -> TimedSocket:
        """Have the proxy connect, to the checked address: a name it might resolve to another."""
        try:
            # The operator names it, so it may be anywhere; guarded is what requests name.
            first, *_ = self._proxy_guard.addresses(proxy, deadline.left)
            sock = _connected(first, deadline)
        except OSError as exc:
            raise ProxyFailed(f"the proxy {proxy.shown} cannot be reached: {said(exc)}") from exc
        try:
            answer = _asked_to_connect(sock, shown(address))
        except (OSError, HTTPException) as exc:
            sock.close()
            raise ProxyFailed(
                f"the proxy {proxy.shown} did not connect to {shown(address)}: {said(exc)}"
            ) from exc
        if not 200 <= answer.status < 300:
            sock.close()
            words = shown_text(f"{answer.status} {answer.reason[:100]}")
            raise ProxyFailed(f"the proxy {proxy.shown} refused to connect to {shown(address)}: {words}")
        return sock

    def _secured(self, sock: TimedSocket, tried: Try) -> TimedSocket:
        """Shake hands with the host of an https URL, wherever the socket goes."""
        if tried.url.scheme != "https":
            return sock
        secured = self._tls.wrap_socket(
            sock, server_hostname=tried.url.server_name, do_handshake_on_connect=False
        )
        assert isinstance(secured, TimedSocket)
        secured.deadline = tried.deadline
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return tls_context()

    @cached_property
    def _proxy_guard(self) -> Guard:
        assert self._proxy is not None
        return Guard([self._proxy.host], loopback=True)


def _connected(address: Address, deadline: Deadline) -> TimedSocket:
    sock = TimedSocket(address.family, socket.SOCK_STREAM)
    try:
        sock.deadline = deadline
        sock.settimeout(deadline.left)
        sock.connect(address.sockaddr)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _asked_to_connect(sock: TimedSocket, to: str) -> Answer:
    sock.sendall(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
    return Answer(sock, 0, tunnels=True)
