"""What the operations on a queue share."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from workerkit.queue.batch import Batch
from workerkit.queue.values import SYNC
from workerkit.queue.waiting import Claimers

#: The counters of ends among those of `Batch.counts`.
ENDED = slice(2, 6)


@attrs.define(eq=False)
class Context:
    """Statements, rules and waiting claimers of one store. Times are milliseconds."""

    sql: Mapping[str, str]
    claimers: Claimers
    lease_ms: int
    keep_ms: int
    keep_sync_ms: int
    keep_dead_ms: int
    queue_length: int
    host: str
    #: Committed numbers of waiting jobs by endpoint.
    levels: dict[str, int] = attrs.Factory(dict)
    #: Committed numbers of ends by endpoint, those of jobs that are gone included.
    totals: dict[str, int] = attrs.Factory(dict)

    def kept_ms(self, id: str) -> int:
        """How long a job is kept after its end; results of /runsync, whose client has them, may go sooner."""
        return self.keep_sync_ms if id.startswith(SYNC) else self.keep_ms

    def waiting(self, batch: Batch, endpoint: str) -> int:
        """How many jobs of an endpoint wait, those of this batch included."""
        counts = batch.counts.get(endpoint)
        return self.levels.get(endpoint, 0) + (counts[0] if counts else 0)

    def ends(self, batch: Batch, endpoint: str) -> int:
        """How many jobs of an endpoint have ever ended, those of this batch included."""
        counts = batch.counts.get(endpoint)
        return self.totals.get(endpoint, 0) + (sum(counts[ENDED]) if counts else 0)

    def filled(self, batch: Batch, endpoint: str) -> None:
        """A job was put where only a claim finds it."""
        batch.filled.add(endpoint)
        self.claimers.filled(endpoint)

    def write_counts(self, batch: Batch) -> None:
        """Store what a batch changed: one statement for each endpoint it touched."""
        for endpoint, counts in batch.counts.items():
            batch.db.execute(self.sql["count"], (endpoint, self.host, *counts))

    def keep_levels(self, batch: Batch) -> list[str]:
        """Remember how many jobs wait and have ended, now that it is committed; where some have ended."""
        ended = []
        for endpoint, counts in batch.counts.items():
            self.levels[endpoint] = self.levels.get(endpoint, 0) + counts[0]
            if new := sum(counts[ENDED]):
                self.totals[endpoint] = self.totals.get(endpoint, 0) + new
                ended.append(endpoint)
        return ended
