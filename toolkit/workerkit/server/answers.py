"""How the server answers: JSON with status 200, or an error as a sentence and a code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from workerkit.errors import ApiError

if TYPE_CHECKING:
    from starlette.types import Scope, Send

JSON = (b"content-type", b"application/json")
#: The scope of a request may have this: a function that sends a head and a body in one write, if it can.
WHOLE = "workerkit.whole"
#: What fits in a header that every client takes.
IGNORED_SHOWN = 20
IGNORED_LENGTH = 60


async def send_json(
    send: Send, body: bytes, *, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Send `body`, which is JSON already."""
    start = [JSON, (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def sent_whole(scope: Scope, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> bool:
    """Send `body`, which is JSON, at one go; False when `send_json` must do it."""
    if (send := scope.get(WHOLE)) is None:
        return False
    more = b"".join([b"%s: %s\r\n" % header for header in headers])
    start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
    done: bool = send(start % (len(body), more), body)
    return done


async def send_error(send: Send, error: ApiError) -> None:
    """Send `error` as `{"error": sentence, "code": word}` with its status and headers."""
    await send_json(
        send, error_body(error.code, error.sentence), status=error.status, headers=encoded(error.headers)
    )


def error_body(code: str, sentence: str) -> bytes:
    """The JSON of every answer that is not 200."""
    return msgspec.json.encode({"error": sentence, "code": code})


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI takes them."""
    return [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]


def ignored_header(keys: Sequence[str]) -> tuple[bytes, bytes]:
    """`X-Workerkit-Ignored`: the keys of a body that mean nothing here, percent-encoded and bounded."""
    shown = [quote(key[:IGNORED_LENGTH].encode(errors="replace")) for key in keys[:IGNORED_SHOWN]]
    if len(keys) > IGNORED_SHOWN:
        shown.append(f"and {len(keys) - IGNORED_SHOWN} more")
    return b"x-workerkit-ignored", ", ".join(shown).encode()
