"""The numbers behind `/metrics`, counted in plain Python on the event loop.

prometheus-client only writes them down (`host/exposition.py`): its own counters would go to the files
of `PROMETHEUS_MULTIPROC_DIR`, which is set for what a handler runs.
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from workerkit.host.meter import Meter
from workerkit.queue import Blame
from workerkit.states import Status

if TYPE_CHECKING:
    from workerkit.host.host import Host

#: Seconds: from a no-op to an hour of video.
SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
#: What is a cause of refreshes, and how many of them are a label of their own: any plugin has causes,
#: and a handler may say whatever it likes.
CAUSE, MOST_CAUSES = re.compile(r"([a-z][a-z0-9_]{0,30}):"), 20
FREE_TEXT, ONE_TOO_MANY = "job", "other"
#: Counters that are shown from the first scrape on, since a rate needs to see their 0.
ENDS = tuple(status.value for status in Status if status.ended)
BLAMES = (Blame.NONE.value, Blame.CRASH.value, Blame.FAILURE.value)
PLACES = ("output", "error", "chunk", "progress", "notes", "refresh")
OUTCOMES = ("delivered", "pending", "held", "dead", "sent", "dropped")


class Spread:
    """The numbers of a histogram."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value under the first bound that it does not exceed."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@attrs.define(eq=False)
class Counts:
    """What has happened at one endpoint."""

    ended: Counter[str] = attrs.field(factory=lambda: Counter(dict.fromkeys(ENDS, 0)))
    returned: Counter[str] = attrs.field(factory=lambda: Counter(dict.fromkeys(BLAMES, 0)))
    refreshed: Counter[str] = attrs.field(factory=Counter)
    masked: Counter[str] = attrs.field(factory=lambda: Counter(dict.fromkeys(PLACES, 0)))
    delay: Spread = attrs.field(factory=lambda: Spread(SECONDS))
    run: Spread = attrs.field(factory=lambda: Spread(SECONDS))
    crashes: int = 0
    failures: int = 0
    stale: int = 0


class PrometheusMeter(Meter):
    """Counts in memory, on the host's event loop; a job costs about a microsecond."""

    def __init__(self) -> None:
        #: By endpoint, and by plugin and outcome.
        self.at: defaultdict[str, Counts] = defaultdict(Counts)
        self.deliveries: defaultdict[str, Counter[str]] = defaultdict(
            lambda: Counter(dict.fromkeys(OUTCOMES, 0))
        )
        self.batches = Spread(BATCHES)
        self._causes: set[str] = set()

    def job_began(self, endpoint: str, delay: int) -> None:
        """See `Meter`."""
        self.at[endpoint].delay.add(max(delay, 0) / 1000)

    def job_ended(self, endpoint: str, status: str, execution_time: int | None) -> None:
        """See `Meter`."""
        counts = self.at[endpoint]
        counts.ended[status] += 1
        if execution_time is not None:
            counts.run.add(execution_time / 1000)

    def job_returned(self, endpoint: str, blame: str) -> None:
        """See `Meter`."""
        self.at[endpoint].returned[blame] += 1

    def worker_refreshed(self, endpoint: str, reason: str) -> None:
        """See `Meter`."""
        self.at[endpoint].refreshed[self._cause(reason)] += 1

    def _cause(self, reason: str) -> str:
        """A label for a reason; however many reasons there are, the labels are few."""
        found = CAUSE.match(reason)
        if found is None:
            return FREE_TEXT
        if found[1] not in self._causes and len(self._causes) == MOST_CAUSES:
            return ONE_TOO_MANY
        self._causes.add(found[1])
        return found[1]

    def worker_died(self, endpoint: str) -> None:
        """See `Meter`."""
        self.at[endpoint].crashes += 1

    def start_failed(self, endpoint: str) -> None:
        """See `Meter`."""
        self.at[endpoint].failures += 1

    def stale(self, endpoint: str) -> None:
        """See `Meter`."""
        self.at[endpoint].stale += 1

    def secrets_masked(self, endpoint: str, place: str, count: int) -> None:
        """See `Meter`."""
        self.at[endpoint].masked[place] += count

    def delivered(self, plugin: str, outcome: str) -> None:
        """See `Meter`."""
        self.deliveries[plugin][outcome] += 1

    def batch(self, operations: int) -> None:
        """See `Meter`."""
        self.batches.add(operations)

    async def shown(self, host: Host, accept: str) -> tuple[bytes, str]:
        """See `Meter`."""
        exposed = await asyncio.to_thread(_exposed)
        return await exposed(self, host, accept)


def _exposed() -> Callable[[PrometheusMeter, Host, str], Awaitable[tuple[bytes, str]]]:
    # Imported here: prometheus-client takes its time, and many are never asked.
    from workerkit.host.exposition import exposed

    return exposed
