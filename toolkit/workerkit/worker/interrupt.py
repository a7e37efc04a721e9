"""Stopping a plain handler: `JobCancelled`, raised in the main thread by a signal, in one run only.

A run is armed around its hooks and its handler. The signal raises nothing between runs, in a run
that nobody stops, in one that was stopped before, or while a frame is written.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

from workerkit.bridge import Cancel
from workerkit.errors import JobCancelled
from workerkit.wire import Frame


class Interrupt:
    """Interrupts the calling thread, which must be the main one, with signal `number`.

    User code that sets a handler of its own for that signal has it: nothing is raised then.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._main = threading.get_ident()
        self._armed: Cancel | None = None
        #: A frame is being written: half of one would make nonsense of all that follow.
        self._held = False
        self._reason = ""
        signal.signal(number, self._arrived)

    def arm(self, cancel: Cancel) -> None:
        """From now on a stop of this run raises `JobCancelled`, here at the earliest."""
        self._armed = cancel

    def disarm(self) -> None:
        """From now on nothing is raised; here it may be, for the last time."""
        self._armed = None

    def send(self, cancel: Cancel, reason: str) -> None:
        """Interrupt a run whose cancellation was requested, if it is the one that is armed."""
        if self._armed is cancel:
            self._reason = reason
            signal.pthread_kill(self._main, self._number)

    def shielding(self, send: Callable[[Frame], None]) -> Callable[[Frame], None]:
        """`send`, which an interrupt waits for."""

        def send_whole(frame: Frame) -> None:
            if threading.get_ident() != self._main:
                send(frame)
                return
            self._held = True
            try:
                send(frame)
            finally:
                self._held = False
                self._raise_if_due()

        return send_whole

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if not self._held:
            self._raise_if_due()

    def _raise_if_due(self) -> None:
        cancel = self._armed
        if cancel is not None and cancel.requested:
            self._armed = None
            cancel.interrupted = True
            raise JobCancelled(self._reason)
