"""What workers of an earlier host have left: found by a mark of its queue, and ended before jobs run again."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from workerkit.host.proctable import Process, everything, kill, process_of, read, wait, with_descendants
from workerkit.host.tree import PATIENCE

#: Which queue's jobs a worker runs, by the queue's file; and which process has started it, by its id and its start.
QUEUE_MARK, HOST_MARK = "IN_WORKERKIT_QUEUE", "OF_WORKERKIT_HOST"
_HOST = re.compile(rb"(?:^|\0)OF_WORKERKIT_HOST=(\d+):(\d+)\0")


def marks(queue: Path | None) -> dict[str, str]:
    """Variables for the workers of a queue, by which `end_leftovers` knows what they have started.

    Raises `OSError` when there is no folder for the queue.
    """
    if queue is None:
        return {}
    host = process_of(os.getpid())
    return {QUEUE_MARK: _name(queue), **({} if host is None else {HOST_MARK: f"{host.pid}:{host.started}"})}


def end_leftovers(queue: Path) -> int:
    """Kill what workers of an earlier host have started and left; returns how many processes that were.

    Only the host that owns the queue may call this. Workers of an earlier one died with it, and with their
    groups; what has a session of its own did not. What a living host has started is no leftover: this one's
    first worker, and that of one which has come too late for the queue, and is about to say so.
    """
    mark = f"{QUEUE_MARK}={_name(queue)}\0".encode()
    deadline = time.monotonic() + PATIENCE
    killed: set[int] = set()
    while living := _leftovers(mark):
        for process in living:
            kill(process)
            wait(process, deadline)
        killed.update(process.pid for process in living)
        if time.monotonic() > deadline:
            break
    return len(killed)


def _leftovers(mark: bytes) -> list[Process]:
    table = everything()
    known = {process.pid: process for process in table}
    spared, pid = set[int](), os.getpid()
    while pid in known:  # one of them may have started this host
        spared.add(pid)
        pid = known[pid].parent
    roots = [
        p for p in table if p.pid not in spared and _is_left(read(f"/proc/{p.pid}/environ"), mark, known)
    ]
    return [p for p in with_descendants(roots, table) if p.pid not in spared and not p.gone]


def _is_left(environ: bytes, mark: bytes, known: Mapping[int, Process]) -> bool:
    """Whether a process with this environment is of the queue, and its host is no more."""
    if mark not in environ:
        return False
    named = _HOST.search(environ)
    host = None if named is None else known.get(int(named[1]))
    return host is None or named is None or host.gone or host.started != int(named[2])


def _name(queue: Path) -> str:
    """What a queue's file is called by whoever opens it, however they come to it; it need not be there yet."""
    folder, name = os.path.split(os.path.realpath(queue))
    status = os.stat(folder)
    return f"{status.st_dev:x}:{status.st_ino:x}/{name}"
