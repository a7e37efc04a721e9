"""How much is done for a job: calls of the toolkit's functions, SQL statements, system calls.

Unlike time, these are the same on every machine and under any load, so a test can hold them to a number.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import workerkit

ROOT = f"{Path(workerkit.__file__).parent}/"
#: Some versions of Python call a comprehension, and some do not.
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>")
IO = Path("/proc/self/io")

#: How often what was done: `("queue/writer.py", "do")`, `("SQL", "UPDATE")`.
Work = Counter[tuple[str, str]]


class Counting:
    """Counts in this thread and in those that are started from now on."""

    def __init__(self) -> None:
        self._done: Work = Counter()
        self._last: Work = Counter()
        self._traced: set[int] = set()
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def taken(self) -> Work:
        """What was done since this was asked last."""
        now = self._done.copy()
        now.update(system_calls())
        last, self._last = self._last, now
        return now - last

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            if code.co_filename.startswith(ROOT) and code.co_name not in COMPREHENSIONS:
                self._done[code.co_filename[len(ROOT) :], code.co_name] += 1
        elif event == "c_call" and isinstance(argument.__self__, sqlite3.Connection):
            self._trace(argument.__self__)

    def _trace(self, database: sqlite3.Connection) -> None:
        if id(database) not in self._traced:
            self._traced.add(id(database))
            database.set_trace_callback(self._note_statement)

    def _note_statement(self, statement: str) -> None:
        self._done["SQL", statement.split(maxsplit=1)[0].upper()] += 1


def system_calls() -> Mapping[tuple[str, str], int]:
    """Those of this process so far that read and write, where the system counts them."""
    if not IO.exists():
        return {}
    counts = dict(line.split(": ") for line in IO.read_text().splitlines())
    return {
        ("system calls", name): int(counts[field]) for field, name in (("syscr", "read"), ("syscw", "write"))
    }
