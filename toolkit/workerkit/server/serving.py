"""uvicorn under our terms: in the running loop, on a bound socket, without signals, with deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workerkit.server.answers import error_body

if TYPE_CHECKING:
    from workerkit.server.api import Api
    from workerkit.settings import Settings

#: Seconds: an idle connection is kept, an unread body may still drain, running requests may end.
KEEP_ALIVE, LINGER, GRACE = 75, 2.0, 5.0
MOST_HEADER_BYTES = 65_536
HEADER, BODY, NOTHING = "header", "body", ""


async def serve(
    api: Api, sock: socket.socket, settings: Settings, stop: asyncio.Event, *, grace: float = GRACE
) -> None:
    """Serve `api` on `sock` until `stop` is set; then answer what is running and close the socket.

    A request still held after `grace` seconds is cut short: `Api` answers it as it is then.
    """

    def protocol(**arguments: Any) -> Connection:
        return Connection(settings.server.header_timeout, settings.server.body_timeout, **arguments)

    config = uvicorn.Config(
        api,
        http=cast(type[asyncio.Protocol], protocol),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # who is on this machine is not the caller's to say
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    await Server(config, stop, grace).serve(sockets=[sock])


class Server(uvicorn.Server):
    """Ends when an event says so, and takes no signals: they are the application's."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event, grace: float) -> None:
        super().__init__(config)
        self._stop = stop
        self._grace = grace

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave every signal handler as it is."""
        yield

    async def main_loop(self) -> None:
        """Wait for the event. uvicorn's own loop only refreshes headers that we do not send."""
        await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, let requests end, cut short what is held too long."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._settled(self._grace)
        for task in list(self.server_state.tasks):
            task.cancel()
        await self._settled(1.0)
        for connection in list(self.server_state.connections):
            connection.transport.close()

    async def _settled(self, seconds: float) -> None:
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=seconds)


class Connection(HttpToolsProtocol):
    """One connection, with a deadline for every header and every body.

    A timer exists only while a request is on its way: one that arrives whole costs none.
    """

    def __init__(self, header_timeout: float, body_timeout: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._timeouts = {HEADER: header_timeout, BODY: body_timeout}
        self._awaited = HEADER
        self._timed = NOTHING
        self._timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a first header."""
        super().connection_made(transport)
        self._set_timer(self._timeouts[HEADER])

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._awaited = NOTHING
        self._set_timer(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then set the timer for what is still missing."""
        super().data_received(data)
        if self._awaited is HEADER:
            self._header_bytes += len(data)
            if self._header_bytes > MOST_HEADER_BYTES:
                self._refuse(431, b"Request Header Fields Too Large", "bad_header", "the header is too long")
        if self._awaited is not self._timed:
            self._set_timer(self._timeouts.get(self._awaited))

    def on_message_begin(self) -> None:
        """A request has begun."""
        self._awaited = HEADER
        self._header_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its header is here."""
        self._awaited = BODY
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It is here whole."""
        self._awaited = NOTHING
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Let a body that was refused drain for a moment, so that its sender sees the answer."""
        super().on_response_complete()
        if self._awaited is BODY and self.cycle.response_complete:
            self._set_timer(LINGER)

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is answered like every other mistake."""
        self._refuse(400, b"Bad Request", "bad_http", "this is not an HTTP request that can be read")

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timed = self._awaited
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if self._awaited is HEADER and answering:
            self.cycle.keep_alive = False  # the next request is late; close after this answer
        elif self._awaited is BODY and not answering:
            self.transport.close()  # answered already
        elif self._awaited is HEADER and not self._header_bytes:
            self.transport.close()  # nobody ever spoke
        else:
            limit = self._timeouts[self._awaited]
            sentence = f"the request's {self._awaited} did not arrive within {limit:g} s"
            self._refuse(408, b"Request Timeout", "too_slow", sentence)

    def _refuse(self, status: int, reason: bytes, code: str, sentence: str) -> None:
        body = error_body(code, sentence)
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (status, reason, len(body), body)
        )
        self.transport.close()
