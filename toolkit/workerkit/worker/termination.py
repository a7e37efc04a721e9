"""SIGTERM, which ends no worker: its host does that.

Who stops the server may signal the whole group, as systemd does by default. What a worker runs then
would be lost, though it has a while to end.
"""

from __future__ import annotations

import os
import signal
import threading


def leave_to_host() -> None:
    """Take no notice of SIGTERM, until a handler has its own way with it; children end by it."""
    signal.signal(signal.SIGTERM, _unheeded)
    signal.siginterrupt(signal.SIGTERM, False)
    forking = _Forking()
    os.register_at_fork(
        before=forking.hold, after_in_parent=forking.release, after_in_child=forking.heed_in_child
    )


def _unheeded(number: int, frame: object) -> None:
    """Nothing. To ignore it would be handed down to programs, which forget this."""


class _Forking(threading.local):
    """Holds the signal back in the thread that forks: a child may get it before it means something there."""

    blocked: set[int]

    def hold(self) -> None:
        self.blocked = {*signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})}

    def release(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)

    def heed_in_child(self) -> None:
        if signal.getsignal(signal.SIGTERM) is _unheeded:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.release()
