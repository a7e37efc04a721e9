"""An answer of HTTP/1.1: all of it, or an error.

httptools reads it. What is here is what a reader of HTTP cannot know: how much to take, and when an answer is one.
"""

from __future__ import annotations

import socket
from http.client import HTTPException, IncompleteRead, UnknownProtocol

from httptools import HttpParserError, HttpParserInvalidStatusError, HttpParserUpgrade, HttpResponseParser

_KIB = 1024
_STEP = 16 * _KIB
#: KiB of the status lines and headers, and of all that is no body: there may be lines between its chunks, too.
_MOST_HEAD, _MOST_FRAMING, _MOST_FIELDS = 64, 256, 100
_BEGIN = b"HTTP/"
#: From this status on an answer is final. One that switches protocols is, too, though nobody asked for that.
_FINAL, _SWITCHING = 200, 101
#: Statuses of answers without a body, whatever their headers say.
_BODILESS = (_SWITCHING, 204, 304)
_LENGTH, _CODING = "content-length", "transfer-encoding"


class Answer:
    """One answer, interim ones passed over. Of its body no more than `most` bytes are read.

    Raises HTTPException for what is none, ConnectionResetError or IncompleteRead when it is cut. Behind one
    that `tunnels`, to a CONNECT, there is no body.
    """

    def __init__(self, sock: socket.socket, most: int, *, tunnels: bool = False) -> None:
        self.status, self.reason = 0, ""
        #: By names in lower case; of one that is there more than once, the first.
        self.fields: dict[str, str] = {}
        self._tunnels = tunnels
        self._seen: list[tuple[str, str]] = []
        self._body = bytearray()
        self._begin, self._taken = b"", 0
        self._is_final = self._is_over = self._stays = False
        self._parser = HttpResponseParser(self)
        # Some receivers send lines with less or more space at their ends, and interim answers that tell of a close.
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
            lenient_keep_alive=True,
        )
        try:
            while not self._is_final or not (self._is_over or len(self._body) >= most):
                self._read(sock)
        finally:
            del self._parser  # it holds methods of this: a circle
        self.body = bytes(self._body[:most])
        #: Whether its connection may be used again: it was read to its end, and nothing has come behind it.
        self.may_be_followed = self._is_over and self._stays and len(self._body) <= most

    def _read(self, sock: socket.socket) -> None:
        most, what = _MOST_HEAD, "its headers"
        if self._is_final:
            most, what = _MOST_FRAMING, "its headers and the lines between its chunks"
        if not (left := most * _KIB + len(self._body) - self._taken):
            raise HTTPException(f"{what} are larger than {most} KiB")
        if data := sock.recv(min(_STEP, left)):
            self._taken += len(data)
            self._parse(data)
        else:
            self._end()

    def _parse(self, data: bytes) -> None:
        if len(self._begin) < len(_BEGIN):
            self._begin += data[: len(_BEGIN) - len(self._begin)]
            if not _BEGIN.startswith(self._begin):  # RTSP/1.0 would be read, too
                raise HTTPException("it does not begin with HTTP/")
        was_final = self._is_final
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            pass  # it is over, as switching is
        except HttpParserError as exc:
            self._stop(exc)
        if len(self._seen) > _MOST_FIELDS:
            raise HTTPException(f"got more than {_MOST_FIELDS} headers")
        if self._is_final and not was_final:
            self._check()

    def _stop(self, exc: HttpParserError) -> None:
        """The rest cannot be read: it is behind the answer, or no answer, or one of which the status is known."""
        self._stays = False
        if self._is_over:
            return
        is_status = isinstance(exc, HttpParserInvalidStatusError) or self._parser.get_status_code() < _FINAL
        is_framing = any(name in str(exc).lower() for name in (_LENGTH, _CODING))
        if self._is_final or is_status or is_framing:
            raise HTTPException(str(exc)) from exc
        # A header that cannot be read may have said where the body ends: then the status is all there is.
        self.on_headers_complete()
        self._stays, self._is_over = False, True

    def _check(self) -> None:
        """Refuse what httptools reads, but nobody is to send."""
        if not (version := self._parser.get_http_version()).startswith("1."):
            raise UnknownProtocol(f"HTTP/{version}")
        codings = [value for name, value in self._seen if name == _CODING]
        if self._tunnels or self.status in _BODILESS or not codings:
            return
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise HTTPException(
                f"its transfer encoding is '{', '.join(codings)}', and chunked alone can be read"
            )

    def _end(self) -> None:
        """Its peer has closed the connection: that is the end of a body which tells of no other."""
        if not self._is_final:
            when = "in the middle of its answer" if self._taken else "before it answered"
            raise ConnectionResetError(f"it closed the connection {when}")
        if _LENGTH in self.fields or _CODING in self.fields:
            raise IncompleteRead(b"")
        self._stays, self._is_over = False, True

    # What httptools calls.

    def on_message_begin(self) -> None:
        """Another answer, or the first."""
        if self._is_final:
            raise HttpParserError("nobody asked for it")
        self.reason = ""
        self._seen.clear()

    def on_status(self, part: bytes) -> None:
        """The words behind the status, or a part of them."""
        self.reason += part.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a field behind the body."""
        if not self._is_final:
            self._seen.append((name.decode("latin-1").lower(), value.decode("latin-1").strip()))

    def on_headers_complete(self) -> None:
        """All headers were read."""
        status = self._parser.get_status_code()
        if status < _FINAL and status != _SWITCHING:
            return
        self.status = status
        for name, value in self._seen:
            self.fields.setdefault(name, value)
        self._stays = status != _SWITCHING and self._parser.should_keep_alive()
        self._is_final, self._is_over = True, self._tunnels or status == _SWITCHING

    def on_body(self, part: bytes) -> None:
        """The next bytes of the body."""
        if self._is_final and not self._is_over:
            self._body += part

    def on_message_complete(self) -> None:
        """It was read to its end."""
        self._is_over = self._is_final
