from __future__ import annotations

import logging
from queue import Queue

from workerkit.cli.logs import Dropping, Records


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("workerkit", logging.INFO, __file__, 1, "%s", (text,), None)


def test_what_does_not_fit_is_dropped_and_counted_once_there_is_room() -> None:
    waiting: Records = Queue(2)
    handler = Dropping(waiting)

    for text in ("a", "b", "c", "d"):
        handler.handle(record(text))
    first = [waiting.get(), waiting.get()]
    handler.handle(record("e"))
    second = [waiting.get(), waiting.get()]

    said = [line.getMessage() for line in (*first, *second) if line is not None]
    assert said == ["a", "b", "log lines dropped, because nobody read them in time: 2", "e"]
