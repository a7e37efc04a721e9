"""What workers of an earlier host have left: found by a mark of its queue, and ended before jobs run again."""

from __future__ import annotations

import os
import time
from pathlib import Path

from workerkit.host.proctable import Process, everything, kill, read, wait, with_descendants
from workerkit.host.tree import PATIENCE

#: Which queue's jobs a worker runs, by the queue's file.
QUEUE_MARK = "IN_WORKERKIT_QUEUE"


def marks(queue: Path | None) -> dict[str, str]:
    """Variables for the workers of a queue, by which `end_leftovers` knows what they have started.

    Raises `OSError` when there is no folder for the queue.
    """
    return {} if queue is None else {QUEUE_MARK: _name(queue)}


def end_leftovers(queue: Path, mine: int | None = None) -> int:
    """Kill what workers of an earlier host have started and left; returns how many processes that were.

    Only the host that owns the queue may call this, before it has workers but `mine`, the process of its
    first. Those of an earlier host died with it, and with their groups; what has a session of its own did not.
    """
    mark = f"{QUEUE_MARK}={_name(queue)}\0".encode()
    deadline = time.monotonic() + PATIENCE
    killed: set[int] = set()
    while living := _leftovers(mark, mine):
        for process in living:
            kill(process)
            wait(process, deadline)
        killed.update(process.pid for process in living)
        if time.monotonic() > deadline:
            break
    return len(killed)


def _leftovers(mark: bytes, mine: int | None) -> list[Process]:
    table = everything()
    spared = {p.pid for p in with_descendants([p for p in table if p.pid == mine], table)}
    pid = os.getpid()
    parents = {process.pid: process.parent for process in table}
    while pid in parents:  # one of them may have started this host
        spared.add(pid)
        pid = parents[pid]
    roots = [p for p in table if p.pid not in spared and mark in read(f"/proc/{p.pid}/environ")]
    return [p for p in with_descendants(roots, table) if p.pid not in spared and not p.gone]


def _name(queue: Path) -> str:
    """What a queue's file is called by whoever opens it, however they come to it; it need not be there yet."""
    folder, name = os.path.split(os.path.realpath(queue))
    status = os.stat(folder)
    return f"{status.st_dev:x}:{status.st_ino:x}/{name}"
