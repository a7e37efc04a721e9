"""Jobs that crashed a worker before: each runs alone in a worker in which no other has run.

So a job that kills its process takes no neighbours along a second time, and one that died of what
another job had done to the process gets a clean one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from workerkit.host.worker import Worker
from workerkit.queue import Claim

if TYPE_CHECKING:
    from workerkit.host.supply import Slot

#: Seconds until a fresh worker is asked for again, since the one that was on its way may not have come.
ASK_AGAIN = 1.0


class Lonely:
    """Those that wait, and the workers that run one of them."""

    def __init__(self, needs_fresh: Callable[[], None]) -> None:
        self._needs_fresh = needs_fresh
        #: Each with the time when it came.
        self._waiting: dict[str, tuple[float, Claim]] = {}
        #: Slots that are kept free beside such a job.
        self._beside: dict[Worker, list[Slot]] = {}
        self._asking: asyncio.Handle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def held(self) -> list[tuple[str, int]]:
        """The (id, attempt) of those that wait."""
        return [(id, claim.record.attempt) for id, (_, claim) in self._waiting.items()]

    @property
    def waited(self) -> float:
        """Seconds that the first of them has waited."""
        since = next(iter(self._waiting.values()))[0] if self._waiting else time.monotonic()
        return time.monotonic() - since

    def add(self, claim: Claim) -> None:
        """One more waits."""
        self._waiting[claim.record.id] = time.monotonic(), claim
        self._ask_soon()

    def forget(self, id: str, attempt: int) -> None:
        """Its job has ended, or is not ours any more."""
        if (id, attempt) in self.held:
            del self._waiting[id]

    def next(self) -> Claim:
        """The one that has waited longest; it waits no more."""
        _, claim = self._waiting.pop(next(iter(self._waiting)))
        if self._waiting:
            self._ask_soon()
        return claim

    def leave(self) -> list[Claim]:
        """All that wait; none does any more."""
        claims = [claim for _, claim in self._waiting.values()]
        self._waiting.clear()
        return claims

    def _ask_soon(self) -> None:
        """Not at once: replacing a worker changes what the caller is in the middle of."""
        if self._asking is not None:
            self._asking.cancel()
        self._asking = asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        self._asking = None
        if self._waiting:
            self._asking = asyncio.get_running_loop().call_later(ASK_AGAIN, self._ask)
            self._needs_fresh()

    def runs_in(self, worker: Worker, beside: Iterable[Slot]) -> None:
        """A worker runs one; its other free slots wait until that is over."""
        self._beside[worker] = [*beside]

    def keeps(self, slot: Slot) -> bool:
        """Whether a slot that has become free must wait for the end of such a run."""
        kept = self._beside.get(slot.worker)
        if kept is None:
            return False
        kept.append(slot)
        return True

    def over(self, worker: Worker) -> list[Slot]:
        """A worker's run is over; returns the slots that waited for that."""
        return self._beside.pop(worker, [])

    def withdraw(self, worker: Worker, least: int) -> None:
        """A worker's free slots are gone, from number `least` on."""
        if worker.leaving:
            self._beside.pop(worker, None)
        elif worker in self._beside:
            self._beside[worker] = [slot for slot in self._beside[worker] if slot.number < least]
