"""Asks a function again and again how many jobs its worker shall run at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Seconds between two questions: at least, when jobs end, and at most.
LEAST, MOST = 0.5, 1.0


class Sizing:
    """A thread that asks `wanted`, with the current number, and gives each new one to `resize`."""

    def __init__(self, wanted: Callable[[int], int], slots: int, resize: Callable[[int], None]) -> None:
        self._wanted = wanted
        self._slots = slots
        self._resize = resize
        self._ended = threading.Event()
        self._over = threading.Event()

    def start(self) -> None:
        """Ask from now on."""
        threading.Thread(target=self._ask, name="workerkit-sizing", daemon=True).start()

    def job_ended(self) -> None:
        """Ask soon."""
        self._ended.set()

    def stop(self) -> None:
        """Ask no more; a question that is being answered has no effect."""
        self._over.set()
        self._ended.set()

    def _ask(self) -> None:
        while not self._over.wait(LEAST):
            self._ended.wait(MOST - LEAST)
            self._ended.clear()
            wanted = self._wanted(self._slots)
            if wanted != self._slots and not self._over.is_set():
                self._slots = wanted
                self._resize(wanted)
