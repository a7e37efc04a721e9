"""What a worker has started: found, killed with it, and nothing left of it in the process table.

On Linux all of it is found in `/proc`: the worker's session and group, their descendants, and strays.
A stray has lost its parent and has become a child of this process, which is a subreaper. It is known
by two marks that the worker got and hands down. One is a variable in its environment. The other is
the soft limit on file locks, which Linux keeps and does not use: it outlives an emptied environment,
and a zombie has nothing else left that tells whose it was. Other systems know the group only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import sys
import threading
import time

from workerkit.host.proctable import Process, everything, kill, locks, read, reap, wait, with_descendants

log = logging.getLogger(__name__)

#: Not among `WORKERKIT_` names: those are settings, and one that is unknown is refused.
MARK = "IN_WORKERKIT_WORKER"
#: `RLIMIT_LOCKS`, for which Python has no name.
LOCKS = 10
#: Seconds for all that was killed to be gone; nothing that is killed takes long unless the kernel holds it.
PATIENCE = 0.8


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
                    wait(process, deadline)
            return len(killed)

    def _kill(self) -> list[Process]:
        """One round; what is forked meanwhile is left for the next. Returns what was alive."""
        members = self._members()  # before any of them dies, for it is their parents that tell
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        living = [member for member in members if not member.gone]
        for member in living:
            kill(member)
        for member in members:
            if member.gone and member.parent == os.getpid() and member.pid != self.pid:
                reap(member)
        return living

    def _members(self) -> list[Process]:
        table = everything()
        return with_descendants([process for process in table if self._is_root(process)], table)

    def _is_root(self, process: Process) -> bool:
        """Whether it is the worker's, however it came to its parent."""
        if self.pid in (process.pid, process.group, process.session):
            return True
        return process.parent == os.getpid() and (
            locks(process.pid) == str(self.pid).encode() or self._mark in read(f"/proc/{process.pid}/environ")
        )
