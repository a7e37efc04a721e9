from __future__ import annotations

from pathlib import Path

from workerkit.queue.sqlite import SQLiteStore
from workerkit.testing.queue_contracts import KEEP, LEASE, LENGTH, ManualClock, StoreContract


class TestSQLite(StoreContract):
    def make(self, folder: Path, clock: ManualClock) -> SQLiteStore:
        path = folder / "queue.db"
        return SQLiteStore(
            path, lease_ms=LEASE, keep_ms=KEEP, queue_length=LENGTH, holder="host", clock=clock
        )
