"""Files that become objects: whole when they are closed, not at all when they are abandoned.

smart_open completes an upload when its writer is collected, closed or not. Here only an explicit
`close`, or the good end of a `with` block, does.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from types import TracebackType
from typing import Any

Error = type[BaseException] | None


class Upload(io.BufferedIOBase):
    """An object being written. `ended` is called once, when it is closed or abandoned."""

    def __init__(self, writer: Any, ended: Callable[[Upload], object]) -> None:
        self._writer = writer
        self._ended = ended

    @property
    def closed(self) -> bool:
        """Whether it was closed or abandoned."""
        return self._writer is None

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any) -> int:
        """Add bytes; full parts are sent as they gather."""
        if self._writer is None:
            raise ValueError("this object is closed already")
        written: int = self._writer.write(data)
        return written

    def close(self) -> None:
        """Send the rest and publish the object. When that fails, nothing is published."""
        writer = self._take()
        if writer is not None:
            try:
                writer.close()
            except BaseException:
                writer.terminate()
                raise

    def abandon(self) -> None:
        """Give up; nothing is published."""
        writer = self._take()
        if writer is not None:
            writer.terminate()

    def __exit__(self, kind: Error, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _take(self) -> Any:
        writer, self._writer = getattr(self, "_writer", None), None
        if writer is not None:
            self._ended(self)
        return writer


class TextUpload(io.TextIOWrapper):
    """The same for text."""

    buffer: Any

    def __exit__(self, kind: Error, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.buffer.abandon()
