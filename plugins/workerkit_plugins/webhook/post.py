"""One POST to an address that was checked: no redirects, no cookies, no proxy variables, a hard deadline."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPException

import attrs

from workerkit.guard import Address, Busy, Url
from workerkit_plugins.webhook.connection import Connection, Connector, key
from workerkit_plugins.webhook.deadline import Deadline
from workerkit_plugins.webhook.failed import PostFailed, Try, explained, shown_text, tls_said
from workerkit_plugins.webhook.headers import FRAMING
from workerkit_plugins.webhook.idle import Idle

__all__ = ["PostFailed", "Poster", "Reply"]

#: Of an answer's body this much is read; then the connection is closed.
MOST_READ = 64 * 1024
#: So many characters of an answer are reported.
_SHOWN = 512
#: More characters than a secret has.
_TAIL = 8 * 1024
Resolve = Callable[[Url, float], Sequence[Address]]


@attrs.frozen
class Reply:
    """A complete answer."""

    status: int
    #: Seconds from now that it asks to wait.
    retry_after: float | None = None
    #: Who gave it, such as 203.0.113.7:443.
    address: str = ""
    #: The begin of its body, in one line and safe to print.
    answer: str = ""
    #: Whether it asks for no further try of this message.
    abort: bool = False
    #: How long it took.
    ms: int = 0


class Poster:
    """Posts bodies, over connections that are used again. Threads may share it. Times are seconds.

    `resolve` tells where a URL may be connected to, such as `Guard.addresses`; it is asked for each
    post, and no other address is connected to. `timeout` is for a whole post, from the look-up of the
    name to the last byte of the answer; `connect_timeout` for the look-up and the connection.
    `proxy`, `http://host:port`, makes the connections if there is one; ValueError when it is no such URL.
    """

    def __init__(self, resolve: Resolve, timeout: float, connect_timeout: float, proxy: str = "") -> None:
        self._resolve = resolve
        self._timeout = timeout
        self._connect_timeout = min(connect_timeout, timeout)
        self._connector = Connector(proxy)
        self._idle = Idle()

    def post(
        self, url: Url, body: bytes, headers: Mapping[str, str], mask: Callable[[str], str] = str
    ) -> Reply:
        """Send `body` once and wait for the whole answer. `mask` is applied to what the receiver says.

        Raises `PostFailed`, and what `resolve` raises for an address that may not be reached, or `Busy`.
        """
        tried = Try(url, Deadline(self._timeout), mask)
        within = Deadline(self._connect_timeout)
        addresses = self._addresses(tried)
        try:
            connection = self._connection(tried, addresses, within)
            return self._exchange(connection, tried, body, headers)
        except TimeoutError as exc:
            raise tried.out_of_time(self._timeout) from exc
        except (OSError, HTTPException) as exc:
            kind, why = explained(exc, mask)
            error = tried.out_of_time(self._timeout) if kind == "timeout" else tried.failed(kind, why)
            raise error from exc

    def close(self) -> None:
        """Close the connections that are idle; from here on none is kept."""
        self._idle.close()

    def _addresses(self, tried: Try) -> Sequence[Address]:
        try:
            return self._resolve(tried.url, self._connect_timeout)
        except Busy:
            raise  # nothing was tried
        except OSError as exc:
            raise tried.failed("dns", str(exc)) from exc

    def _connection(self, tried: Try, addresses: Sequence[Address], within: Deadline) -> Connection:
        for address in addresses:
            if (idle := self._idle.take(key(tried.url, address))) is not None:
                tried.address = idle.address
                return idle
        try:
            return self._connector.open(tried, addresses, within, self._connect_timeout)
        except ssl.SSLError as exc:
            raise tried.failed("tls", tls_said(exc)) from exc

    def _exchange(self, connection: Connection, tried: Try, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send the request, on this connection only.

        A connection that was idle was seen to be open a moment ago. If its peer closes it now, the
        request may have been read before: so that fails this try, and sending it once more here would
        be a try that nobody counted.
        """
        connection.begin(tried.deadline)
        kept = False
        try:
            sent = _sent(connection, tried, body, headers)
            answer = connection.answer(MOST_READ)
            kept = sent and answer.may_be_followed
            return Reply(
                answer.status,
                _retry_after(answer.fields.get("retry-after", "")),
                tried.address,
                _shown(tried, answer.body),
                answer.fields.get("webhook-delivery", "").lower() == "abort-message",
                tried.deadline.ms,
            )
        finally:
            if kept:
                self._idle.keep(connection)
            else:
                connection.close()


def _shown(tried: Try, answer: bytes) -> str:
    """The beginning of an answer. What was cut off with its end may be a part of a secret, and is left out."""
    if not answer:
        return ""
    told = tried.mask(answer.decode(errors="replace"))
    return shown_text((told[:-_TAIL] if len(answer) >= MOST_READ else told)[:_SHOWN])


def _sent(connection: Connection, tried: Try, body: bytes, headers: Mapping[str, str]) -> bool:
    """Send the request; whether all of it was taken. A receiver may answer, and close, before that."""
    given = {name: value for name, value in headers.items() if name.lower() not in FRAMING}
    fixed = {"Host": tried.url.authority, "Accept-Encoding": "identity"}
    try:
        connection.post(tried.url.target, {**fixed, **given}, body)
    except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return False
    except ValueError:
        # Not with the error's own words: they show the value.
        raise tried.failed(
            "protocol", "the request has a header that cannot be sent; use ASCII in one line"
        ) from None
    return True


def _retry_after(text: str) -> float | None:
    """`Retry-After` in seconds: a number or a date; None when it is neither."""
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        aware = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
        return max(aware.timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None
