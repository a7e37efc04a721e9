"""Processes that have lost their parents, and come to this one: their zombies are waited for."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import sys

from workerkit.host import proctable
from workerkit.host.proctable import Process, everything, locks

log = logging.getLogger(__name__)

PR_SET_CHILD_SUBREAPER = 36
#: Seconds between two looks for zombies.
REAP_EVERY = 2.0


def become_subreaper() -> None:
    """Have processes that lose their parent become children of this one, if it is above them (Linux).

    Whoever calls this also runs `reap_forever`.
    """
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        log.warning("not a subreaper: daemons that handlers start may outlive their worker")


async def reap_forever() -> None:
    """Wait for zombies that nobody else waits for: those of workers, and those that PID 1 is left with."""
    while sys.platform == "linux":
        await asyncio.sleep(REAP_EVERY)
        if _has_zombies():
            await asyncio.to_thread(reap)


def reap() -> None:
    """Wait for the zombies there are, but for those that a `Popen` object of this process may ask for."""
    own = os.getpid()
    limit, session = locks(own), os.getsid(0)
    for process in everything():
        if process.gone and process.parent == own and _is_stray(process, limit, session):
            proctable.reap(process)


def _is_stray(zombie: Process, limit: bytes, session: int) -> bool:
    """Whether it was somebody else's child; `limit` and `session` are this process's own.

    What this process starts has both from here, but for a session of its own at most. Workers have
    their own ids for a limit.
    """
    its = locks(zombie.pid)
    if its != limit:
        return its != str(zombie.pid).encode()
    return zombie.session not in (session, zombie.pid)


def _has_zombies() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False
