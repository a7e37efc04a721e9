"""Every promise of a queue, one test each. Subclass in your tests, say how a queue is made, run pytest.

    class TestMyStore(StoreContract):
        def make(self, folder, clock):
            kept = {"keep_ms": KEEP, "keep_dead_ms": KEEP_DEAD}
            return MyStore(folder / "queue", lease_ms=LEASE, **kept, queue_length=LENGTH, clock=clock)

A queue under test takes its time from `clock`, so that no test waits for it to pass.
"""

from __future__ import annotations

from workerkit.testing.clock import ManualClock
from workerkit.testing.feed_contract import KEEP, KEEP_DEAD, LEASE, LENGTH, FeedContract, end, submission
from workerkit.testing.redelivery_contract import RedeliveryContract

__all__ = [
    "KEEP",
    "KEEP_DEAD",
    "LEASE",
    "LENGTH",
    "FeedContract",
    "ManualClock",
    "StoreContract",
    "end",
    "submission",
]


class StoreContract(RedeliveryContract):
    """All that `Store` promises: a feed, its jobs and their deliveries."""
