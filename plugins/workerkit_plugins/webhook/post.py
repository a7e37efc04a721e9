"""One POST over a connection of its own: no redirects, no cookies, no proxies, a hard deadline."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.client import HTTPException
from queue import Empty, SimpleQueue
from typing import Any

import attrs
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from workerkit_plugins.webhook.deadline import Deadline
from workerkit_plugins.webhook.url import PORTS, Url

#: Of an answer's body this much is read; then the connection is closed.
MOST_READ = 64 * 1024
_STEP = 16 * 1024


class PostFailed(Exception):
    """No answer came; the text says why, without the URL's query."""


@attrs.frozen
class Reply:
    """A complete answer. `retry_after` is in seconds from now."""

    status: int
    retry_after: float | None = None


class Poster:
    """Posts bodies. Threads may share it. Times are seconds."""

    def __init__(self, timeout: float, connect_timeout: float) -> None:
        self._timeout = timeout
        self._connect_timeout = connect_timeout

    def post(self, url: Url, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send `body` once and wait for the whole answer; raises `PostFailed`."""
        with Deadline(self._timeout) as deadline:
            try:
                reply = self._exchange(url, body, headers, deadline)
            except (OSError, HTTPException, HTTPError, ValueError) as exc:
                if not deadline.expired and not isinstance(exc, TimeoutError):
                    raise PostFailed(f"no answer from {url.shown}: {_said(exc)}") from exc
            else:
                # A cut header block reads like a whole one, so the flag decides, not the status.
                if not deadline.expired:
                    return reply
        raise PostFailed(f"no complete answer from {url.shown} within {self._timeout:g} s")

    def _exchange(self, url: Url, body: bytes, headers: Mapping[str, str], deadline: Deadline) -> Reply:
        with closing(self._connected(url, deadline)) as sock, closing(HTTPConnection(url.host)) as connection:
            connection.sock = sock
            fixed = {"Host": _host(url), "Accept-Encoding": "identity", "Connection": "close"}
            connection.request("POST", url.target, body, {**headers, **fixed}, preload_content=False)
            response = connection.getresponse()
            left = MOST_READ
            while left > 0 and (data := response.read(min(left, _STEP), decode_content=False)):
                left -= len(data)
            return Reply(response.status, _retry_after(response.headers.get("Retry-After")))

    def _connected(self, url: Url, deadline: Deadline) -> socket.socket:
        sock = _connect(url, min(self._connect_timeout, deadline.remaining))
        try:
            deadline.guard(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if url.scheme == "https":
                return self._tls.wrap_socket(sock, server_hostname=url.host)
        except BaseException:
            sock.close()
            raise
        return sock

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _connect(url: Url, timeout: float) -> socket.socket:
    """Connect to the first address that answers, all within `timeout`."""
    end = time.monotonic() + timeout
    failure: OSError = OSError("the host has no address")
    for family, kind, protocol, _, address in _addresses(url.host, url.port, timeout):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(end - time.monotonic(), 0.001))
            sock.connect(address)
            return sock
        except OSError as exc:
            sock.close()
            failure = exc
    if isinstance(failure, TimeoutError):
        raise ConnectionError(f"not connected within {timeout:g} s") from failure
    raise failure


def _addresses(host: str, port: int, timeout: float) -> list[Any]:
    """Look up a name; in a thread, because a resolver takes no time-out."""
    answer: SimpleQueue[list[Any] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            answer.put(OSError(f"the name {host} cannot be resolved: {exc}"))

    threading.Thread(target=look_up, name="workerkit-webhook-dns", daemon=True).start()
    try:
        found = answer.get(timeout=timeout)
    except Empty:
        raise ConnectionError(f"the name {host} was not resolved within {timeout:g} s") from None
    if isinstance(found, OSError):
        raise found
    return found


def _host(url: Url) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return host if PORTS[url.scheme] == url.port else f"{host}:{url.port}"


def _retry_after(text: str | None) -> float | None:
    """`Retry-After` in seconds: a number or a date; None when it is neither."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def _said(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {exc.verify_message}"
    return str(exc) or type(exc).__name__
