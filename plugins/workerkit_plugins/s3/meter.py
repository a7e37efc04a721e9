"""How far a transfer is, for whoever waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from workerkit import Job

#: Is told how many are done, and of how many; None when nobody knows.
Progress = Callable[[int, int | None], object]
#: Seconds: what is over sooner is not shown as the job's progress, and the rest this often.
LONG, EVERY = 2.0, 1.0


class Meter:
    """Counts what is done, and tells `progress` of it; without one, a long transfer is the job's progress.

    `verb` and `name` say there what is going on, `unit` what is counted; `clock` is in
    seconds. Threads may share it.
    """

    def __init__(
        self,
        job: Job,
        progress: Progress | None,
        name: str,
        total: int | None,
        *,
        verb: str = "uploading",
        unit: str = "bytes",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = progress or self._show
        self._job = job
        self._labels = (verb, name, unit)
        self._total = total
        self._done = 0
        self._clock = clock
        self._due = clock() + LONG
        self._lock = threading.Lock()

    def __call__(self, more: int) -> None:
        """So many more are done; fewer, when something is sent again."""
        with self._lock:
            self._done += more
            self._tell(self._done, self._total)

    def _show(self, done: int, total: int | None) -> None:
        now = self._clock()
        if now < self._due:
            return
        self._due = now + EVERY
        verb, name, unit = self._labels
        shown = {verb: name, unit: done, "of": total}
        self._job.progress({**shown, "percent": 100 * done // total} if total else shown)
