"""What every store promises about jobs, one test each."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from workerkit.queue import Blame, Outcome, Store, Submission
from workerkit.states import Status
from workerkit.testing.clock import ManualClock
from workerkit.testing.feed_contract import LENGTH, FeedContract, end, submission


class JobContract(FeedContract):
    """What an API and a host of its own need beside a feed, but for deliveries."""

    async def offer(self, feed: Store, *submissions: Submission) -> None:
        """Submit."""
        await feed.submit(submissions)

    def test_is_a_store(self, tmp_path: Path) -> None:
        """The object has the methods of the protocol."""
        assert isinstance(self.make(tmp_path, ManualClock()), Store)

    def test_a_submission_can_be_repeated(self, tmp_path: Path) -> None:
        """Ids are the caller's: alone, and in a list with new ones."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            first, second = submission(), submission()
            assert [s.outcome for s in await store.submit([first])] == [Outcome.INSERTED]
            answers = await store.submit([first, second, second])
            assert [a.outcome for a in answers] == [Outcome.EXISTED, Outcome.INSERTED, Outcome.EXISTED]
            assert [a.id for a in answers] == [first.id, second.id, second.id]
            assert (await store.counts("render")).in_queue == 2
            assert [r.input for r in await store.queued("render", 5)] == [first.input, second.input]

        self.play(tmp_path, scenario)

    def test_a_repeated_id_is_not_handed_to_a_waiting_claim(self, tmp_path: Path) -> None:
        """The claim waits on, and is given the next new job."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            done = await self.running(store)
            claiming = asyncio.create_task(store.claim("render", 1, "host", 30))
            await asyncio.sleep(0)
            new = submission()
            repeated = submission(id=done.record.id)
            assert [s.outcome for s in await store.submit([repeated])] == [Outcome.EXISTED]
            await store.submit([new])
            assert [c.record.id for c in await claiming] == [new.id]

        self.play(tmp_path, scenario)

    def test_an_idempotency_key_finds_its_first_job(self, tmp_path: Path) -> None:
        """Same key and body: the first id. Another body: a conflict. Another endpoint: another key."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            claiming = asyncio.create_task(store.claim("render", 1, "host", 30))
            await asyncio.sleep(0)
            first = submission(idempotency=("k", b"digest"))
            asked = [
                first,
                submission(idempotency=("k", b"digest")),
                submission(idempotency=("k", b"other")),
                submission("caption", idempotency=("k", b"other")),
            ]
            answers = [(await store.submit([s]))[0] for s in asked]
            inserted, existed = Outcome.INSERTED, Outcome.EXISTED
            assert [a.outcome for a in answers] == [inserted, existed, Outcome.CONFLICT, inserted]
            assert answers[1].id == first.id
            assert await store.keyed("render", "k") == (first.id, b"digest")
            assert await store.keyed("render", "another") is None
            assert [c.record.id for c in await claiming] == [first.id]

        self.play(tmp_path, scenario)

    def test_a_full_queue_refuses_and_still_knows_what_it_has(self, tmp_path: Path) -> None:
        """FULL at the limit, per endpoint, and room again after a claim."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            asked = [submission() for _ in range(LENGTH + 2)]
            answers = await store.submit(asked)
            assert [a.outcome for a in answers[-3:]] == [Outcome.INSERTED, Outcome.FULL, Outcome.FULL]
            assert [a.outcome for a in await store.submit(asked[:1])] == [Outcome.EXISTED]
            assert [a.outcome for a in await store.submit([submission("caption")])] == [Outcome.INSERTED]
            await store.claim("render", 1, "host", 0)
            assert [a.outcome for a in await store.submit(asked[-1:])] == [Outcome.INSERTED]

        self.play(tmp_path, scenario)

    def test_a_view_follows_a_job_from_submit_to_end(self, tmp_path: Path) -> None:
        """`view`: status, times, progress, then the body byte for byte."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            asked = submission()
            await store.submit([asked])
            view = await store.view(asked.id)
            assert view is not None
            assert (view.status, view.attempt, view.submitted_at, view.started_at) == (
                Status.IN_QUEUE,
                0,
                clock.time,
                None,
            )
            clock.advance(5)
            (claim,) = await store.claim("render", 1, "host", 0)
            await store.progress(asked.id, 1, b"50")
            view = await store.view(asked.id)
            assert view is not None
            assert (view.status, view.started_at, view.progress) == (Status.IN_PROGRESS, clock.time, b"50")
            body = b'{"output":"\xc3\xa9\\u0000"}'
            await store.finish([end(claim, body=body)])
            view = await store.view(asked.id)
            assert view is not None
            assert (view.status, view.progress, view.body) == (Status.COMPLETED, None, body)
            assert await store.view("nobody") is None
            assert await store.record("nobody") is None

        self.play(tmp_path, scenario)

    def test_a_watch_wakes_for_every_change_and_has_the_body(self, tmp_path: Path) -> None:
        """`watch`: chunk, progress, end; not for other jobs."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            claim = await self.running(store)
            id = claim.record.id
            with store.watch(id) as watch, store.watch("another") as other:
                assert not await watch.changed(0.01)
                await store.chunk(id, 1, 0, b"1")
                assert await watch.changed(5)
                await store.progress(id, 1, b"1")
                assert await watch.changed(5)
                assert watch.body is None
                waiting = asyncio.create_task(watch.changed(30))
                await store.finish([end(claim, body=b"{}")])
                assert await waiting
                assert watch.body == b"{}"
                assert not await other.changed(0)

        self.play(tmp_path, scenario)

    def test_taken_chunks_are_not_taken_again(self, tmp_path: Path) -> None:
        """`take_chunks`: each chunk once, also after the end, and anew with each attempt."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            claim = await self.running(store)
            id = claim.record.id
            for n in range(3):
                await store.chunk(id, 1, n, b"%d" % n)
            assert await store.take_chunks(id, 2, 99) == [b"0", b"1"]
            await store.release(id, 1, Blame.NONE)
            (claim,) = await store.claim("render", 1, "host", 5)
            await store.chunk(id, 2, 0, b"anew")
            await store.finish([end(claim)])
            assert await store.take_chunks(id, 5, 99) == [b"anew"]
            assert await store.take_chunks(id, 5, 99) == []

        self.play(tmp_path, scenario)

    def test_chunks_are_taken_by_their_size_and_at_least_one(self, tmp_path: Path) -> None:
        """`take_chunks` never returns much more than was asked for, and never stands still."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            id = (await self.running(store)).record.id
            chunks = [b"1" * 40, b"2" * 40, b"3" * 21, b"4" * 200, b"5"]
            for n, chunk in enumerate(chunks):
                await store.chunk(id, 1, n, chunk)
            taken = [await store.take_chunks(id, 9, 100) for _ in range(5)]
            assert taken == [chunks[:2], chunks[2:3], chunks[3:4], chunks[4:], []]

        self.play(tmp_path, scenario)

    def test_a_retry_starts_over(self, tmp_path: Path) -> None:
        """`retry`: next attempt, counters at zero, ttl anew, body gone; only FAILED and TIMED_OUT."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            claim = await self.running(store, sealed={"s3Config": b"x"})
            id = claim.record.id
            assert not await store.retry(id)
            await store.finish([end(claim, Status.FAILED)])
            clock.advance(1_000)
            assert await store.retry(id)
            view, record = await store.view(id), await store.record(id)
            assert view is not None
            assert record is not None
            assert (view.status, view.body, view.attempt) == (Status.IN_QUEUE, None, 2)
            assert record.expires_at == clock.time + record.policy.ttl
            assert dict(record.sealed) == {"s3Config": b"x"}
            (again,) = await store.claim("render", 1, "host", 5)
            assert again.record.attempt == 3
            await store.finish([end(again)])
            assert not await store.retry(id)
            assert (await store.counts("render")).retried == 1

        self.play(tmp_path, scenario)

    def test_secrets_are_wiped_when_nothing_can_need_them(self, tmp_path: Path) -> None:
        """COMPLETED and CANCELLED wipe, FAILED keeps for a retry."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            left = {}
            for status in (Status.COMPLETED, Status.CANCELLED, Status.FAILED):
                claim = await self.running(store, sealed={"s3Config": b"x"})
                await store.finish([end(claim, status)])
                record = await store.record(claim.record.id)
                assert record is not None
                left[status] = len(record.sealed)
                assert record.wiped is not bool(record.sealed)
            assert list(left.values()) == [0, 0, 1]

        self.play(tmp_path, scenario)

    def test_counts_are_exact(self, tmp_path: Path) -> None:
        """`counts` after each kind of move."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await store.submit([submission() for _ in range(7)])
            claims = await store.claim("render", 6, "host", 0)
            for claim, status in zip(
                claims, (Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT), strict=False
            ):
                await store.finish([end(claim, status)])
            await store.release(claims[4].record.id, 1, Blame.NONE)
            assert msgspec.structs.astuple(await store.counts("render")) == (2, 1, 1, 1, 1, 1, 0)
            assert msgspec.structs.astuple(await store.counts("caption")) == (0,) * 7

        self.play(tmp_path, scenario)

    def test_jobs_are_listed_newest_first_and_page_by_page(self, tmp_path: Path) -> None:
        """`jobs` with each filter."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            asked = [submission(), submission("caption"), submission()]
            await store.submit(asked)
            everything = await store.jobs(endpoint=None, status=None, after=None, limit=9)
            assert [line.id for line in everything] == [s.id for s in reversed(asked)]
            page = await store.jobs(
                endpoint="render", status=Status.IN_QUEUE, after=everything[0].seq, limit=1
            )
            assert [line.id for line in page] == [asked[0].id]
            assert await store.jobs(endpoint=None, status=None, after=page[-1].seq, limit=9) == []
            assert await store.jobs(endpoint=None, status=Status.FAILED, after=None, limit=9) == []

        self.play(tmp_path, scenario)

    def test_functions_are_remembered(self, tmp_path: Path) -> None:
        """`register` and `endpoints`."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await store.register({"render": b"1", "caption": b"2"})
            await store.register({"render": b"3"})
            assert await store.endpoints() == {"caption": b"2", "render": b"3"}

        self.play(tmp_path, scenario)

    def test_what_was_acknowledged_is_there_after_a_restart(self, tmp_path: Path) -> None:
        """Close and open again: the job, its number of waiting, and a claim of it."""
        asked = submission()

        async def before(store: Store, clock: ManualClock) -> None:
            await store.submit([asked])

        async def after(store: Store, clock: ManualClock) -> None:
            assert (await store.counts("render")).in_queue == 1
            (claim,) = await store.claim("render", 1, "host", 5)
            assert claim.record.id == asked.id
            await store.close()

        self.play(tmp_path, before)
        self.play(tmp_path, after)
