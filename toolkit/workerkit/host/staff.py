"""Who works in one pool, who is on the way there, and who takes over from whom."""

from __future__ import annotations

from workerkit.host.hiring import Hiring
from workerkit.host.worker import Worker


class Staff:
    """The workers of a pool. Those that are leaving do not count: a refresh makes it neither smaller nor larger."""

    def __init__(self, hiring: Hiring) -> None:
        self.workers: set[Worker] = set()
        self._hiring = hiring

    @property
    def staying(self) -> list[Worker]:
        """Workers that are not leaving."""
        return [worker for worker in self.workers if not worker.leaving and not worker.understudy]

    @property
    def ready(self) -> int:
        """How many workers can take jobs, or have some."""
        return sum(worker.serves for worker in self.staying)

    @property
    def starting(self) -> int:
        """How many workers are on their way."""
        return sum(not worker.ready for worker in self.staying) + self._hiring.count

    @property
    def replacing(self) -> int:
        """How many leave, or are to, with nobody on the way who counts."""
        understudies = sum(worker.understudy for worker in self.workers)
        return len(self._hiring.left) + self._hiring.rehearsing + understudies

    @property
    def changing(self) -> bool:
        """Whether another refresh must wait for its turn: one is on the way, or leaves and none is yet.

        What waits for nothing but jobs that still run in the one that leaves holds nobody up.
        """
        loading = any(not (worker.ready or worker.leaving or worker.waits) for worker in self.workers)
        missing = any(not worker.full for worker in self._hiring.left)
        return loading or missing or bool(self._hiring.count or self._hiring.rehearsing)

    @property
    def hopeless(self) -> bool:
        """Whether none works any more, and none is to be had."""
        return self._hiring.starts.hopeless and not any(worker.serves for worker in self.workers)

    def successors(self, worker: Worker) -> list[Worker]:
        """Those that take over from it."""
        return [other for other in self.workers if other.predecessor is worker]

    def wants_successor(self, worker: Worker) -> None:
        """The next one that is hired takes over from it, unless another does."""
        if worker.leaving and not worker.gone and not self.successors(worker):
            self._hiring.left.append(worker)

    def lost(self, worker: Worker) -> list[Worker]:
        """It is gone. Whoever takes over from it takes over from its own predecessor, if there still is one."""
        self.workers.discard(worker)
        self._hiring.forget(worker)
        before, worker.predecessor = worker.predecessor, None
        heirs = self.successors(worker)
        for heir in heirs:
            heir.predecessor = before if before is not None and not before.gone else None
        if before is not None:
            self.wants_successor(before)
        return heirs
