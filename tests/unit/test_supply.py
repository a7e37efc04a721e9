"""How free slots and waiting jobs find each other, against a real queue."""

from __future__ import annotations

import asyncio
from pathlib import Path

from supplying import PATIENCE, Asked, Begun, a_store, a_worker, play, slot
from workerkit.host.supply import MOST_AHEAD, UNUSED_AFTER, Slot, Supply
from workerkit.queue import Claim
from workerkit.queue.sqlite import SQLiteStore
from workerkit.testing.queue_contracts import KEEP, LEASE, submission


async def levels(store: SQLiteStore) -> tuple[int, int]:
    counts = await store.counts("render")
    return counts.in_queue, counts.in_progress


def test_a_slot_takes_one_job_and_the_rest_waits_in_the_queue(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        jobs = [submission() for _ in range(5)]
        await store.submit(jobs)
        supply.offer(slot())

        assert await begun.wait(1) == [jobs[0].id]
        await begun.jobs[0][1].committed
        assert await levels(store) == (4, 1)

    play(tmp_path, scenario)


def test_jobs_of_a_fast_pace_are_claimed_ahead_and_given_out_in_order(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        jobs = [submission() for _ in range(200)]
        await store.submit(jobs)
        for _ in range(60):
            supply.took(1.0, 0.000_01)
        for n in range(200):
            supply.offer(slot())
            await begun.wait(n + 1)

        assert await begun.wait(200) == [job.id for job in jobs]
        assert {claim.record.restarts for _, claim in begun.jobs} == {0}

    play(tmp_path, scenario)


def test_what_no_slot_takes_goes_back_without_counting_as_a_start(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        jobs = [submission() for _ in range(30)]
        await store.submit(jobs)
        for _ in range(60):
            supply.took(1.0, 0.000_01)
        supply.offer(slot())
        await begun.wait(1)
        await begun.jobs[0][1].committed
        claimed = (await levels(store))[1]
        assert claimed > 1, "nothing was claimed ahead, so this test shows nothing"
        assert claimed <= MOST_AHEAD + 1

        with store.watch(jobs[1].id) as watch:
            assert await watch.changed(UNUSED_AFTER + PATIENCE)
        assert await levels(store) == (29, 1)
        record = await store.record(jobs[1].id)
        assert record is not None
        assert (record.status, record.restarts) == ("IN_QUEUE", 0)
        supply.offer(slot())
        assert (await begun.wait(2))[1] == jobs[1].id

    play(tmp_path, scenario)


def test_a_slot_of_a_worker_that_is_leaving_gets_nothing(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        leaving = slot()
        leaving.worker.leaving = True
        stays = slot()
        supply.offer(leaving)
        supply.offer(stays)
        job = submission()
        await store.submit([job])

        await begun.wait(1)
        assert begun.jobs[0][0] is stays

    play(tmp_path, scenario)


def test_the_slot_that_became_free_last_is_used_first(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        slots = [slot() for _ in range(3)]
        for one in slots:
            supply.offer(one)
        for n in range(3):
            await store.submit([submission()])
            await begun.wait(n + 1)

        assert [used for used, _ in begun.jobs] == slots[::-1]

    play(tmp_path, scenario)


def test_a_slot_that_its_worker_no_longer_has_gets_nothing(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        worker = a_worker(2)
        supply.offer(Slot(worker, 0))
        supply.offer(Slot(worker, 1))
        worker.slots = 1
        await store.submit([submission(), submission()])
        await begun.wait(1)

        assert [used.number for used, _ in begun.jobs] == [0]

    play(tmp_path, scenario)


def test_a_slot_whose_job_cannot_begin_takes_the_next_one(tmp_path: Path) -> None:
    async def run() -> None:
        store = a_store(tmp_path / "queue.db")
        await store.open()
        begun = Begun()
        refused: list[str] = []

        def begin(slot: Slot, claim: Claim) -> bool:
            if not refused:
                refused.append(claim.record.id)
                return False
            return begun(slot, claim)

        supply = Supply("render", store, "host", begin, lambda claim: None, Asked())
        running = asyncio.create_task(supply.run())
        jobs = [submission(), submission()]
        await store.submit(jobs)
        supply.offer(slot())

        assert await begun.wait(1) == [jobs[1].id]
        assert refused == [jobs[0].id]
        running.cancel()
        await asyncio.wait({running})
        await store.close()

    asyncio.run(run())


def test_a_job_that_finds_a_free_slot_is_begun_before_its_submit_returns(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        supply.offer(slot())
        await asyncio.sleep(0)
        await store.submit([submission()])

        assert len(begun.jobs) == 1
        assert begun.jobs[0][1].record.attempt == 1

    play(tmp_path, scenario)


def test_a_stop_at_the_moment_of_a_claim_gives_the_job_back(tmp_path: Path) -> None:
    async def run(turns: int) -> tuple[int, int]:
        store = a_store(tmp_path / f"{turns}.db")
        await store.open()
        begun = Begun()
        supply = Supply("render", store, "host", begun, lambda claim: None, Asked())
        running = asyncio.create_task(supply.run())
        supply.offer(slot())
        submitting = asyncio.create_task(store.submit([submission()]))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait_for(asyncio.wait({running}), PATIENCE)
        await submitting
        await supply.drained()
        await store.progress("nobody", 1, b"0")  # comes after all that was asked before
        queued, claimed = await levels(store)
        await store.close()
        return queued, claimed - len(begun.jobs)

    results = [asyncio.run(run(turns)) for turns in range(12)]

    assert all(claimed == 0 for _, claimed in results), results
    assert (1, 0) in results
    assert (0, 0) in results


class Slow(SQLiteStore):
    """Takes its time when a claim is called off."""

    async def claim(self, endpoint: str, n: int, holder: str, wait: float) -> list[Claim]:
        try:
            return await super().claim(endpoint, n, holder, wait)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            raise


def test_a_stop_that_is_asked_for_twice_gives_back_what_was_claimed_ahead(tmp_path: Path) -> None:
    async def run() -> tuple[int, int]:
        store = Slow(tmp_path / "queue.db", lease_ms=LEASE, keep_ms=KEEP, queue_length=9, holder="host")
        await store.open()
        supply = Supply("render", store, "host", Begun(), lambda claim: None, Asked())
        for _ in range(60):
            supply.took(1.0, 0.000_01)
        running = asyncio.create_task(supply.run())
        await asyncio.sleep(0)
        await store.submit([submission()])
        assert await levels(store) == (0, 1), "nothing was claimed ahead, so this test shows nothing"
        running.cancel()
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait_for(asyncio.wait({running}), PATIENCE)
        await supply.drained()
        found = await levels(store)
        await store.close()
        return found

    assert asyncio.run(run()) == (1, 0)
