"""What every store promises about leases, ttl, recovery and retention, one test each."""

from __future__ import annotations

from pathlib import Path

from workerkit.job import Policy
from workerkit.queue import Blame, End, Outcome, Store
from workerkit.states import Status
from workerkit.testing.clock import ManualClock
from workerkit.testing.feed_contract import KEEP, LEASE, end, submission
from workerkit.testing.waiting_contract import WaitingContract


class UpkeepContract(WaitingContract):
    """What a host asks of its store now and then."""

    def test_only_lapsed_leases_are_lapsed(self, tmp_path: Path) -> None:
        """`lapsed` after a lease without a heartbeat."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            dead, alive = await self.running(store), await self.running(store)
            clock.advance(LEASE - 1)
            assert await store.lapsed(9) == []
            assert await store.heartbeat([(alive.record.id, 1)]) == []
            clock.advance(1)
            assert [r.id for r in await store.lapsed(9)] == [dead.record.id]

        self.play(tmp_path, scenario)

    def test_an_expired_job_is_listed_and_not_claimed(self, tmp_path: Path) -> None:
        """`expired`, waiting and running; it ends from the queue as it was seen."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            asked = submission(policy=Policy(ttl=1_000))
            await store.submit([asked])
            assert await store.expired(9) == []
            clock.advance(1_000)
            assert await store.claim("render", 1, "host", 0) == []
            ((record,),) = (await store.expired(9),)
            assert (record.id, record.status) == (asked.id, Status.IN_QUEUE)
            over = End(
                id=asked.id, seen_status=Status.IN_QUEUE, seen_attempt=0, status=Status.TIMED_OUT, body=b"{}"
            )
            assert await store.finish([over]) == [True]
            assert await store.expired(9) == []

        self.play(tmp_path, scenario)

    def test_recover_gives_back_what_others_held(self, tmp_path: Path) -> None:
        """`recover` without blame; the holder's own runs go on."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await store.submit([submission(), submission()])
            (mine,) = await store.claim("render", 1, "me", 0)
            (theirs,) = await store.claim("render", 1, "them", 0)
            assert await store.recover("me") == 1
            assert await store.heartbeat([(mine.record.id, 1), (theirs.record.id, 1)]) == [
                (theirs.record.id, 1)
            ]
            record = await store.record(theirs.record.id)
            assert record is not None
            assert (record.status, record.attempt, record.crashes, record.returns) == (
                Status.IN_QUEUE,
                1,
                0,
                1,
            )

        self.play(tmp_path, scenario)

    def test_a_sweep_forgets_what_is_past_its_retention(self, tmp_path: Path) -> None:
        """`sweep`, its limit, and the idempotency key that goes with the job."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            for n in range(3):
                await store.finish([end(await self.running(store, idempotency=(f"k{n}", b"d")))])
            waiting = submission()
            await store.submit([waiting])
            clock.advance(KEEP - 1)
            assert await store.sweep(9) == 0
            clock.advance(1)
            assert await store.sweep(2) == 2
            assert await store.sweep(9) == 1
            left = await store.jobs(endpoint=None, status=None, after=None, limit=9)
            assert [line.id for line in left] == [waiting.id]
            again = await store.submit([submission(idempotency=("k0", b"other"))])
            assert again[0].outcome is Outcome.INSERTED
            assert (await store.counts("render")).completed == 3

        self.play(tmp_path, scenario)

    def test_what_the_runs_of_a_job_printed_goes_with_it(self, tmp_path: Path) -> None:
        """`logs` by attempt, also of a run that has been taken over; a sweep deletes them."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            claim = await self.running(store)
            id = claim.record.id
            assert await store.logs(id) == []
            assert await store.release(id, 1, Blame.CRASH)
            [again] = await store.claim("render", 1, "host", 0)
            assert await store.finish([end(again)]) == [True]
            assert await store.keep_log(id, 2, b"second\xff")
            assert await store.keep_log(id, 1, b"fir")
            assert await store.keep_log(id, 1, b"first")
            assert await store.logs(id) == [(1, b"first"), (2, b"second\xff")]
            clock.advance(KEEP)
            assert await store.sweep(9) == 1
            assert await store.logs(id) == []
            assert not await store.keep_log(id, 2, b"late")

        self.play(tmp_path, scenario)

    def test_a_sweep_forgets_a_long_stream_whatever_its_attempts(self, tmp_path: Path) -> None:
        """Chunks of the last attempt and of one that went back; none of them is left, nor read again."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            first = await self.running(store)
            id = first.record.id
            for n in range(150):
                assert await store.chunk(id, 1, n, b"old")
            assert await store.release(id, 1, Blame.NONE)
            [second] = await store.claim("render", 1, "host", 0)
            assert await store.chunk(id, 2, 0, b"new")
            assert await store.take_chunks(id, 100, 1000) == [b"new"]
            assert await store.finish([end(second)]) == [True]
            clock.advance(KEEP)

            assert await store.sweep(9) == 1

            assert await store.view(id) is None
            assert await store.chunks(id, 1) == []

        self.play(tmp_path, scenario)
