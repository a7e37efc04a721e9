"""What processes use: CPU time and memory, as the kernel counts them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """A process and all that descend from it, itself first."""
    parents: dict[int, list[int]] = {}
    for stat in PROC.glob("[0-9]*/stat"):
        if text := _read(stat):
            parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, ())
    return found


def cpu(pids: Iterable[int]) -> float:
    """Seconds that the living threads of these processes have run, to the microsecond."""
    files = (file for pid in pids for file in PROC.glob(f"{pid}/task/[0-9]*/schedstat"))
    return sum(int(text.split()[0]) for text in map(_read, files) if text) / 1e9


def memory(pid: int) -> float:
    """MiB of a process: its own pages, and its share of those that it has in common with others (PSS)."""
    found = re.search(r"^Pss: +(\d+) kB", _read(PROC / str(pid) / "smaps_rollup"), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _read(path: Path) -> str:
    """Nothing of a process that has gone meanwhile."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
