"""Refresh: at once when a job asks for it, one worker at a time when the settings do."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from workerkit.host.meter import Meter
from workerkit.host.staff import Staff
from workerkit.host.worker import Worker

log = logging.getLogger(__name__)

RELOAD = "reload: the code and the settings were read again"
ISOLATION = "isolation: another job, which had crashed its worker, needs a fresh one"


class Refreshable(Protocol):
    """The pool, as far as replacing goes."""

    def prepare(self, worker: Worker) -> None:
        """Hire one that takes over from it; until that is about to, it goes on."""

    def succeed(self, worker: Worker) -> None:
        """Let it go, and hire one that takes over from it."""

    def retire(self, worker: Worker) -> None:
        """It takes nothing more, and stays until it is its turn to be replaced."""

    def let_go(self, worker: Worker) -> None:
        """It takes nothing more, and ends once it has nothing to do."""


class Refreshing:
    """Decides when workers of one pool are replaced."""

    def __init__(self, endpoint: str, pool: Refreshable, staff: Staff, meter: Meter) -> None:
        self._endpoint = endpoint
        self._pool = pool
        self._staff = staff
        self._meter = meter
        #: Workers that ask to be replaced when it is their turn, and why.
        self._asked: dict[Worker, str] = {}
        #: Those whose successors get ready, and why.
        self._prepared: dict[Worker, str] = {}

    def ask(self, worker: Worker, reason: str, *, last: bool = False) -> None:
        """Replace a worker when it is its turn; `last` says that it takes nothing more from now on."""
        if last:
            self._pool.retire(worker)
        if worker not in self._prepared:
            self._asked.setdefault(worker, reason)
            self.next_turn()

    def renew(self, worker: Worker) -> None:
        """It runs what has been reloaded since. One that still loads that goes at once."""
        before = worker.predecessor
        if worker.was_ready:
            self.ask(worker, RELOAD)
        else:
            self._pool.let_go(worker)
            if before is not None and before.leaving:
                worker.predecessor = None
                self._staff.wants_successor(before)

    def forget(self, worker: Worker) -> None:
        """It goes anyway."""
        self._asked.pop(worker, None)
        self._prepared.pop(worker, None)

    def next_turn(self) -> None:
        """Replace the next of those that asked, unless another is being replaced: first those that are idle."""
        while self._asked and not self._staff.changing:
            worker = min(self._asked, key=lambda asked: (bool(asked.busy), not asked.retiring))
            reason = self._asked.pop(worker)
            if worker.retiring:
                self._replace(worker, reason)
            else:
                self._prepared[worker] = reason
                self._pool.prepare(worker)

    def taken_over(self, worker: Worker) -> None:
        """The successor of one that was prepared for is about to take over."""
        self._say(worker, self._prepared.pop(worker))

    def not_taken_over(self, worker: Worker, pause: float) -> None:
        """It was not: try again after so many seconds."""
        if (reason := self._prepared.pop(worker, None)) is not None:
            asyncio.get_running_loop().call_later(pause, self._ask_again, worker, reason)

    def _ask_again(self, worker: Worker, reason: str) -> None:
        if not worker.leaving:
            self.ask(worker, reason)

    def at_once(self, worker: Worker, reason: str, grace: float) -> None:
        """Replace a worker now. Jobs in its other slots have `grace` seconds, then go back to the queue."""
        if not worker.leaving:
            self._replace(worker, reason)
            asyncio.get_running_loop().call_later(grace, self._grace_is_over, worker, grace)

    def make_fresh(self, lonely: int) -> None:
        """See to it that as many workers as there are `lonely` jobs have run none, or will have."""
        coming = self._staff.starting + self._staff.replacing
        ready = [worker for worker in self._staff.staying if worker.ready]
        # One that works beside its predecessor stays, or they would be more and more.
        used = [worker for worker in ready if worker.begun and worker.predecessor is None]
        if used and lonely > coming + sum(worker.fresh for worker in ready):
            self._replace(min(used, key=lambda worker: len(worker.busy)), ISOLATION)

    def _replace(self, worker: Worker, reason: str) -> None:
        self._say(worker, reason)
        self._pool.succeed(worker)

    def _say(self, worker: Worker, reason: str) -> None:
        log.info("%s is refreshed: %s", worker.id, reason, extra=worker.about)
        self._meter.worker_refreshed(self._endpoint, reason)

    def _grace_is_over(self, worker: Worker, grace: float) -> None:
        if worker.busy and not worker.gone:
            worker.kill(f"it was to be refreshed, and its other jobs ran on for {grace:g} s")
