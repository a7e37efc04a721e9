"""When the host dies, its worker dies: nothing is left running that nobody watches.

The host holds the writing end of a pipe and never writes. However it ends, the kernel closes that
end. Two watchers see it: a thread that waits for end of file, on every system; and on Linux the
kernel itself, which then sends SIGKILL even while C code holds the interpreter's lock.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading


def watch(descriptor: int) -> None:
    """Kill this process's group, or this process if it leads none, once `descriptor` is closed."""
    group = os.getpid() == os.getpgrp()
    target = -os.getpid() if group else os.getpid()
    if sys.platform == "linux":
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, target)
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
    # The thread comes second: it sees an end that came before the kernel was asked.
    threading.Thread(
        target=_wait_and_kill, args=(descriptor, target), name="workerkit-death", daemon=True
    ).start()


def _wait_and_kill(descriptor: int, target: int) -> None:
    os.read(descriptor, 1)
    os.kill(target, signal.SIGKILL)
