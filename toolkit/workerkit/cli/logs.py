"""Where log records go when a command runs: stderr, one line each, for people or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

#: What a record may say beside its message.
KNOWN = ("worker", "job", "endpoint")


@contextmanager
def logs_on_stderr() -> Iterator[None]:
    """Print the toolkit's records on stderr, and other libraries' from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(form_of("human"))
    with handled_by(handler):
        yield


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record: when, how serious, from where, what, and whom it is about."""
        moment = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: getattr(record, name) for name in KNOWN if hasattr(record, name)},
        }
        exception = record.exc_text or (record.exc_info and self.formatException(record.exc_info))
        if exception:
            line["exception"] = exception
        return json.dumps(line, default=str)


class Lines(logging.Formatter):
    """One line for people; the time of day is made once a second."""

    _second, _time = -1, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """When it was."""
        if (second := int(record.created)) != self._second:
            self._second, self._time = second, super().formatTime(record, datefmt)
        return self._time


def form_of(format: str) -> logging.Formatter:
    """How a record is written in a format of `[logs]`."""
    if format == "json":
        return JsonLines()
    return Lines("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")


@contextmanager
def handled_by(handler: logging.Handler) -> Iterator[None]:
    """Hand the toolkit's records, and other libraries' from warnings on, to `handler`."""
    ours, root = logging.getLogger("workerkit"), logging.getLogger()
    before = ours.level
    ours.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        ours.setLevel(before)
