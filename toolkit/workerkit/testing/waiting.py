"""Waiting for what happens in other threads and processes, with a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
#: Seconds.
BETWEEN_LOOKS = 0.01


def until(what: str, happened: Callable[[], T], seconds: float = 20.0) -> T:
    """The first true answer of `happened`; fails when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (answer := happened()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        pause.wait(BETWEEN_LOOKS)
    return answer
