"""The queue in one SQLite file, owned by one host. Nothing to install, nothing to run beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import msgspec

from workerkit.delivery import Delivery
from workerkit.queue import (
    Blame,
    Claim,
    Counts,
    DeliveryFilter,
    DeliveryLine,
    DeliveryState,
    End,
    EndLine,
    JobLine,
    Record,
    Settled,
    Submission,
    Submitted,
    Tried,
    View,
    Watch,
    ending,
    outbox,
    running,
    submitting,
)
from workerkit.queue.engine import Engine
from workerkit.queue.operation import Lane
from workerkit.queue.reading import Reader
from workerkit.queue.values import SYNC
from workerkit.states import Status

#: What one transaction of housekeeping is about, so that nothing waits long behind it.
SLICE = 50


class SQLiteStore(Engine):
    """A `Store` in a SQLite file, made as an `Engine` is."""

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

    async def finish(self, ends: Sequence[End]) -> list[bool]:
        """See `Feed.finish`."""
        return await self._write(ending.finish, ends, size=sum([len(end.body) for end in ends]))

    async def release(self, id: str, attempt: int, blame: Blame, after: int = 0) -> bool:
        """See `Feed.release`."""
        return await self._write(running.release, id, attempt, blame, after)

    async def keep_log(self, id: str, attempt: int, text: bytes) -> bool:
        """See `Feed.keep_log`."""
        return await self._write(running.keep_log, id, attempt, text, size=len(text))

    async def register(self, descriptors: Mapping[str, bytes]) -> None:
        """See `Store.register`."""
        sql = self._context.sql["register"]
        await self._do(lambda batch: batch.db.executemany(sql, descriptors.items()))

    async def endpoints(self) -> dict[str, bytes]:
        """See `Store.endpoints`."""
        return self._reader.endpoints()

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """See `Store.submit`. Who submits through /runsync waits for the end of the job."""
        size = sum([len(s.input) for s in submissions])
        patient = all(s.idempotency is None and s.id.startswith(SYNC) for s in submissions)
        return await self._write(submitting.submit, submissions, size=size, patient=patient)

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

    async def waiting(self, endpoint: str, wait: float) -> int | None:
        """See `Store.waiting`."""
        return await self._claiming.waiting(endpoint, wait)

    async def logs(self, id: str) -> list[tuple[int, bytes]]:
        """See `Store.logs`."""
        return self._reader.logs(id)

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
        place: ending.Place | None = ending.FIRST
        while place is not None and swept < limit:
            size = min(SLICE, limit - swept)
            done, place = await self._write(ending.sweep, size, place, lane=Lane.HOUSEKEEPING)
            swept += done
        return swept

    async def ends(
        self, endpoint: str, after: int, limit: int, most_bytes: int, wait: float
    ) -> list[EndLine]:
        """See `Store.ends`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        with self._followers.watch(endpoint) as more:
            while True:
                found = self._reader.ends(endpoint, after, limit, most_bytes)
                if found or not await more.changed(deadline - loop.time()) or self._closed:
                    return found

    async def claim_deliveries(self, limit: int, rooms: Mapping[str, int], others: int) -> list[Delivery]:
        """See `Store.claim_deliveries`."""
        return await self._write(outbox.claim, limit, dict(rooms), others)

    async def settle_deliveries(self, several: Sequence[Settled]) -> list[bool]:
        """See `Store.settle_deliveries`."""
        return await self._write(outbox.settle, several)

    async def next_delivery(self, rooms: Mapping[str, int], others: int) -> int | None:
        """See `Store.next_delivery`."""
        return next((due for _, due in outbox.lanes(self._reader.rows, rooms, others, 1)), None)

    async def delivery_due(self, timeout: float) -> bool:
        """See `Store.delivery_due`."""
        return await self._deliveries.wait(timeout)

    async def deliveries(
        self, filter: DeliveryFilter, *, after: int | None, limit: int
    ) -> list[DeliveryLine]:
        """See `Store.deliveries`."""
        return await self._reader.aside(lambda reader: reader.deliveries(filter, after, limit))

    async def delivery_counts(self) -> dict[DeliveryState, int]:
        """See `Store.delivery_counts`."""
        return await self._reader.aside(Reader.delivery_counts)

    async def reached_lanes(self, limit: int) -> list[str]:
        """See `Store.reached_lanes`."""
        return await self._reader.aside(lambda reader: reader.reached_lanes(limit))

    async def oldest_pending(self) -> int | None:
        """See `Store.oldest_pending`."""
        return await self._reader.aside(Reader.oldest_pending)

    async def hold_deliveries(self, why: Callable[[str, str], str]) -> dict[str, int]:
        """See `Store.hold_deliveries`."""
        return await self._write(outbox.hold, why, lane=Lane.HOUSEKEEPING)

    async def delivery(self, id: str) -> tuple[DeliveryLine, bytes, list[Tried]] | None:
        """See `Store.delivery`."""
        return self._reader.delivery(id)

    async def redeliver(self, id: str) -> bool:
        """See `Store.redeliver`."""
        return await self._write(outbox.redeliver, id)

    async def redeliver_many(self, filter: DeliveryFilter, limit: int) -> int:
        """See `Store.redeliver_many`. Looked for aside, and made pending in slices."""
        now = self.now()
        chosen = msgspec.structs.replace(
            filter, until=now + 1 if filter.until is None else min(filter.until, now + 1)
        )
        done = after = 0
        while seen := await self._sendable(chosen, after, limit - done):
            after = seen[-1][0]
            done += await self._write(outbox.redeliver_seen, seen, lane=Lane.HOUSEKEEPING)
        return done

    async def _sendable(self, chosen: DeliveryFilter, after: int, limit: int) -> list[tuple[int, str, int]]:
        """The next slice, none when the limit is reached."""
        size = min(limit, SLICE)
        return (
            await self._reader.aside(lambda reader: reader.sendable(chosen, after, size)) if size > 0 else []
        )
