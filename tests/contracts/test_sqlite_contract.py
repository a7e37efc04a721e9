from __future__ import annotations

from pathlib import Path

from workerkit.queue.sqlite import SQLiteStore
from workerkit.testing.queue_contracts import KEEP, KEEP_DEAD, LEASE, LENGTH, ManualClock, StoreContract


class TestSQLite(StoreContract):
    def make(self, folder: Path, clock: ManualClock) -> SQLiteStore:
        return SQLiteStore(
            folder / "queue.db",
            lease_ms=LEASE,
            keep_ms=KEEP,
            keep_dead_ms=KEEP_DEAD,
            queue_length=LENGTH,
            holder="host",
            clock=clock,
        )
