"""What every store promises about the ends of an endpoint's jobs as a list, one test each."""

from __future__ import annotations

import asyncio
from pathlib import Path

from workerkit.queue import EndLine, Store
from workerkit.states import Status
from workerkit.testing.clock import ManualClock
from workerkit.testing.feed_contract import KEEP, end
from workerkit.testing.upkeep_contract import UpkeepContract


class EndsContract(UpkeepContract):
    """Whoever reads the ends of jobs behind the last place that was read misses none."""

    async def over(
        self, store: Store, status: Status = Status.COMPLETED, body: bytes = b"{}", endpoint: str = "render"
    ) -> str:
        """A job that has ended; its id."""
        claim = await self.running(store, endpoint=endpoint)
        assert await store.finish([end(claim, status, body)]) == [True]
        return claim.record.id

    async def places(self, store: Store, after: int = 0, endpoint: str = "render") -> dict[str, int]:
        """All ends behind a place: where each job's is."""
        return {line.id: line.seq for line in await store.ends(endpoint, after, 99, 10**6, 0)}

    def test_ends_are_listed_in_the_order_in_which_they_were_stored(self, tmp_path: Path) -> None:
        """`ends`, whatever the order of the submits; each as it was stored, and of its endpoint alone."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            first, second = await self.running(store), await self.running(store)
            assert await store.ends("render", 0, 9, 999, 0) == []
            await self.over(store, endpoint="caption")
            await store.finish([end(second, Status.FAILED, b"2")])
            clock.advance(5)
            await store.finish([end(first, Status.CANCELLED, b"1")])
            assert await store.finish([end(first, Status.FAILED, b"no")]) == [False]
            lines = await store.ends("render", 0, 9, 999, 0)
            assert lines == [
                EndLine(lines[0].seq, second.record.id, 1, Status.FAILED, clock.time - 5, b"2"),
                EndLine(lines[1].seq, first.record.id, 1, Status.CANCELLED, clock.time, b"1"),
            ]
            assert 0 < lines[0].seq < lines[1].seq
            assert len(await self.places(store, endpoint="caption")) == 1
            assert await store.ends("nobody", 0, 9, 999, 0) == []

        self.play(tmp_path, scenario)

    def test_ends_go_on_behind_the_last_one_seen(self, tmp_path: Path) -> None:
        """Page by page, by number and by size, and one at least."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            bodies = [b"1" * 40, b"2" * 40, b"3" * 21, b"4" * 200, b"5"]
            for body in bodies:
                await self.over(store, body=body)
            after, pages = 0, []
            while lines := await store.ends("render", after, 9, 100, 0):
                after = lines[-1].seq
                pages.append([line.body for line in lines])
            assert pages == [bodies[:2], bodies[2:3], bodies[3:4], bodies[4:]]
            assert [line.body for line in await store.ends("render", 0, 1, 100, 0)] == bodies[:1]

        self.play(tmp_path, scenario)

    def test_who_waits_for_an_end_is_told(self, tmp_path: Path) -> None:
        """By one of its endpoint; with nothing when the time is over, and when the queue closes."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            assert await store.ends("render", 0, 9, 999, 0.01) == []
            waiting = asyncio.create_task(store.ends("render", 0, 9, 999, 30))
            await asyncio.sleep(0)
            await self.over(store, endpoint="caption")
            assert not waiting.done()
            id = await self.over(store)
            (line,) = await waiting
            assert line.id == id
            waiting = asyncio.create_task(store.ends("render", line.seq, 9, 999, 30))
            await asyncio.sleep(0)
            await store.close()
            assert await waiting == []

        self.play(tmp_path, scenario)

    def test_a_retried_job_has_one_end_at_its_new_place(self, tmp_path: Path) -> None:
        """It leaves the list, and comes back behind all others when it ends again."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            id, other = await self.over(store, Status.FAILED), await self.over(store)
            assert await store.retry(id)
            assert list(await self.places(store)) == [other]
            (again,) = await store.claim("render", 1, "host", 5)
            last = (await self.places(store))[other]
            await store.finish([end(again, body=b"again")])
            (line,) = await store.ends("render", last, 9, 999, 0)
            assert (line.id, line.attempt, line.status) == (id, again.record.attempt, Status.COMPLETED)
            assert list(await self.places(store)) == [other, id]

        self.play(tmp_path, scenario)

    def test_places_only_grow(self, tmp_path: Path) -> None:
        """An end goes with its job; a new one has a place behind all there ever were, over a restart too."""
        last = 0

        async def before(store: Store, clock: ManualClock) -> None:
            nonlocal last
            for _ in range(3):
                id = await self.over(store)
                last = (await self.places(store))[id]
            clock.advance(KEEP)
            assert await store.sweep(9) == 3
            assert await self.places(store) == {}

        async def after(store: Store, clock: ManualClock) -> None:
            id = await self.over(store)
            assert (await self.places(store))[id] > last

        self.play(tmp_path, before)
        self.play(tmp_path, after)
