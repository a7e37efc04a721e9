"""Stopping a plain handler in the test's own process, as a worker that is told to stop its job does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workerkit import JobCancelled


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Gives what raises `JobCancelled` in this thread, the main one; any thread may call it."""

    def arrived(number: int, frame: object) -> None:
        raise JobCancelled("it was cancelled")

    before = signal.signal(signal.SIGUSR1, arrived)
    main = threading.get_ident()
    try:
        yield lambda: signal.pthread_kill(main, signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
