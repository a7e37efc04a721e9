"""What every feed promises, one test each, and what the tests of all queue contracts share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from workerkit.job import Policy
from workerkit.queue import Blame, Claim, End, Feed, Submission
from workerkit.states import Status
from workerkit.testing.clock import ManualClock

S = TypeVar("S", bound=Feed)
#: What a queue under test is made with: milliseconds, and waiting jobs.
LEASE, KEEP, KEEP_DEAD, LENGTH = 30_000, 3_600_000, 9_000_000, 100
#: Seconds that a test which hangs is given.
PATIENCE = 60.0


def submission(endpoint: str = "render", **changes: Any) -> Submission:
    """A request with a new id."""
    values = {"id": f"{uuid4()}-u1", "endpoint": endpoint, "input": b'{"n":1}'}
    return Submission(**{**values, **changes})


def end(
    claim: Claim, status: Status = Status.COMPLETED, body: bytes = b'{"output":1}', **changes: Any
) -> End:
    """The end of a run as its host would ask for it."""
    values = {
        "id": claim.record.id,
        "seen_status": Status.IN_PROGRESS,
        "seen_attempt": claim.record.attempt,
        "status": status,
        "body": body,
    }
    return End(**{**values, **changes})


class FeedContract:
    """What a host needs: jobs are handed out once, and only the current run may write."""

    def make(self, folder: Path, clock: ManualClock) -> Any:
        """A queue of your kind, not yet open, with LEASE, KEEP, KEEP_DEAD and LENGTH."""
        raise NotImplementedError

    async def offer(self, feed: Any, *submissions: Submission) -> None:
        """Put jobs where the feed finds them."""
        raise NotImplementedError

    def play(self, folder: Path, scenario: Callable[[Any, ManualClock], Awaitable[None]]) -> None:
        """Run a scenario against a fresh queue."""

        async def run() -> None:
            clock = ManualClock()
            queue = self.make(folder, clock)
            await queue.open()
            try:
                await scenario(queue, clock)
            finally:
                await queue.close()

        asyncio.run(asyncio.wait_for(run(), PATIENCE))

    async def running(self, feed: Feed, **changes: Any) -> Claim:
        """A job that has just been claimed."""
        asked = submission(**changes)
        await self.offer(feed, asked)
        (claim,) = await feed.claim(asked.endpoint, 1, "host", 5)
        await claim.committed
        return claim

    def test_is_a_feed(self, tmp_path: Path) -> None:
        """The object has the methods of the protocol."""
        assert isinstance(self.make(tmp_path, ManualClock()), Feed)

    def test_claims_the_oldest_first_and_low_priority_last(self, tmp_path: Path) -> None:
        """Order of `claim`."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            low = submission(policy=Policy(low_priority=True))
            first, second = submission(), submission()
            await self.offer(feed, low, first, second)
            claims = await feed.claim("render", 5, "host", 0)
            assert [c.record.id for c in claims] == [first.id, second.id, low.id]

        self.play(tmp_path, scenario)

    def test_a_claim_carries_all_that_a_run_needs(self, tmp_path: Path) -> None:
        """Record of a claim."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            policy = Policy(execution_timeout=7_000, ttl=90_000)
            asked = submission(
                input=b'"\\u0000"', fields=b'{"webhook":"w"}', sealed={"s3Config": b"\x00\xff"}, policy=policy
            )
            await self.offer(feed, asked)
            ((record,),) = ([c.record for c in await feed.claim("render", 1, "host", 0)],)
            assert (record.id, record.input, record.fields) == (asked.id, asked.input, asked.fields)
            assert dict(record.sealed) == {"s3Config": b"\x00\xff"}
            assert (record.policy, record.status, record.attempt) == (policy, Status.IN_PROGRESS, 1)
            assert record.submitted_at == record.started_at == clock.time
            assert record.expires_at == clock.time + 90_000

        self.play(tmp_path, scenario)

    def test_an_empty_queue_answers_with_nothing(self, tmp_path: Path) -> None:
        """`claim` without and after a wait."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            assert await feed.claim("render", 1, "host", 0) == []
            assert await feed.claim("render", 1, "host", 0.01) == []

        self.play(tmp_path, scenario)

    def test_a_waiting_claim_is_given_the_job_that_comes(self, tmp_path: Path) -> None:
        """`claim` waits, and is woken by a job of its endpoint only."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            claiming = asyncio.create_task(feed.claim("render", 1, "host", 30))
            await asyncio.sleep(0)
            asked = submission()
            await self.offer(feed, submission("caption"), asked)
            (claim,) = await claiming
            await claim.committed
            assert (claim.record.id, claim.record.attempt) == (asked.id, 1)

        self.play(tmp_path, scenario)

    def test_many_waiting_claims_share_many_jobs_without_a_double(self, tmp_path: Path) -> None:
        """No job is handed out twice, none is left."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            asked = [submission() for _ in range(50)]
            claiming = [asyncio.create_task(feed.claim("render", 3, f"h{n}", 1)) for n in range(30)]
            await asyncio.sleep(0)
            await asyncio.gather(*(self.offer(feed, s) for s in asked))
            claims = [c for claims in await asyncio.gather(*claiming) for c in claims]
            while rest := await feed.claim("render", 10, "host", 0):
                claims += rest
            await asyncio.gather(*(c.committed for c in claims))
            assert sorted(c.record.id for c in claims) == sorted(s.id for s in asked)

        self.play(tmp_path, scenario)

    def test_a_cancelled_claim_loses_no_job(self, tmp_path: Path) -> None:
        """Cancelled before, while and after a job was put into its hands."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            for steps in range(12):
                claiming = asyncio.create_task(feed.claim("render", 1, "host", 30))
                await asyncio.sleep(0)
                asked = submission()
                offering = asyncio.create_task(self.offer(feed, asked))
                for _ in range(steps):
                    await asyncio.sleep(0)
                claiming.cancel()
                (outcome,) = await asyncio.gather(claiming, return_exceptions=True)
                await offering
                claims = outcome if isinstance(outcome, list) else await feed.claim("render", 1, "host", 5)
                assert [c.record.id for c in claims] == [asked.id]
                assert (claims[0].record.returns, claims[0].record.crashes) == (0, 0)
                await claims[0].committed
                assert await feed.finish([end(claims[0])]) == [True]

        self.play(tmp_path, scenario)

    def test_a_released_job_is_claimed_again_with_the_next_attempt(self, tmp_path: Path) -> None:
        """`release` and its blame; a job that waits for it is woken."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            claim = await self.running(feed)
            claiming = asyncio.create_task(feed.claim("render", 1, "other", 30))
            await asyncio.sleep(0)
            assert await feed.release(claim.record.id, 1, Blame.CRASH)
            ((second,),) = ([c.record for c in await claiming],)
            assert (second.attempt, second.crashes, second.returns) == (2, 1, 0)
            assert await feed.release(second.id, 2, Blame.NONE)
            ((third,),) = ([c.record for c in await feed.claim("render", 1, "host", 5)],)
            assert (third.attempt, third.crashes, third.returns) == (3, 1, 1)

        self.play(tmp_path, scenario)

    def test_a_job_that_is_put_off_is_claimed_in_its_time(self, tmp_path: Path) -> None:
        """`release` with a delay: not before, by a new claim and by one that waits."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            claim = await self.running(feed)
            id = claim.record.id
            assert await feed.release(id, 1, Blame.FAILURE, 5_000)
            clock.advance(4_999)
            assert await feed.claim("render", 1, "host", 0) == []
            clock.advance(1)
            ((second,),) = ([c.record for c in await feed.claim("render", 1, "host", 5)],)
            assert (second.attempt, second.crashes, second.failures, second.returns) == (2, 0, 1, 0)
            claiming = asyncio.create_task(feed.claim("render", 1, "host", 30))
            await asyncio.sleep(0)
            assert await feed.release(id, 2, Blame.CRASH, 40)
            clock.advance(40)
            ((third,),) = ([c.record for c in await claiming],)
            assert (third.attempt, third.crashes, third.failures) == (3, 1, 1)

        self.play(tmp_path, scenario)

    def test_the_log_of_a_run_is_kept_while_there_is_a_job(self, tmp_path: Path) -> None:
        """`keep_log`, again and by no attempt that still runs."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            claim = await self.running(feed)
            assert await feed.keep_log(claim.record.id, 1, b"a")
            assert await feed.finish([end(claim)]) == [True]
            assert await feed.keep_log(claim.record.id, 1, b"ab")
            assert not await feed.keep_log("nobody", 1, b"a")

        self.play(tmp_path, scenario)

    def test_an_older_attempt_can_write_nothing(self, tmp_path: Path) -> None:
        """The fence."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            old = await self.running(feed)
            id = old.record.id
            await feed.release(id, 1, Blame.NONE)
            (new,) = await feed.claim("render", 1, "host", 5)
            assert not await feed.chunk(id, 1, 0, b"1")
            assert not await feed.progress(id, 1, b"1")
            assert not await feed.release(id, 1, Blame.CRASH)
            assert await feed.finish([end(old)]) == [False]
            assert await feed.heartbeat([(id, 1), (id, 2)]) == [(id, 1)]
            assert await feed.finish([end(new)]) == [True]

        self.play(tmp_path, scenario)

    def test_a_job_ends_once_and_a_repeated_end_is_true(self, tmp_path: Path) -> None:
        """`finish` twice, the same and another; nothing is written to an ended job."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            claim = await self.running(feed)
            id = claim.record.id
            assert await feed.finish([end(claim)]) == [True]
            assert await feed.finish([end(claim)]) == [True]
            assert await feed.finish([end(claim, Status.FAILED)]) == [False]
            assert not await feed.release(id, 1, Blame.NONE)
            assert not await feed.chunk(id, 1, 0, b"1")
            assert await feed.heartbeat([(id, 1)]) == [(id, 1)]

        self.play(tmp_path, scenario)

    def test_of_two_ends_at_once_one_wins(self, tmp_path: Path) -> None:
        """`finish` raced by a cancel."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            claim = await self.running(feed)
            ends = end(claim), end(claim, Status.CANCELLED)
            assert await asyncio.gather(*(feed.finish([e]) for e in ends)) == [[True], [False]]

        self.play(tmp_path, scenario)

    def test_ends_in_one_call_are_judged_one_by_one(self, tmp_path: Path) -> None:
        """`finish` of several: answers in their order, and what is refused keeps nothing of the others back."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            first, second = await self.running(feed), await self.running(feed)
            failed, twice = end(second, Status.FAILED), end(first, Status.CANCELLED)
            ends = end(first), end(first, id="nobody"), failed, end(first), twice
            assert await feed.finish(ends) == [True, False, True, True, False]
            assert await feed.finish([]) == []
            assert len(await feed.heartbeat([(claim.record.id, 1) for claim in (first, second)])) == 2

        self.play(tmp_path, scenario)

    def test_only_the_allowed_moves_are_made(self, tmp_path: Path) -> None:
        """A job is not completed from the queue, nor put back by `finish`."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            claim = await self.running(feed)
            assert await feed.finish([end(claim, Status.IN_QUEUE)]) == [False]
            assert await feed.finish([end(claim, seen_status=Status.IN_QUEUE)]) == [False]
            assert await feed.finish([end(claim, seen_status=Status.FAILED)]) == [False]
            assert await feed.finish([end(claim)]) == [True]

        self.play(tmp_path, scenario)

    def test_chunks_come_back_in_order_before_they_are_committed(self, tmp_path: Path) -> None:
        """`chunk` and `chunks`."""

        async def scenario(feed: Feed, clock: ManualClock) -> None:
            claim = await self.running(feed)
            id = claim.record.id
            storing = [asyncio.ensure_future(feed.chunk(id, 1, n, b"%d" % n)) for n in (0, 2, 1)]
            await asyncio.sleep(0)
            assert await feed.chunks(id, 1) == [b"0", b"1", b"2"]
            assert await asyncio.gather(*storing) == [True, True, True]
            assert await feed.chunk(id, 1, 1, b"another")
            assert await feed.chunks(id, 1) == [b"0", b"another", b"2"]

        self.play(tmp_path, scenario)
