"""Room behind running jobs: very short ones are sent to a worker before it is their turn.

So neither side waits for the other between two jobs. What is sent ahead is a few milliseconds of work; when it
turns out to be more, it is recalled, and what has not begun runs elsewhere.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workerkit.queue import Claim

if TYPE_CHECKING:
    from workerkit.host.supply import Slot
    from workerkit.host.worker import Worker

#: What a worker has before it at most: seconds of work, jobs, and bytes of each.
MOST_SECONDS, MOST_JOBS, MOST_BYTES = 0.004, 64, 65_536
#: Seconds that a job may take until those behind it are recalled, and between two looks for that.
PATIENCE = 0.03
#: The weight of the latest job in the pace.
LATEST = 0.2


class Prefetch:
    """The workers that run one job at a time and have one now, and how many more they may be sent."""

    def __init__(self) -> None:
        self._taken: dict[Worker, Slot] = {}
        #: Seconds that a handler takes, as of late; long until something is known.
        self._pace = 1.0
        #: How many jobs may wait in one worker at that pace.
        self._most = 0

    def took(self, seconds: float) -> None:
        """A handler took this long."""
        self._keep_pace(self._pace + LATEST * (seconds - self._pace))

    def _keep_pace(self, pace: float) -> None:
        self._pace = pace
        self._most = min(int(MOST_SECONDS / max(pace, 1e-6)), MOST_JOBS)

    def take(self, slot: Slot) -> None:
        """A slot runs a job."""
        if slot.worker.single:
            self._taken[slot.worker] = slot

    def free(self, worker: Worker) -> None:
        """A worker runs nothing, or is to be sent nothing more; what it has before it comes back."""
        if self._taken.pop(worker, None) is not None:
            worker.recall()

    def room(self, claim: Claim) -> Slot | None:
        """Where this job may wait: behind the fewest, and nothing that has taken long by now.

        Workers share what may wait: what one cannot give back, since its handler holds the interpreter's lock, others
        cannot run. Secrets are not given to a worker that may not need them.
        """
        record = claim.record
        if record.sealed or len(record.input) + len(record.fields or b"") > MOST_BYTES:
            return None
        late = time.monotonic() - PATIENCE
        found, fewest = None, self._most // max(len(self._taken), 1)
        for worker, slot in self._taken.items():
            waiting = len(worker.before)
            if waiting < fewest and _goes_on(slot, late):
                found, fewest = slot, waiting
        return found

    def recall(self) -> bool:
        """Recall what waits for too long; whether anything waits."""
        late = time.monotonic() - PATIENCE
        waiting = [slot for worker, slot in self._taken.items() if worker.before]
        for slot in waiting:
            if not _goes_on(slot, late):
                self._keep_pace(max(self._pace, PATIENCE))
                self.free(slot.worker)
        return bool(waiting)


def _goes_on(slot: Slot, late: float) -> bool:
    """Whether a slot runs a job that has begun a moment ago, in a worker that goes on after it."""
    run = slot.worker.busy.get(slot.number)
    return run is not None and run.started > late and not slot.worker.leaving
