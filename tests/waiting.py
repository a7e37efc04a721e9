"""Waiting for what happens in other processes, with a limit."""

from __future__ import annotations

import os
from pathlib import Path

from workerkit.testing.waiting import until

__all__ = ["alive", "until"]


def alive(pid: int) -> bool:
    """Whether a process is there and not a zombie that nobody has waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:  # it has gone between the two looks
        return False
    except FileNotFoundError:
        return not Path("/proc").is_dir()
