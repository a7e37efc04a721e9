"""The process table as `/proc` shows it, and what is done to a process without hitting another one."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from functools import partial

import msgspec

#: Seconds between two looks where the kernel cannot tell of the end of a process.
LOOK_EVERY = 0.005
#: Bytes that are read at a time.
PIECE = 16_384


class Process(msgspec.Struct, frozen=True):
    """A line of the process table. With the moment that it started, an id is good for ever."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    gone: bool


def everything() -> list[Process]:
    """All processes. Where there is no `/proc`, or no descriptor to read it with, none."""
    try:
        found = [process_of(int(name)) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []
    return [process for process in found if process is not None]


def process_of(pid: int) -> Process | None:
    """The line of one process; None when there is none."""
    stat = read(f"/proc/{pid}/stat").rpartition(b") ")[2].split(None, 20)
    if not stat:
        return None
    state, parent, group, session, threads, started = (stat[n] for n in (0, 1, 2, 3, 17, 19))
    # A zombie with threads is one whose main thread has ended, and nothing else of it.
    gone = state in (b"Z", b"X") and int(threads) <= 1
    return Process(pid, int(parent), int(group), int(session), int(started), gone)


def locks(pid: int) -> bytes:
    """The soft limit on file locks as it is shown; empty when it is not."""
    rest = read(f"/proc/{pid}/limits").partition(b"Max file locks")[2]
    return rest.split(None, 1)[0] if rest else b""


def read(path: str) -> bytes:
    """A file in `/proc`; empty when the process is gone or somebody else's, or no descriptor is left."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:  # a file object would take three times as long
        return b"".join(iter(partial(os.read, descriptor, PIECE), b""))
    except OSError:
        return b""
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _held(process: Process) -> Iterator[int | None]:
    """A descriptor of the process, where the kernel has those. Raises `ProcessLookupError` if it is gone."""
    descriptor = None
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        raise
    except OSError:  # an old kernel, a sandbox, or too many open files
        pass
    try:
        now = process_of(process.pid)
        if now is None or now.started != process.started:
            raise ProcessLookupError(process.pid)
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def kill(process: Process) -> None:
    """End it at once, if it may be ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError), _held(process) as descriptor:
        if descriptor is None:
            os.kill(process.pid, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)


def wait(process: Process, deadline: float) -> None:
    """Until it has ended, or until the deadline."""
    left = max(deadline - time.monotonic(), 0)
    with contextlib.suppress(ProcessLookupError), _held(process) as descriptor:
        if descriptor is None:
            time.sleep(min(left, LOOK_EVERY))
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(1000 * left)


def reap(zombie: Process) -> None:
    """Wait for a child that has ended, unless somebody has."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError), _held(zombie):
        os.waitpid(zombie.pid, os.WNOHANG)


def with_descendants(roots: list[Process], table: list[Process]) -> list[Process]:
    """All but this process."""
    children: dict[int, list[Process]] = {}
    for process in table:
        children.setdefault(process.parent, []).append(process)
    found: dict[int, Process] = {}
    roots = [*roots]
    while roots:
        process = roots.pop()
        if process.pid not in found and process.pid != os.getpid():
            found[process.pid] = process
            roots += children.get(process.pid, ())
    return list(found.values())
