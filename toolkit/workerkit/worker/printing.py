"""What handlers print, marked with the job that prints it.

Python's two streams are replaced by ones that know the current job by its context: each line goes
out in one write behind `\\x1e{tag}:{id}:{attempt}\\x1f`. What goes past them (C code, child processes)
is not marked. A job that prints nothing pays for one context variable.
"""

from __future__ import annotations

import io
import logging
import os
import select
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, BinaryIO

from workerkit.masks import Masks, OthersSecrets
from workerkit.redaction import Redactor, cut

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Bytes of a line that go out in one piece; the host cuts at 64 KiB, the mark included.
LONGEST = 63 * 1024
#: The loggers of the toolkit and its plugins.
LOGGERS = ("workerkit", "workerkit_plugins")


class Printing:
    """Marks lines with `tag`, which the host draws for each worker, and with the job that is current."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._current: ContextVar[Printer | None] = ContextVar("workerkit_printing", default=None)
        #: A long line is several writes to the kernel. One thread at a time, and a signal handler may print.
        self._lock = threading.RLock()
        #: Runs that have secrets, and all secrets that runs have had: what one prints may come from a thread or a
        #: task of another, or from what a handler keeps.
        self._guarded: set[Printer] = set()
        self._masks = Masks(lambda: [secret for each in self._guarded for secret in each.secrets])

    def install(self) -> None:
        """Replace `sys.stdout` and `sys.stderr`; without a tag nothing is marked."""
        if not self._tag:
            return
        for name in ("stdout", "stderr"):
            old = getattr(sys, name)
            if isinstance(old, io.TextIOWrapper):  # else it is closed, or somebody's own
                old.flush()
                new = io.TextIOWrapper(
                    _Marked(self, old.buffer), encoding=old.encoding, errors=old.errors, write_through=True
                )
                setattr(sys, name, new)
                _hand_over(old, new)
        os.register_at_fork(after_in_child=self._forked)

    def job(self, id: str, attempt: int) -> Printer:
        """A context in which what is printed is this run's, on other threads too that inherit it."""
        return Printer(self, self._current, f"\x1e{self._tag}:{id}:{attempt}\x1f")

    def current(self) -> Printer | None:
        """The run that prints now."""
        return self._current.get()

    def guard(self, printer: Printer, secrets: Iterable[str]) -> None:
        """A run has secrets."""
        with self._lock:
            self._guarded.add(printer)
            self._masks.add(secrets)

    def over(self, printer: Printer) -> None:
        """A run is over."""
        with self._lock:
            self._guarded.discard(printer)

    def clean(self, text: str) -> str:
        """A text for a client that is about to be cut, without what would be masked in it if it were whole."""
        with self._lock:
            return Redactor((), OthersSecrets(self._masks.redactor.forms, ())).text(text)

    def cut(self, line: bytes, *, ended: bool) -> list[bytes]:
        """What goes out in one piece each. Of a line that has not `ended`, the last piece does not yet."""
        if len(line) <= LONGEST:
            return [line]
        with self._lock:
            return cut(line, LONGEST, [self._masks.redactor], ended=ended)

    def write(self, fd: int, mark: bytes, lines: Iterable[bytes]) -> None:
        """Write lines, each behind `mark`."""
        for line in lines:
            with self._lock:
                _write_all(fd, mark + line + b"\n")

    def _forked(self) -> None:
        """In a child: the lock may be held by a thread that is not here, and begun lines are the parent's."""
        self._lock = threading.RLock()
        if (printer := self._current.get()) is not None:
            printer.forget()


class Printer:
    """What one run prints: lines that it has begun wait here for their ends, by stream and thread."""

    def __init__(self, printing: Printing, current: ContextVar[Printer | None], mark: str) -> None:
        self._printing = printing
        self._current = current
        self._mark = mark
        self._begun: dict[tuple[int, int], bytes] = {}
        self.secrets: list[str] = []
        self._token: Token[Printer | None]

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these, too, where lines are cut; in whole ones, the host does."""
        new = [*secrets]
        self.secrets += new
        if new:
            self._printing.guard(self, new)

    def __enter__(self) -> Printer:
        self._token = self._current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._current.reset(self._token)
        while self._begun:
            (fd, _thread), rest = self._begun.popitem()
            with suppress(OSError):  # the handler has closed it
                self._write(fd, [rest])
        self._printing.over(self)

    def print(self, fd: int, data: bytes) -> None:
        """Write the lines that are whole now."""
        key = fd, threading.get_ident()
        *lines, rest = (self._begun.pop(key, b"") + data).split(b"\n")
        if rest:
            *pieces, self._begun[key] = self._printing.cut(latest(rest), ended=False)
            lines += pieces
        if lines:
            self._write(fd, lines)

    def forget(self) -> None:
        """Drop what has begun."""
        self._begun.clear()

    def _write(self, fd: int, lines: Iterable[bytes]) -> None:
        pieces = (piece for line in lines for piece in self._printing.cut(latest(line), ended=True))
        self._printing.write(fd, self._mark.encode(), pieces)


class _Marked(io.BufferedIOBase):
    """The binary stream below `sys.stdout` or `sys.stderr`. `close` does not: later jobs print too."""

    def __init__(self, printing: Printing, plain: Any) -> None:
        self._printing = printing
        self._plain: BinaryIO = plain
        self._fd: int = plain.fileno()

    def write(self, data: ReadableBuffer) -> int:
        """Hand it to the current run; without one it goes out as it is."""
        chunk = bytes(data)
        printer = self._printing.current()
        if printer is not None:
            printer.print(self._fd, chunk)
        else:
            self._plain.write(chunk)
            if b"\n" in chunk:
                self._plain.flush()
        return len(chunk)

    def flush(self) -> None:
        """A run's begun line stays: it goes out when it is whole, or with the run's end."""
        self._plain.flush()

    def close(self) -> None:
        """Flush."""
        self.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return self._plain.isatty()

    @property
    def name(self) -> str:
        return self._plain.name

    @property
    def mode(self) -> str:
        return self._plain.mode

    @property
    def raw(self) -> Any:
        return getattr(self._plain, "raw", self._plain)


def latest(line: bytes) -> bytes:
    r"""What a terminal would show of a line in which `\r` goes back to its start: progress bars."""
    if b"\r" not in line:
        return line
    shown = line.rstrip(b"\r")
    return shown[shown.rfind(b"\r") + 1 :] + line[len(shown) :][:1]


def _write_all(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # a child of the handler has made the pipe so
            select.select((), (fd,), ())


def _hand_over(old: io.TextIOWrapper, new: io.TextIOWrapper) -> None:
    """Have the log handlers that write to the old stream write to the new one."""
    for logger in (None, *LOGGERS):
        for handler in logging.getLogger(logger).handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is old:
                handler.setStream(new)
