"""A request's body, read whole and no further than its limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING

from workerkit.errors import ApiError

if TYPE_CHECKING:
    from starlette.types import Receive


#: Takes the first piece of a body and its limit, and gathers the rest as `Gathered` does.
Gather = Callable[[bytes, int], Awaitable[bytes]]
#: The scope of a request may have this: a `Gather`, where ASGI hands on piece by piece and stops reading meanwhile.
GATHER = "workerkit.gather"


class ClientGone(Exception):
    """The caller closed the connection, so there is nobody to answer."""


async def read_body(
    receive: Receive, headers: Mapping[bytes, bytes], limit: int, gather: Gather | None = None
) -> bytes:
    """The body, at most `limit` bytes of it. Raises `ApiError` 413 or 400, or `ClientGone`.

    A `Content-Length` above the limit is refused before anything is read. A body that does not
    arrive in time is the connection's business, see `serving`.
    """
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise ApiError(
            400, "bad_encoding", "the body has a Content-Encoding; send it as plain, uncompressed JSON"
        )
    if int(headers.get(b"content-length", b"0")) > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    if message["type"] == "http.request" and gather is not None:
        return await gather(message.get("body", b""), limit)
    pieces = bytearray()
    while message["type"] == "http.request":
        pieces += message.get("body", b"")
        if len(pieces) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return bytes(pieces)
        message = await receive()
    raise ClientGone


class Gathered:
    """A large body while it comes in. Nothing is kept above its limit.

    Not as a list of pieces: they may be of one byte each, and of many millions.
    """

    def __init__(self, first: bytes, limit: int) -> None:
        #: All of it. Fails with `ApiError` 413 or `ClientGone`.
        self.whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._limit = limit
        self._body = BytesIO()
        self.add(first)

    def add(self, piece: bytes) -> None:
        """The next piece is here."""
        if self.whole.done():
            return
        self._body.write(piece)
        if self._body.tell() > self._limit:
            self._fail(_too_large(self._limit))

    def end(self) -> None:
        """That was the last one."""
        if not self.whole.done():
            self.whole.set_result(self._body.getvalue())

    def lose(self) -> None:
        """No more will come, though that was not the last one."""
        self._fail(ClientGone())

    def _fail(self, error: Exception) -> None:
        self._body = BytesIO()
        if not self.whole.done():
            self.whole.set_exception(error)


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413,
        "too_large",
        f"the body is larger than {limit} bytes; send large data by URL or object storage, "
        "or raise run_body or runsync_body in [limits]",
    )
