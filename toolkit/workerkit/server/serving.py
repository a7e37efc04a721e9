"""uvicorn under our terms: in the running loop, on a bound socket, without signals, with deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from workerkit.server.answers import WHOLE, error_body
from workerkit.server.body import GATHER, Gathered

if TYPE_CHECKING:
    from workerkit.server.api import Api
    from workerkit.server.waits import Waits
    from workerkit.settings import Settings

#: Seconds: an idle connection is kept, an unread body may still drain, running requests may end.
KEEP_ALIVE, LINGER, GRACE = 75, 2.0, 5.0
MOST_HEADER_BYTES = 65_536
HEADER, BODY, NOTHING = "header", "body", ""


async def serve(
    api: Api,
    sock: socket.socket,
    settings: Settings,
    stop: asyncio.Event,
    hurry: asyncio.Event | None = None,
    *,
    grace: float = GRACE,
) -> None:
    """Serve `api` on `sock` until `stop` is set; then answer what is running and close the socket.

    Those that only wait for news are answered at once. A request still held after `grace` seconds, or once `hurry` is set, is cut short: `Api` answers
    it as it is then.
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
    server = Server(config, stop, hurry or asyncio.Event(), grace, api.waits)
    await server.serve(sockets=[sock])


class Server(uvicorn.Server):
    """Ends when an event says so, and takes no signals: they are the application's."""

    def __init__(
        self, config: uvicorn.Config, stop: asyncio.Event, hurry: asyncio.Event, grace: float, waits: Waits
    ) -> None:
        super().__init__(config)
        self._stop = stop
        self._hurry = hurry
        self._grace = grace
        self._waits = waits

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave every signal handler as it is."""
        yield

    async def main_loop(self) -> None:
        """Wait for the event. uvicorn's own loop only refreshes headers that we do not send."""
        await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, let requests end, cut short what is held too long."""
        self._waits.end()
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        hurried = asyncio.create_task(self._hurry.wait())
        await self._settled(self._grace, hurried)
        hurried.cancel()
        for task in list(self.server_state.tasks):
            task.cancel()
        await self._settled(1.0)
        for connection in list(self.server_state.connections):
            connection.transport.close()

    async def _settled(self, seconds: float, hurried: asyncio.Task[Any] | None = None) -> None:
        """Wait for all requests to end, until time is up or there is no more time."""
        if self.server_state.tasks:
            ended = asyncio.ensure_future(asyncio.wait(set(self.server_state.tasks)))
            await asyncio.wait(
                {ended, hurried} if hurried else {ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            ended.cancel()


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
        #: Of the header on its way: its bytes as they came, and those of its parsed fields.
        self._header_bytes = self._field_bytes = 0
        self._message_ended = False
        #: It closes when the body is here that was answered before.
        self._closes = False
        #: The body that is on its way, when somebody waits for all of it.
        self._gathered: Gathered | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a first header."""
        super().connection_made(transport)
        self._set_timer(self._timeouts[HEADER])

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._awaited = NOTHING
        self._set_timer(None)
        if self._gathered is not None:
            self._gathered.lose()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then set the timer for what is still missing."""
        self._message_ended = False
        super().data_received(data)
        if self._awaited is HEADER and not self._message_ended:  # all of `data` is this header's
            self._header_bytes += len(data)
            if self._header_bytes > MOST_HEADER_BYTES and not self.transport.is_closing():
                self._refuse_header()
        if self._awaited is not self._timed:
            self._set_timer(self._timeouts.get(self._awaited))

    def on_message_begin(self) -> None:
        """A request has begun."""
        self._awaited = HEADER
        self._header_bytes, self._field_bytes = 1, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of its path is here."""
        self._field_bytes += len(url)
        if self._field_bytes > MOST_HEADER_BYTES:
            raise ValueError("the path is too long")
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of its header is here."""
        self._field_bytes += len(name) + len(value) + 4
        if self._field_bytes > MOST_HEADER_BYTES:
            raise ValueError("the header is too long")  # ends the parser, which has us send an answer
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its header is here."""
        self._awaited = BODY
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            known = cast("dict[str, Any]", self.scope)
            known[WHOLE], known[GATHER] = partial(self._answer, self.cycle), self._gather
        if self.cycle is not None and not self.cycle.keep_alive:
            self.cycle.transport = cast("asyncio.Transport", ClosedLater(self))

    def _gather(self, first: bytes, limit: int) -> asyncio.Future[bytes]:
        """Keep the pieces of the body on its way as they come, and read on."""
        self._gathered = Gathered(first, limit)
        self.flow.resume_reading()
        return self._gathered.whole

    def on_body(self, body: bytes) -> None:
        """A piece of its body is here."""
        if self._gathered is None:
            super().on_body(body)
        else:
            self._gathered.add(body)

    def _answer(self, cycle: RequestResponseCycle, head: bytes, body: bytes) -> bool:
        """Send an answer in one write, where ASGI's two messages are two; False when it is not that simple."""
        plain = cycle.keep_alive and cycle.scope["method"] != "HEAD"
        if not plain or cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(head + body)
        cycle.message_event.set()
        cycle.on_response()
        return True

    def on_message_complete(self) -> None:
        """It is here whole."""
        self._awaited = NOTHING
        self._message_ended = True
        if self._gathered is not None:
            self._gathered.end()
            self._gathered = None
        super().on_message_complete()
        if self._closes:
            self.transport.close()

    def close_later(self) -> None:
        """Close once the body is here. Closed before, it would be reset, and its sender not see the answer."""
        if self._awaited is BODY:
            self._closes = True
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Let a body that was refused drain for a moment, so that its sender sees the answer."""
        super().on_response_complete()
        if self._awaited is BODY and self.cycle.response_complete:
            self._set_timer(LINGER)

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is answered like every other mistake."""
        if self._field_bytes > MOST_HEADER_BYTES:
            self._refuse_header()
            return
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

    def _refuse_header(self) -> None:
        sentence = f"the header is too long; send at most {MOST_HEADER_BYTES} bytes"
        self._refuse(431, b"Request Header Fields Too Large", "bad_header", sentence)

    def _refuse(self, status: int, reason: bytes, code: str, sentence: str) -> None:
        body = error_body(code, sentence)
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (status, reason, len(body), body)
        )
        self.transport.close()


class ClosedLater:
    """The transport of a request that is the last one of its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection.transport, name)

    def close(self) -> None:
        """The answer is written."""
        self._connection.close_later()
