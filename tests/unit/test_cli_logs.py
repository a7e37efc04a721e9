from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from datetime import datetime
from time import time as clock
from typing import Any

from workerkit.cli.logs_aside import Aside


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("workerkit", logging.INFO, __file__, 1, "%s", (text,), None)


def dropped(count: int) -> str:
    return f"log lines dropped, because they came faster than stderr took them: {count}"


def test_what_does_not_fit_is_dropped_and_counted_once_there_is_room() -> None:
    handler = Aside(2)

    for text in ("a", "b", "c", "d"):
        handler.handle(record(text))
    first = handler.taken()
    handler.handle(record("e"))

    assert [*first, *handler.taken()] == ["a", "b", dropped(2), "e"]


def test_in_a_flood_what_was_dropped_is_told_once_a_second_and_at_the_end() -> None:
    now = 0.0
    handler = Aside(2, lambda: now)
    said: list[str] = []

    for tenth in range(25):  # of a second
        now = tenth / 10
        for _ in range(10):
            handler.handle(record("flood"))
        said += handler.taken()
    handler.end()
    said += handler.taken()

    told = [line for line in said if line != "flood"]
    assert len(told) == 4
    assert told[0] == dropped(8)
    assert sum(int(line.rpartition(" ")[2]) for line in told) + said.count("flood") == 250


def written(logger: str, code: str) -> list[dict[str, Any]]:
    """The JSON lines that a program leaves on stderr."""
    program = f"""
import logging
from workerkit.cli.logs_aside import logs_aside

log = logging.getLogger({logger!r})
with logs_aside("json"):
    {code}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_in_json_a_record_is_one_line_that_says_when_and_whom_it_is_about() -> None:
    [line] = written(
        "workerkit.host",
        "log.info('%s\\nand more \\udc80', 'text', extra={'worker': 'w', 'job': 'j', 'endpoint': 'e', 'x': 1})",
    )

    time = line.pop("time")
    assert line == {
        "level": "INFO",
        "logger": "workerkit.host",
        "message": "text\nand more \udc80",
        "worker": "w",
        "job": "j",
        "endpoint": "e",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
    assert abs(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() - clock()) < 60


def test_in_json_an_exception_is_a_field_of_its_own() -> None:
    [line] = written(
        "another.library",
        """try:
        raise KeyError("gone")
    except KeyError:
        log.exception("it failed")
        log.info("too quiet for a library")""",
    )

    assert line["message"] == "it failed"
    assert line["exception"].startswith("Traceback (most recent call last):")
    assert line["exception"].endswith("KeyError: 'gone'")


def test_for_people_an_exception_stands_below_its_message() -> None:
    handler = Aside(1)
    try:
        raise KeyError("gone")
    except KeyError:
        failed = logging.LogRecord("workerkit", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())

    handler.handle(failed)

    [text] = handler.taken()
    assert text.startswith("failed\nTraceback")
    assert text.endswith("KeyError: 'gone'")


def test_lines_that_come_while_others_are_printed_are_neither_lost_nor_out_of_order() -> None:
    lines = written("workerkit", "[log.info('%d', n) for n in range(900)]")

    assert [line["message"] for line in lines] == [str(n) for n in range(900)]
