"""When the host dies, its workers die: nothing is left running that nobody watches.

The host holds the writing end of a pipe and never writes. However it ends, the kernel closes that
end. Two watchers see it: a thread of the worker that waits for end of file, on every system; and on
Linux the kernel itself, which then sends SIGKILL to the worker's group, even while the worker is
still starting or C code holds its interpreter's lock.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading


def arm(descriptor: int, leader: int) -> None:
    """Have the kernel kill the group of process `leader` once the other end of the pipe is closed (Linux).

    Whoever starts the process calls this as soon as it is there, for it takes a while to come to `watch`.
    It is the pipe that is armed: `descriptor` may be closed when the process has one of its own.
    """
    if sys.platform == "linux":
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -leader)
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)


def watch(descriptor: int) -> None:
    """Kill this process's group, or this process if it leads none, once the other end of the pipe is closed.

    It sees also an end that came before the pipe was armed.
    """
    group = os.getpid() == os.getpgrp()
    target = -os.getpid() if group else os.getpid()
    threading.Thread(
        target=_wait_and_kill, args=(descriptor, target), name="workerkit-death", daemon=True
    ).start()


def _wait_and_kill(descriptor: int, target: int) -> None:
    os.read(descriptor, 1)
    os.kill(target, signal.SIGKILL)
