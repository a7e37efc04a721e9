"""A request's body, read whole and no further than its limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from workerkit.errors import ApiError

if TYPE_CHECKING:
    from starlette.types import Receive


class ClientGone(Exception):
    """The caller closed the connection, so there is nobody to answer."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
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
    pieces = bytearray()
    while message["type"] == "http.request":
        pieces += message.get("body", b"")
        if len(pieces) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return bytes(pieces)
        message = await receive()
    raise ClientGone


def _too_large(limit: int) -> ApiError:
    return ApiError(
        413,
        "too_large",
        f"the body is larger than {limit} bytes; send large data by URL or object storage, "
        "or raise run_body or runsync_body in [limits]",
    )
