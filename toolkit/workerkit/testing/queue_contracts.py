"""Every promise of a queue, one test each. Subclass in your tests, say how a queue is made, run pytest.

    class TestMyStore(StoreContract):
        def make(self, folder, clock):
            return MyStore(folder / "queue", lease_ms=LEASE, keep_ms=KEEP, queue_length=LENGTH, clock=clock)

A queue under test takes its time from `clock`, so that no test waits for it to pass.
"""

from __future__ import annotations

from workerkit.testing.clock import ManualClock
from workerkit.testing.delivery_contract import DeliveryContract
from workerkit.testing.feed_contract import KEEP, LEASE, LENGTH, FeedContract, end, submission

__all__ = ["KEEP", "LEASE", "LENGTH", "FeedContract", "ManualClock", "StoreContract", "end", "submission"]


class StoreContract(DeliveryContract):
    """All that `Store` promises: a feed, its jobs and their deliveries."""
