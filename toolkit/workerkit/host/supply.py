"""Jobs for free slots: claimed as slots become free, and a little ahead when jobs are very short."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import attrs

from workerkit.host.ahead import Ahead
from workerkit.host.claims import Claims
from workerkit.host.lonely import Lonely
from workerkit.host.prefetch import PATIENCE, Prefetch
from workerkit.host.worker import Worker
from workerkit.queue import Blame, Claim, Feed

log = logging.getLogger(__name__)

#: A claim takes a commit. What is claimed ahead is about what the slots do meanwhile, and no more
#: than `MOST_AHEAD` jobs; what no slot has taken after `UNUSED_AFTER` seconds goes back.
AHEAD_SECONDS, MOST_AHEAD, UNUSED_AFTER = 0.02, 128, 0.05
#: The weight of the latest job in the pace.
LATEST = 0.2


@attrs.frozen(eq=False)
class Slot:
    """Room for one job in a worker."""

    worker: Worker
    number: int


class Supply:
    """Matches free slots with claimed jobs.

    `begin` is called for every match, and says whether the slot is taken; `lost` for every claim that
    could not be stored, whether it was given out or not. `needs_fresh` is called when a job that crashed a
    worker before finds none in which no job has run.
    """

    def __init__(
        self,
        endpoint: str,
        feed: Feed,
        holder: str,
        begin: Callable[[Slot, Claim], bool],
        lost: Callable[[Claim], None],
        needs_fresh: Callable[[], None],
    ) -> None:
        self._endpoint = endpoint
        self._feed = feed
        self._begin = begin
        self._lost = lost
        #: The last one that became free is used first, so that workers that are not needed stay idle.
        self._free: list[Slot] = []
        self._ahead = Ahead()
        self._lonely = Lonely(needs_fresh)
        self._prefetch = Prefetch()
        self._claims = Claims(endpoint, feed, holder, self._wanted, self._received)
        self._returning: asyncio.TimerHandle | None = None
        self._returns: set[asyncio.Task[bool]] = set()
        #: Seconds that a job takes, as of late; long until something is known.
        self._pace = 1.0

    @property
    def lonely(self) -> int:
        """How many claimed jobs wait for a worker in which none has run."""
        return len(self._lonely)

    @property
    def lonely_for(self) -> float:
        """Seconds that the first of them has waited."""
        return self._lonely.waited

    @property
    def held(self) -> list[tuple[str, int]]:
        """The (id, attempt) of claimed jobs that may wait for longer than their leases last."""
        return self._lonely.held

    def offer(self, slot: Slot) -> None:
        """A slot is free."""
        self._prefetch.free(slot.worker)
        if not self._lonely.keeps(slot):
            self._free.append(slot)
            self.match()

    def took(self, run: float, turn: float) -> None:
        """A job took this long: the handler, and until its slot was free again."""
        self._prefetch.took(run)
        self._pace += LATEST * (turn - self._pace)

    def back(self, claims: Iterable[Claim]) -> None:
        """Jobs that were given out have not begun, and go first."""
        if not self._claims.are_open:
            self._give_back(claims)
            return
        for claim in claims:
            self._put(claim, again=True)
        self.match()

    def over(self, worker: Worker) -> None:
        """A run in a worker is over. If it had the worker for itself, the other slots are free again."""
        if kept := self._lonely.over(worker):
            self._free += kept
            self.match()

    def withdraw(self, worker: Worker, least: int = 0) -> None:
        """A worker's free slots are gone, from number `least` on."""
        self._prefetch.free(worker)
        self._free = [slot for slot in self._free if slot.worker is not worker or slot.number < least]
        self._lonely.withdraw(worker, least)
        if self._wanted() <= 0:
            self._claims.call_off()

    def forget(self, id: str, attempt: int) -> None:
        """A job that was claimed has ended, or is not ours any more; it may wait here."""
        self._lonely.forget(id, attempt)
        self._ahead.forget(id, attempt)

    def refused(self) -> None:
        """A claim that was given out could not be stored: the next one waits a while."""
        self._claims.refused()

    async def run(self) -> None:
        """Claim for ever. Cancelling it loses nothing: what was claimed ahead goes back."""
        self._claims.open()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            try:
                await self._claims.close()
            finally:
                self._give_back([*self._lonely.leave(), *self._ahead.leave()])

    async def drained(self) -> None:
        """Wait until what went back is stored."""
        if self._returns:
            await asyncio.wait(self._returns)

    def _received(self, claims: list[Claim]) -> None:
        for committed in {claim.committed for claim in claims}:
            committed.add_done_callback(partial(self._committed, claims))
        for claim in claims:
            self._put(claim)
        if self._claims.are_open:
            self.match()

    def _put(self, claim: Claim, *, again: bool = False) -> None:
        if claim.record.crashes:
            self._lonely.add(claim)
        else:
            self._ahead.add(claim, again=again)

    def _committed(self, claims: Sequence[Claim], settled: asyncio.Future[None]) -> None:
        """Claims that could not be stored never were."""
        if settled.cancelled() or settled.exception() is None:
            return
        self.refused()
        for claim in claims:
            if claim.committed is settled:
                self.forget(claim.record.id, claim.record.attempt)
                self._lost(claim)

    def _wanted(self) -> int:
        """How many more jobs have a use: none until half of what was claimed ahead is used up."""
        ahead = min(int(AHEAD_SECONDS / max(self._pace, 1e-6)), MOST_AHEAD)
        wanted = len(self._free) + ahead - len(self._ahead)
        return wanted if 2 * wanted > ahead else 0

    def match(self) -> None:
        """Give out what is here, and claim more when it is wanted."""
        corked: list[Worker] = []
        try:
            self._give_out(corked)
        finally:
            for worker in corked:
                worker.uncork()
        self._claims.go_on()

    def _give_out(self, corked: list[Worker]) -> None:
        """Workers are `corked`, so that what one gets is sent to it at one go."""
        while self._lonely and (fresh := self._fresh_slot()) is not None:
            self._begin_alone(fresh, corked)
        while self._ahead and (slot := self._next_slot()) is not None:
            if self._begins(slot, self._ahead.next(), corked):
                self._prefetch.take(slot)
            else:
                self._free.append(slot)
        sent = False
        while self._ahead and (slot := self._prefetch.room(self._ahead.first)) is not None:
            sent = self._begins(slot, self._ahead.next(), corked) or sent
        if self._ahead or sent:
            self._look_again_after(PATIENCE)

    def _begins(self, slot: Slot, claim: Claim, corked: list[Worker]) -> bool:
        """`begin`; a job that nobody can make sense of goes back, which a job may only so often."""
        if slot.worker.cork():
            corked.append(slot.worker)
        try:
            return self._begin(slot, claim)
        except Exception:
            log.exception("job %s of %s could not be begun", claim.record.id, self._endpoint)
            self.refused()
            if slot.worker.has(claim.record):  # it has, and its end will be told
                return True
            self._give_back([claim], Blame.NONE)
            return False

    def _next_slot(self) -> Slot | None:
        """A free slot that its worker still has."""
        while self._free:
            slot = self._free.pop()
            if not slot.worker.leaving and slot.number < slot.worker.slots:
                return slot
        return None

    def _fresh_slot(self) -> Slot | None:
        """A free slot of a worker in which no job has run."""
        for slot in self._free:
            if slot.worker.fresh and not slot.worker.leaving and slot.number < slot.worker.slots:
                return slot
        return None

    def _begin_alone(self, slot: Slot, corked: list[Worker]) -> None:
        if self._begins(slot, self._lonely.next(), corked):
            mine = [free for free in self._free if free.worker is slot.worker]
            self._free = [free for free in self._free if free.worker is not slot.worker]
            self._lonely.runs_in(slot.worker, (free for free in mine if free is not slot))

    def _look_again_after(self, seconds: float) -> None:
        if self._returning is None:
            self._returning = asyncio.get_running_loop().call_later(seconds, self._return_unused)

    def _return_unused(self) -> None:
        """Give back what was claimed ahead for a pace that is no longer kept; others may run it."""
        self._returning = None
        if self._ahead and self._ahead.waited >= UNUSED_AFTER:
            self._pace = max(self._pace, UNUSED_AFTER)
            self._claims.call_off()
            self._give_back(self._ahead.leave())
        if self._prefetch.recall() or self._ahead:
            self._look_again_after(PATIENCE)

    def _give_back(self, claims: Iterable[Claim], blame: Blame = Blame.UNUSED) -> None:
        for claim in claims:
            record = claim.record
            task = asyncio.ensure_future(self._feed.release(record.id, record.attempt, blame))
            self._returns.add(task)
            task.add_done_callback(self._returns.discard)
