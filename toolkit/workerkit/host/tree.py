"""What a worker has started: found, killed with it, and nothing left of it in the process table.

On Linux all of it is found in `/proc`: the worker's session and group, their descendants, and strays.
A stray has lost its parent and has become a child of this process, which is a subreaper. It is known
by two marks that the worker got and hands down. One is a variable in its environment. The other is
the soft limit on file locks, which Linux keeps and does not use: it outlives an emptied environment,
and a zombie has nothing else left that tells whose it was. Other systems know the group only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

log = logging.getLogger(__name__)

#: Not among `WORKERKIT_` names: those are settings, and one that is unknown is refused.
MARK = "IN_WORKERKIT_WORKER"
#: Which queue's jobs a worker runs, by the queue's file.
QUEUE_MARK = "IN_WORKERKIT_QUEUE"
#: `RLIMIT_LOCKS`, for which Python has no name.
LOCKS = 10
PR_SET_CHILD_SUBREAPER = 36
#: Seconds for all that was killed to be gone; nothing that is killed takes long unless the kernel holds it.
PATIENCE = 0.8
#: Seconds between two looks where the kernel cannot tell of the end of a process.
LOOK_EVERY = 0.005
#: Seconds between two looks for zombies.
REAP_EVERY = 2.0


@attrs.frozen
class Process:
    """A line of the process table. With the moment that it started, an id is good for ever."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    gone: bool


class Tree:
    """A worker's process and whatever it starts.

    `end` may be called by several threads, and until the last call of it the process must not have
    been waited for: while it is a zombie, its id cannot be anybody else's.
    """

    def __init__(self, pid: int, mark: str) -> None:
        self.pid = pid
        self._mark = f"{MARK}={mark}\0".encode()
        self._lock = threading.Lock()
        self._over = False
        if sys.platform == "linux":
            with contextlib.suppress(OSError, ValueError):  # the sandbox or a hard limit forbids it
                resource.prlimit(pid, LOCKS, (pid, resource.prlimit(pid, LOCKS)[1]))

    def end(self, *, last: bool = False) -> int:
        """Kill all of it, and wait a little until it is gone; returns how many there were."""
        with self._lock:
            if self._over:
                return 0
            self._over = last
            deadline = time.monotonic() + PATIENCE
            killed: set[int] = set()
            while living := self._kill():
                killed.update(process.pid for process in living)
                if time.monotonic() > deadline:
                    pids = sorted(process.pid for process in living)
                    log.warning("killed, and not gone after %g s: processes %s", PATIENCE, pids)
                    break
                for process in living:
                    _wait(process, deadline)
            return len(killed)

    def _kill(self) -> list[Process]:
        """One round; what is forked meanwhile is left for the next. Returns what was alive."""
        members = self._members()  # before any of them dies, for it is their parents that tell
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        living = [member for member in members if not member.gone]
        for member in living:
            _kill(member)
        for member in members:
            if member.gone and member.parent == os.getpid() and member.pid != self.pid:
                _reap(member)
        return living

    def _members(self) -> list[Process]:
        table = _table()
        return _with_descendants([process for process in table if self._is_root(process)], table)

    def _is_root(self, process: Process) -> bool:
        """Whether it is the worker's, however it came to its parent."""
        if self.pid in (process.pid, process.group, process.session):
            return True
        return process.parent == os.getpid() and (
            _locks(process.pid) == str(self.pid).encode()
            or self._mark in _read(f"/proc/{process.pid}/environ")
        )


def become_subreaper() -> None:
    """Have processes that lose their parent become children of this one, if it is above them (Linux).

    Whoever calls this also runs `reap_forever`.
    """
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        log.warning("not a subreaper: daemons that handlers start may outlive their worker")


def marks(queue: Path | None) -> dict[str, str]:
    """Variables for the workers of a queue, by which `end_leftovers` knows what they have started."""
    return {} if queue is None else {QUEUE_MARK: _name(queue)}


def end_leftovers(queue: Path) -> int:
    """Kill what workers of an earlier host have started and left; returns how many processes that were.

    Only the host that owns the queue may call this, before it has workers. Those of an earlier one died
    with it, and with their groups; what has a session of its own did not.
    """
    mark = f"{QUEUE_MARK}={_name(queue)}\0".encode()
    deadline = time.monotonic() + PATIENCE
    killed: set[int] = set()
    while living := _leftovers(mark):
        for process in living:
            _kill(process)
            _wait(process, deadline)
        killed.update(process.pid for process in living)
        if time.monotonic() > deadline:
            break
    return len(killed)


def _leftovers(mark: bytes) -> list[Process]:
    table = _table()
    spared, pid = set(), os.getpid()
    parents = {process.pid: process.parent for process in table}
    while pid in parents:  # one of them may have started this host
        spared.add(pid)
        pid = parents[pid]
    roots = [p for p in table if p.pid not in spared and mark in _read(f"/proc/{p.pid}/environ")]
    return [p for p in _with_descendants(roots, table) if p.pid not in spared and not p.gone]


def _name(queue: Path) -> str:
    """What a queue's file is called by whoever has it open, however they came to it."""
    status = queue.stat()
    return f"{status.st_dev:x}:{status.st_ino:x}"


def _with_descendants(roots: list[Process], table: list[Process]) -> list[Process]:
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


async def reap_forever() -> None:
    """Wait for zombies that nobody else waits for: those of workers, and those that PID 1 is left with."""
    while sys.platform == "linux":
        await asyncio.sleep(REAP_EVERY)
        if _has_zombies():
            await asyncio.to_thread(reap)


def reap() -> None:
    """Wait for the zombies there are, but for those that a `Popen` object of this process may ask for."""
    own = os.getpid()
    limit, session = _locks(own), os.getsid(0)
    for process in _table():
        if process.gone and process.parent == own and _is_stray(process, limit, session):
            _reap(process)


def _is_stray(zombie: Process, limit: bytes, session: int) -> bool:
    """Whether it was somebody else's child; `limit` and `session` are this process's own.

    What this process starts has both from here, but for a session of its own at most. Workers have
    their own ids for a limit.
    """
    locks = _locks(zombie.pid)
    if locks != limit:
        return locks != str(zombie.pid).encode()
    return zombie.session not in (session, zombie.pid)


def _has_zombies() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


def _table() -> list[Process]:
    """All processes. Where there is no `/proc`, or no descriptor to read it with, none."""
    try:
        found = [_process(int(name)) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []
    return [process for process in found if process is not None]


def _process(pid: int) -> Process | None:
    stat = _read(f"/proc/{pid}/stat").rpartition(b") ")[2].split(None, 20)
    if not stat:
        return None
    state, parent, group, session, threads, started = (stat[n] for n in (0, 1, 2, 3, 17, 19))
    # A zombie with threads is one whose main thread has ended, and nothing else of it.
    gone = state in (b"Z", b"X") and int(threads) <= 1
    return Process(pid, int(parent), int(group), int(session), int(started), gone)


def _locks(pid: int) -> bytes:
    """The soft limit on file locks as it is shown; empty when it is not."""
    rest = _read(f"/proc/{pid}/limits").partition(b"Max file locks")[2]
    return rest.split(None, 1)[0] if rest else b""


def _read(path: str) -> bytes:
    """A file in `/proc`; empty when the process is gone or somebody else's, or no descriptor is left."""
    with contextlib.suppress(OSError), open(path, "rb", 0) as file:
        return file.read()
    return b""


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
        now = _process(process.pid)
        if now is None or now.started != process.started:
            raise ProcessLookupError(process.pid)
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError), _held(process) as descriptor:
        if descriptor is None:
            os.kill(process.pid, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)


def _wait(process: Process, deadline: float) -> None:
    """Until it has ended, or until the deadline."""
    left = max(deadline - time.monotonic(), 0)
    with contextlib.suppress(ProcessLookupError), _held(process) as descriptor:
        if descriptor is None:
            time.sleep(min(left, LOOK_EVERY))
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(1000 * left)


def _reap(zombie: Process) -> None:
    with contextlib.suppress(ProcessLookupError, ChildProcessError), _held(zombie):
        os.waitpid(zombie.pid, os.WNOHANG)
