"""What `http.client` makes of an answer, without the places where it takes part of one for the whole."""

from __future__ import annotations

import io
import socket
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    MisplacedEnvelopeHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, IncompleteRead

#: Of the status line and the headers. `http.client` takes up to 100 headers, of 64 KiB each.
MOST_HEAD = 64 * 1024
#: Of the lines in which a body says how long its chunks are.
_MOST_FRAMING = 4 * MOST_HEAD
_DEFECTS = (
    FirstHeaderLineIsContinuationDefect,
    MisplacedEnvelopeHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)


class Answer(HTTPResponse):
    """One answer: whole, or an error."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self._tunnels = method == "CONNECT"
        self.fp: _Lines = _Lines(self.fp.detach())

    def begin(self) -> None:
        """Read the status and the headers, passing over interim answers, of which it knows 100 only."""
        super().begin()
        while self.status < HTTPStatus.OK and self.status != HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        if self.status == HTTPStatus.SWITCHING_PROTOCOLS:
            self.will_close = True  # nobody asked for that: what follows may be anything
        self.fp.allow(_MOST_FRAMING, "the lines between its chunks are")
        if any(isinstance(defect, _DEFECTS) for defect in self.msg.defects):
            self._forget_body()
        codings = self.msg.get_all("Transfer-Encoding", [])
        if codings and not self._tunnels and not (len(codings) == 1 and self.chunked):
            # `http.client` would read on to the end of the stream, wherever that comes.
            raise HTTPException(
                f"its transfer encoding is {', '.join(codings)!r}, and chunked alone can be read"
            )
        lengths = self.msg.get_all("Content-Length", [])
        if len(set(lengths)) > 1:
            raise HTTPException(f"its Content-Length has unmatching values, {', '.join(lengths)!r}")

    def read(self, amt: int | None = None) -> bytes:
        """The next bytes of the body. `http.client` takes one that is cut for one that is over."""
        data = super().read(amt)
        if not data and amt and not self.chunked and self.length:
            raise IncompleteRead(data, self.length)
        return data

    def _get_chunk_left(self) -> int | None:
        """What is left of this chunk, or the size of the next one. `http.client` skips any two bytes between."""
        if self.chunk_left == 0:
            if self._safe_read(2) != b"\r\n":  # type: ignore[attr-defined]
                raise HTTPException("a chunk is longer than it says")
            self.chunk_left = None
        left: int | None = super()._get_chunk_left()  # type: ignore[misc]
        return left

    def _forget_body(self) -> None:
        """Headers that cannot be read may have said where the body ends: the status is all there is."""
        self.chunked, self.length, self.will_close = False, 0, True
        for name in ("Content-Length", "Transfer-Encoding"):
            del self.msg[name]


class _Lines(io.BufferedReader):
    """Lines of a peer, in a limited amount. `http.client` takes the end of the stream for an empty line."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._begun = False
        self.allow(MOST_HEAD, "its headers are")

    def allow(self, size: int, what: str) -> None:
        """Take lines of `size` bytes in all from here on."""
        self._size, self._left, self._what = size, size, what

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line:
            when = "in the middle of its answer" if self._begun else "before it answered"
            raise ConnectionResetError(f"it closed the connection {when}")
        self._begun = True
        self._left -= len(line)
        if self._left < 0:
            raise HTTPException(f"{self._what} larger than {self._size // 1024} KiB")
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        # A chunk that says to be -1 long would be read to the end of the stream, however far that is.
        if size is None or size < 0:
            raise HTTPException("the size of a chunk is below 0")
        return super().read(size)
