"""Jobs that were put off: when their delay is over, one timer in memory lets claims see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from workerkit.queue.batch import Batch
from workerkit.queue.context import Context

#: Jobs of one endpoint that one transaction lets through.
SLICE = 256
#: Seconds between two looks at the clock: at least; at most, as the time of day may be set; and
#: after the queue could not be written.
LEAST, MOST, REFUSED = 0.005, 60.0, 1.0


def promote(batch: Batch, context: Context, endpoint: str) -> None:
    """Let claims see the jobs of an endpoint whose delay is over."""
    promoted = batch.db.execute(context.sql["promote"], (endpoint, batch.now, SLICE)).rowcount
    batch.delays[endpoint] = None
    if promoted:
        context.filled(batch, endpoint)


def look(batch: Batch, context: Context) -> None:
    """The last thing in a transaction that changed delays: which one is over first."""
    for endpoint in batch.delays:
        row = batch.one(context.sql["next_delayed"], (endpoint,))
        batch.delays[endpoint] = row[0] if row else None


class Delays:
    """The timer. It knows when the first delay of each endpoint is over, as it was committed."""

    def __init__(
        self,
        context: Context,
        clock: Callable[[], int],
        do: Callable[[Callable[[Batch], Any]], asyncio.Future[Any]],
    ) -> None:
        self._context = context
        self._clock = clock
        self._do = do
        self._next: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def over(self, endpoint: str) -> bool:
        """Whether a delay of this endpoint is over, and its job still waits to be let through."""
        return endpoint in self._next and self._next[endpoint] <= self._clock()

    def promote(self, endpoint: str) -> asyncio.Future[None]:
        """Let through what has waited for long enough."""
        context = self._context
        return self._do(lambda batch: promote(batch, context, endpoint))

    def update(self, changes: Mapping[str, int | None]) -> None:
        """These endpoints' first delays have changed; None where nothing is put off."""
        for endpoint, at in changes.items():
            if at is None:
                self._next.pop(endpoint, None)
            else:
                self._next[endpoint] = at
        if changes:
            self._arm(LEAST)

    def stop(self) -> None:
        """The queue closes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, least: float) -> None:
        self.stop()
        if self._next:
            seconds = (min(self._next.values()) - self._clock()) / 1000
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(max(seconds, least), MOST), self._ring)

    def _ring(self) -> None:
        over = [endpoint for endpoint in self._next if self.over(endpoint)]
        # The commit arms it anew; until then, or when there is none, the next look is a while away.
        self._arm(REFUSED if over else LEAST)
        for endpoint in over:
            self.promote(endpoint)
