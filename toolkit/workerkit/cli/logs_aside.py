"""Log records of a server: they go to stderr from a thread, so that nobody waits for whoever reads them."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from workerkit.cli.logs import form_of, handled_by

#: Lines that wait for a slow reader of stderr; seconds that they have when the command ends.
MOST_WAITING, LAST_WAIT = 1_000, 1.0
#: Seconds between two lines that say how many were dropped; and that lines wait for others after some were printed.
TOLD_EVERY, GATHER = 1.0, 0.02


@contextmanager
def logs_aside(format: str = "human", most: int = MOST_WAITING) -> Iterator[None]:
    """Print records on stderr from a thread, in a format of `[logs]`: a reader who stalls stops nobody.

    When more than `most` lines wait, new ones are dropped; how many is told once there is room.
    """
    handler = Aside(most)
    handler.setFormatter(form_of(format))
    # What no line of ours shows is not looked up for each: https://docs.python.org/3/howto/logging.html#optimization
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    printer = threading.Thread(target=handler.print, name="workerkit-log", daemon=True)
    printer.start()
    try:
        with handled_by(handler):
            yield
    finally:
        handler.end()
        printer.join(LAST_WAIT)


class Aside(logging.Handler):
    """Keeps lines for a thread that prints them, and never waits for room."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._told = float("-inf")
        #: Set when the printer has something to do; not for each line, since waking a thread costs more than one.
        self._woken = threading.Event()
        #: Set when lines wait no longer for others: so many wait, or there will be no more.
        self._hurry = threading.Event()
        self._ended = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record as it is now; before it, now and then, how many there was no room for."""
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if self._dropped and self._clock() - self._told >= TOLD_EVERY and self._put(self._loss()):
            self._dropped, self._told = 0, self._clock()
        if not self._put(line):
            self._dropped += 1
        if not self._woken.is_set():
            self._woken.set()

    def _put(self, line: str) -> bool:
        if len(self._lines) >= self._most:
            return False
        self._lines.append(line)
        if len(self._lines) == self._most // 2:
            self._hurry.set()
        return True

    def _loss(self) -> str:
        sentence = f"log lines dropped, because they came faster than stderr took them: {self._dropped:,}"
        return self.format(logging.LogRecord(__name__, logging.WARNING, __file__, 0, sentence, None, None))

    def taken(self) -> list[str]:
        """The lines that wait, which do not any more."""
        return [self._lines.popleft() for _ in range(len(self._lines))]

    def print(self) -> None:
        """Print until the end. Neither a handler nor sys.stderr: the exit would wait for their locks."""
        while not self._ended:
            self._woken.wait()
            self._woken.clear()
            _print(self.taken())
            self._hurry.wait(GATHER)  # what comes meanwhile is printed at one go
            self._hurry.clear()
        _print(self.taken())

    def end(self) -> None:
        """No record comes any more: say what is still to be said."""
        if self._dropped:
            self._lines.append(self._loss())
        self._ended = True
        self._hurry.set()
        self._woken.set()


def _print(lines: Iterable[str]) -> None:
    data = "".join([line + "\n" for line in lines]).encode(errors="backslashreplace")
    with suppress(OSError):  # the reader has gone
        while data:
            try:
                data = data[os.write(2, data) :]
            except BlockingIOError:  # somebody who shares it has made it so
                select.select((), (2,), ())
