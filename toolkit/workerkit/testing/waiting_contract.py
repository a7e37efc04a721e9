"""What every store promises about jobs that wait: those put off, and since when the first one waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from workerkit.job import Policy
from workerkit.queue import Blame, End, Record, Store
from workerkit.states import Status
from workerkit.testing.clock import ManualClock
from workerkit.testing.feed_contract import end, submission
from workerkit.testing.job_contract import JobContract

#: Milliseconds that a test waits for, where it must see a delay end by itself.
SHORT = 40


def cancelled(record: Record) -> End:
    """The end of a job that its client took back."""
    return End(
        id=record.id,
        seen_status=record.status,
        seen_attempt=record.attempt,
        status=Status.CANCELLED,
        body=b"{}",
    )


class WaitingContract(JobContract):
    """A job that is put off is in the queue, and no claim takes it before its time."""

    async def put_off(self, store: Store, after: int, **changes: object) -> Record:
        """A job that has failed once and may run again `after` milliseconds from now."""
        claim = await self.running(store, **changes)
        assert await store.release(claim.record.id, 1, Blame.FAILURE, after)
        record = await store.record(claim.record.id)
        assert record is not None
        return record

    def test_a_job_that_is_put_off_is_in_the_queue(self, tmp_path: Path) -> None:
        """Its record and the counts, and it keeps no other from being claimed."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            record = await self.put_off(store, 5_000)
            assert (record.status, record.attempt) == (Status.IN_QUEUE, 1)
            assert (record.crashes, record.failures, record.returns) == (0, 1, 0)
            assert (await store.counts("render")).in_queue == 1
            other = submission()
            await store.submit([other])
            assert [c.record.id for c in await store.claim("render", 9, "host", 0)] == [other.id]

        self.play(tmp_path, scenario)

    def test_a_job_that_is_put_off_can_be_cancelled_and_purged(self, tmp_path: Path) -> None:
        """`queued` has it, behind what may be claimed; once it has ended its delay is forgotten."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            first = await self.put_off(store, 5_000)
            second = await self.put_off(store, 4_000)
            third = submission()
            await store.submit([third, submission("caption")])
            listed = await store.queued("render", 9)
            assert [r.id for r in listed] == [third.id, second.id, first.id]
            assert [r.id for r in await store.queued("render", 2)] == [third.id, second.id]
            for record in listed:
                assert await store.finish([cancelled(record)]) == [True]
            clock.advance(5_000)
            assert await store.claim("render", 9, "host", 0) == []
            counts = await store.counts("render")
            assert (counts.in_queue, counts.cancelled) == (0, 3)

        self.play(tmp_path, scenario)

    def test_a_job_that_is_put_off_past_its_ttl_expires(self, tmp_path: Path) -> None:
        """`expired` has it; after a retry nothing is left of the delay."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            record = await self.put_off(store, 5_000, policy=Policy(ttl=1_000))
            clock.advance(1_000)
            (expired,) = await store.expired(9)
            assert (expired.id, expired.status) == (record.id, Status.IN_QUEUE)
            over = msgspec.structs.replace(cancelled(expired), status=Status.TIMED_OUT)
            assert await store.finish([over]) == [True]
            assert await store.retry(record.id)
            (claim,) = await store.claim("render", 9, "host", 0)
            assert (claim.record.attempt, claim.record.failures) == (3, 0)

        self.play(tmp_path, scenario)

    def test_a_job_is_put_off_also_over_a_restart(self, tmp_path: Path) -> None:
        """Whoever waits is given it when its time has come, as in the queue that put it off."""

        async def before(store: Store, clock: ManualClock) -> None:
            await self.put_off(store, SHORT)

        async def after(store: Store, clock: ManualClock) -> None:
            assert await store.claim("render", 1, "host", 0) == []
            claiming = asyncio.create_task(store.claim("render", 1, "host", 30))
            await asyncio.sleep(0)
            clock.advance(SHORT)
            ((record,),) = ([c.record for c in await claiming],)
            assert (record.attempt, record.failures) == (2, 1)

        self.play(tmp_path, before)
        self.play(tmp_path, after)

    def test_the_first_in_line_has_waited_since_it_came(self, tmp_path: Path) -> None:
        """`waiting` after a submit, a release and a retry; low priority stands behind."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            assert await store.waiting("render", 0) is None
            start = clock.time
            await store.submit([submission(policy=Policy(low_priority=True)), submission("caption")])
            assert await store.waiting("render", 0) == start
            clock.advance(10)
            await store.submit([submission()])
            assert await store.waiting("render", 5) == start + 10
            first, low = await store.claim("render", 2, "host", 0)
            assert await store.waiting("render", 0.01) is None
            clock.advance(10)
            await store.release(low.record.id, 1, Blame.NONE)
            assert await store.waiting("render", 0) == start + 20
            clock.advance(10)
            await store.finish([end(first, Status.FAILED)])
            await store.retry(first.record.id)
            assert await store.waiting("render", 0) == start + 30

        self.play(tmp_path, scenario)

    def test_who_asks_for_the_first_in_line_is_told_when_one_comes(self, tmp_path: Path) -> None:
        """`waiting` is woken by a job of its endpoint, and by one whose delay is over."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            asking = asyncio.create_task(store.waiting("render", 30))
            await asyncio.sleep(0)
            await store.submit([submission("caption")])
            await store.submit([submission()])
            assert await asking == clock.time
            await store.claim("render", 1, "host", 0)
            await self.put_off(store, SHORT)
            over = clock.time + SHORT
            assert await store.waiting("render", 0) is None
            asking = asyncio.create_task(store.waiting("render", 30))
            await asyncio.sleep(0)
            clock.advance(SHORT + 5)
            assert await asking == over

        self.play(tmp_path, scenario)

    def test_what_cannot_be_claimed_does_not_wait(self, tmp_path: Path) -> None:
        """`waiting` overlooks jobs past their ttl, and those that go straight to a claim."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await store.submit([submission(policy=Policy(ttl=1_000))])
            clock.advance(1_000)
            assert await store.claim("render", 1, "host", 0) == []
            asking = asyncio.create_task(store.waiting("render", 0.1))
            claiming = asyncio.create_task(store.claim("render", 1, "host", 30))
            await asyncio.sleep(0)
            asked = submission()
            await self.offer(store, asked)
            assert [c.record.id for c in await claiming] == [asked.id]
            assert await asking is None

        self.play(tmp_path, scenario)
