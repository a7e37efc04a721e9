"""Log records of a server: they go to stderr from a thread, so that nobody waits for whoever reads them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from logging.handlers import QueueHandler
from queue import Full, Queue

from workerkit.cli.logs import form_of, handled_by

#: Lines that wait for a slow reader of stderr; seconds that they have when the command ends.
MOST_WAITING, LAST_WAIT = 1_000, 1.0
#: Seconds between two lines that say how many were dropped.
TOLD_EVERY = 1.0

Records = Queue["logging.LogRecord | None"]


@contextmanager
def logs_aside(format: str = "human", most: int = MOST_WAITING) -> Iterator[None]:
    """Print records on stderr from a thread, in a format of `[logs]`: a reader who stalls stops nobody.

    When more than `most` lines wait, new ones are dropped; how many is told once there is room.
    """
    records: Records = Queue(most)
    printer = threading.Thread(
        target=_print, args=(records, form_of(format)), name="workerkit-log", daemon=True
    )
    printer.start()
    handler = Dropping(records)
    try:
        with handled_by(handler):
            yield
    finally:
        try:
            for rest in handler.rest():
                records.put(rest, timeout=LAST_WAIT)
            records.put(None, timeout=LAST_WAIT)
            printer.join(LAST_WAIT)
        except Full:
            pass  # nobody reads, so nobody misses the rest


class Dropping(QueueHandler):
    """Puts records into a bounded queue and never waits for room."""

    def __init__(self, records: Records, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(records)
        self._records = records
        self._clock = clock
        self._dropped = 0
        self._told = float("-inf")

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record as it is now: what it names may change before it is printed."""
        said, record = record.getMessage(), _clone(record)
        record.msg, record.args = said, None
        if record.exc_info:
            record.exc_text, record.exc_info = form_of("human").formatException(record.exc_info), None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue a record; before it, now and then, how many there was no room for."""
        try:
            if self._dropped and self._clock() - self._told >= TOLD_EVERY:
                self._records.put_nowait(_told(self._dropped))
                self._dropped, self._told = 0, self._clock()
            self._records.put_nowait(record)
        except Full:
            self._dropped += 1

    def rest(self) -> Iterator[logging.LogRecord]:
        """What is still to be said when no record comes any more."""
        if self._dropped:
            yield _told(self._dropped)


def _clone(record: logging.LogRecord) -> logging.LogRecord:
    """What `copy.copy` does, in a third of the time: there is a record for each job."""
    clone = logging.LogRecord.__new__(type(record))
    clone.__dict__.update(record.__dict__)
    return clone


def _told(dropped: int) -> logging.LogRecord:
    sentence = f"log lines dropped, because they came faster than stderr took them: {dropped:,}"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, sentence, None, None)


def _print(records: Records, form: logging.Formatter) -> None:
    """Print until there is None. Neither a handler nor sys.stderr: the exit would wait for their locks."""
    while (record := records.get()) is not None:
        with suppress(OSError):  # the reader has gone
            os.write(2, (form.format(record) + "\n").encode(errors="backslashreplace"))
