"""What has just become of deliveries, for whoever watches it happen."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice

import msgspec

from workerkit.delivery import Delivery, shown
from workerkit.queue import DeliveryState, Tried

#: Tries that are remembered for a watcher who comes late, and that one answer holds.
KEPT, MOST_ENTRIES = 1_000, 500


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a delivery, and how the delivery stands after it. `id` is the delivery's."""

    id: str
    job: str
    endpoint: str
    plugin: str
    target: str
    state: DeliveryState
    number: int
    attempts: int
    at: int
    took: int
    outcome: str
    detail: str
    status: int | None
    address: str
    answer: str
    next_at: int | None


class Entries(msgspec.Struct, frozen=True):
    """Some of the journal. `after` is the place behind them, `missed` how many are forgotten before them."""

    attempts: list[Entry]
    after: int
    missed: int


class Journal:
    """The latest tries, in memory: the log of a delivery is the queue's."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._count = 0
        self._grown = asyncio.Event()

    def add(self, delivery: Delivery, state: DeliveryState, tried: Tried, next_at: int | None) -> None:
        """A try is over, and its outcome is stored."""
        self._entries.append(
            Entry(
                id=delivery.id,
                job=delivery.job,
                endpoint=delivery.endpoint,
                plugin=delivery.plugin,
                target=shown(delivery.target),
                state=state,
                number=tried.number,
                attempts=delivery.attempts,
                at=tried.at,
                took=tried.took,
                outcome=tried.outcome,
                detail=tried.detail,
                status=tried.status,
                address=tried.address,
                answer=tried.answer,
                next_at=next_at,
            )
        )
        self._count += 1
        self._grown.set()
        self._grown = asyncio.Event()

    async def after(self, place: int | None, seconds: float) -> Entries:
        """What came behind a place, or comes from now on without one; waits up to `seconds` for the first."""
        # A place further on is another server's: then all that there is came behind it.
        place = self._count if place is None else 0 if place > self._count else place
        if place == self._count and seconds > 0:
            try:
                await asyncio.wait_for(self._grown.wait(), seconds)
            except asyncio.TimeoutError:
                return Entries([], place, 0)
        first = self._count - len(self._entries)
        begin = max(place, first)
        found = list(islice(self._entries, begin - first, begin - first + MOST_ENTRIES))
        return Entries(found, begin + len(found), begin - place)
