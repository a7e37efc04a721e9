"""The queue in one SQLite file, owned by one host. Nothing to install, nothing to run beside it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from workerkit.delivery import Delivery
from workerkit.errors import QueueError
from workerkit.job import Status
from workerkit.queue import (
    Blame,
    Claim,
    Counts,
    DeliveryLine,
    DeliveryState,
    End,
    JobLine,
    Record,
    Submission,
    Submitted,
    View,
    Watch,
    ending,
    outbox,
    running,
    submitting,
)
from workerkit.queue.batch import Batch
from workerkit.queue.claiming import Claiming
from workerkit.queue.context import Context
from workerkit.queue.file import Location, explain, open_for_writing, prepare_folder
from workerkit.queue.owner import Owner
from workerkit.queue.reading import Reader
from workerkit.queue.sql import SQLITE, load, parse
from workerkit.queue.values import wall_clock
from workerkit.queue.waiting import Claimers, Signal, Watches
from workerkit.queue.writer import Follow, Lane, Writer

T = TypeVar("T")
#: Jobs that one transaction of a sweep forgets, so that nothing waits long behind it.
SLICE = 50


class SQLiteStore:
    """A `Store` in a SQLite file. Use it from the event loop that opened it.

    `lease_ms` is how long a run lives without a heartbeat, `keep_ms` how long an ended job is kept
    (`keep_sync_ms` one of /runsync), `queue_length` how many jobs of one endpoint may wait.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        lease_ms: int,
        keep_ms: int,
        keep_sync_ms: int | None = None,
        queue_length: int,
        holder: str,
        clock: Callable[[], int] | None = None,
        unsafe_filesystem: bool = False,
    ) -> None:
        self._location = Location(Path(path), unsafe_filesystem)
        self.path = self._location.path.absolute()
        #: The lock beside the file; `owner.publish` tells others where this host answers.
        self.owner = Owner(self.path)
        self._clock = clock or wall_clock
        self._watches = Watches()
        self._deliveries = Signal()
        sql = parse(load("statements.sql"), SQLITE)
        keep_sync_ms = keep_ms if keep_sync_ms is None else keep_sync_ms
        self._context = Context(sql, Claimers(), lease_ms, keep_ms, keep_sync_ms, queue_length, holder)
        self._claiming = Claiming(self._context, self._do)
        self._writer: Writer | None = None
        self._reading: Reader | None = None

    def now(self) -> int:
        """The queue's clock."""
        return self._clock()

    async def open(self) -> None:
        """Own the file, made when it is not there; raises `QueueError` with a sentence."""
        prepare_folder(self._location)
        self.owner.take()
        try:
            db = await asyncio.to_thread(open_for_writing, self.path)
        except BaseException:
            self.owner.release()
            raise
        try:
            await self._start(db)
        except BaseException:
            await self.close()
            raise

    async def _start(self, db: sqlite3.Connection) -> None:
        context, claiming = self._context, self._claiming
        follow = Follow(context.write_counts, claiming.hand_over, self._tell, claiming.undo)
        self._writer = Writer(db, self._clock, follow, partial(explain, self.path))
        await self._do(lambda batch: batch.db.execute(context.sql["adopt_counters"], (context.host,)))
        self._reading = Reader(self.path, context.sql)
        context.levels.update(self._reading.levels())

    async def close(self) -> None:
        """Commit what has gathered and give the file up. May be called twice."""
        self._context.claimers.dismiss()
        if self._reading is not None:
            self._reading.close()
        if self._writer is not None:
            # Closed last, it empties the write-ahead log and removes it.
            await self._writer.close()
        self.owner.release()

    @property
    def _reader(self) -> Reader:
        if self._reading is None:
            raise self._not_open()
        return self._reading

    def _do(
        self, op: Callable[[Batch], T], *, lane: Lane = Lane.NOW, size: int = 0, early: bool = False
    ) -> asyncio.Future[T]:
        if self._writer is None:
            raise self._not_open()
        return self._writer.do(op, lane=lane, size=size, early=early)

    def _write(
        self, op: Callable[..., T], *values: Any, lane: Lane = Lane.NOW, size: int = 0
    ) -> asyncio.Future[T]:
        context = self._context
        return self._do(lambda batch: op(batch, context, *values), lane=lane, size=size)

    def _not_open(self) -> QueueError:
        return QueueError(f"the queue {self.path} is not open")

    def _tell(self, batch: Batch) -> None:
        self._context.keep_levels(batch)
        self._watches.wake(batch.wakes)
        if batch.rings:
            self._deliveries.set()
        self._claiming.stir()

    async def claim(self, endpoint: str, n: int, holder: str, wait: float) -> list[Claim]:
        """See `Feed.claim`. The jobs are handed over while their claim is being committed."""
        return await self._claiming.claim(endpoint, n, holder, wait)

    async def heartbeat(self, runs: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """See `Feed.heartbeat`."""
        return await self._write(running.heartbeat, runs) if runs else []

    async def chunk(self, id: str, attempt: int, n: int, value: bytes) -> bool:
        """See `Feed.chunk`."""
        return await self._write(running.chunk, id, attempt, n, value, size=len(value))

    async def progress(self, id: str, attempt: int, value: bytes) -> bool:
        """See `Feed.progress`."""
        return await self._write(running.progress, id, attempt, value, size=len(value))

    async def chunks(self, id: str, attempt: int) -> list[bytes]:
        """See `Feed.chunks`. Read on the writing connection, which knows what is being committed."""
        context = self._context
        return await self._do(lambda batch: running.chunks(batch, context, id, attempt), early=True)

    async def finish(self, end: End) -> bool:
        """See `Feed.finish`."""
        return await self._write(ending.finish, end, size=len(end.body))

    async def release(self, id: str, attempt: int, blame: Blame) -> bool:
        """See `Feed.release`."""
        return await self._write(running.release, id, attempt, blame)

    async def register(self, descriptors: Mapping[str, bytes]) -> None:
        """See `Store.register`."""
        sql = self._context.sql["register"]
        await self._do(lambda batch: batch.db.executemany(sql, descriptors.items()))

    async def endpoints(self) -> dict[str, bytes]:
        """See `Store.endpoints`."""
        return self._reader.endpoints()

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """See `Store.submit`."""
        size = sum([len(s.input) for s in submissions])
        return await self._write(submitting.submit, submissions, size=size)

    async def keyed(self, endpoint: str, key: str) -> tuple[str, bytes] | None:
        """See `Store.keyed`."""
        found = self._reader.rows("idempotent", endpoint, key)
        return (found[0][0], found[0][1]) if found else None

    async def view(self, id: str) -> View | None:
        """See `Store.view`."""
        return self._reader.view(id)

    async def record(self, id: str) -> Record | None:
        """See `Store.record`."""
        return self._reader.record(id)

    def watch(self, id: str) -> AbstractContextManager[Watch]:
        """See `Store.watch`."""
        return self._watches.watch(id)

    async def take_chunks(self, id: str, limit: int, most_bytes: int) -> list[bytes]:
        """See `Store.take_chunks`."""
        if not self._reader.rows("new_chunks", id, 1):
            return []
        return await self._write(running.take_chunks, id, limit, most_bytes)

    async def retry(self, id: str) -> bool:
        """See `Store.retry`."""
        return await self._write(ending.retry, id)

    async def queued(self, endpoint: str, limit: int) -> list[Record]:
        """See `Store.queued`."""
        return self._reader.records("queued", endpoint, limit)

    async def counts(self, endpoint: str) -> Counts:
        """See `Store.counts`."""
        return self._reader.counts(endpoint)

    async def jobs(
        self, *, endpoint: str | None, status: Status | None, after: int | None, limit: int
    ) -> list[JobLine]:
        """See `Store.jobs`."""
        return await self._reader.aside(lambda reader: reader.jobs(endpoint, status, after, limit))

    async def expired(self, limit: int) -> list[Record]:
        """See `Store.expired`."""
        return self._reader.records("expired", self.now(), limit)

    async def lapsed(self, limit: int) -> list[Record]:
        """See `Store.lapsed`."""
        return self._reader.records("lapsed", self.now(), limit)

    async def recover(self, holder: str) -> int:
        """See `Store.recover`."""
        return await self._write(running.recover, holder, lane=Lane.HOUSEKEEPING)

    async def sweep(self, limit: int) -> int:
        """See `Store.sweep`. In slices, so that no submit waits long behind it."""
        swept = 0
        while swept < limit:
            size = min(SLICE, limit - swept)
            done, more = await self._write(ending.sweep, size, lane=Lane.HOUSEKEEPING)
            swept += done
            if not more:
                break
        return swept

    async def claim_deliveries(self, limit: int, busy_lanes: Sequence[str]) -> list[Delivery]:
        """See `Store.claim_deliveries`."""
        return await self._write(outbox.claim, limit, frozenset(busy_lanes))

    async def settle_delivery(
        self, id: str, number: int, state: DeliveryState, detail: str, next_at: int | None
    ) -> bool:
        """See `Store.settle_delivery`."""
        return await self._write(outbox.settle, id, number, state, detail, next_at)

    async def next_delivery(self, busy_lanes: Sequence[str]) -> int | None:
        """See `Store.next_delivery`."""
        lanes = self._reader.rows("next_lanes", len(busy_lanes) + 1)
        return next((due for lane, due in lanes if lane not in busy_lanes), None)

    async def delivery_due(self, timeout: float) -> bool:
        """See `Store.delivery_due`."""
        return await self._deliveries.wait(timeout)

    async def deliveries(
        self, *, state: DeliveryState | None, job: str | None, limit: int
    ) -> list[DeliveryLine]:
        """See `Store.deliveries`."""
        return await self._reader.aside(lambda reader: reader.deliveries(state, job, limit))

    async def hold_deliveries(self, why: Callable[[str, str], str]) -> dict[str, int]:
        """See `Store.hold_deliveries`."""
        return await self._write(outbox.hold, why, lane=Lane.HOUSEKEEPING)

    async def delivery(self, id: str) -> tuple[DeliveryLine, bytes] | None:
        """See `Store.delivery`."""
        return self._reader.delivery(id)

    async def redeliver(self, id: str) -> bool:
        """See `Store.redeliver`."""
        return await self._write(outbox.redeliver, id)
