"""Waiting for what happens in other processes, with a limit."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
BETWEEN_LOOKS = 0.01


def until(what: str, happened: Callable[[], T], seconds: float = 20.0) -> T:
    """The first true answer of `happened`; fails when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (answer := happened()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        pause.wait(BETWEEN_LOOKS)
    return answer


def alive(pid: int) -> bool:
    """Whether a process is there and not a zombie that nobody has waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc").is_dir()
