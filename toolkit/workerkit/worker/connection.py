"""The worker's end of the wire: whole frames in, whole frames out."""

from __future__ import annotations

import select
import socket
import threading

from workerkit.wire import HEADER, MAX_FRAME, Frame, ToWorker, decode_to_worker, pack

#: Bytes asked of the kernel at a time. Larger frames are read to where they stay.
PIECE = 64 * 1024


class Connection:
    """One thread receives; any thread sends."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.Lock()
        #: What was read, and how far it was used.
        self._data = b""
        self._at = 0

    @property
    def quiet(self) -> bool:
        """Whether nothing has come so far that was not received."""
        return self._at == len(self._data) and not select.select([self._socket], (), (), 0)[0]

    def receive(self) -> ToWorker | None:
        """Wait for the next frame; None once the host has closed its end.

        Raises ValueError when a length cannot be true: the two ends have lost step.
        """
        head = self._take(HEADER)
        size = int.from_bytes(head, "big")
        if size > MAX_FRAME:
            raise ValueError(f"a frame announces {size} bytes; at most {MAX_FRAME} are allowed")
        body = self._take(size)
        if len(head) < HEADER or len(body) < size:
            return None
        frame: ToWorker = decode_to_worker(body)
        return frame

    def send(self, frame: Frame) -> None:
        """Write a frame in one piece. Raises OSError when the host is gone."""
        data = pack(frame)
        with self._sending:
            self._socket.sendall(data)

    def abandon(self) -> None:
        """In a child that a handler has forked: the wire is its parent's."""
        self._socket.close()

    def _take(self, size: int) -> bytes | bytearray:
        """The next `size` bytes, or fewer at the end of the stream."""
        end = self._at + size
        if end > len(self._data):
            if size > PIECE:
                return self._take_large(size)
            while len(self._data) < end:
                more = self._socket.recv(PIECE)
                if not more:
                    break
                self._data = self._data[self._at :] + more
                end, self._at = size, 0
        start, self._at = self._at, end
        return self._data[start:end]

    def _take_large(self, size: int) -> bytearray:
        body = bytearray(size)
        head = self._data[self._at :]
        self._data, self._at = b"", 0
        body[: len(head)] = head
        end = len(head)
        with memoryview(body) as view:
            while end < size and (got := self._socket.recv_into(view[end:])):
                end += got
        return body if end == size else body[:end]
