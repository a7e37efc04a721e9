"""Jobs that crashed a worker before: how each finds a worker for itself, against a real queue."""

from __future__ import annotations

import asyncio
from pathlib import Path

from supplying import Asked, Begun, a_store, a_worker, play, slot
from workerkit.host.supply import Slot, Supply
from workerkit.queue import Blame
from workerkit.queue.sqlite import SQLiteStore
from workerkit.testing.queue_contracts import submission


async def crashed(store: SQLiteStore, count: int = 1) -> list[str]:
    """Jobs in the queue that have crashed a worker once."""
    await store.submit([submission() for _ in range(count)])
    claims = await store.claim("render", count, "host", 0)
    for claim in claims:
        assert await store.release(claim.record.id, claim.record.attempt, Blame.CRASH)
    return [claim.record.id for claim in claims]


def test_a_job_that_crashed_a_worker_waits_for_a_fresh_one_and_others_do_not(tmp_path: Path) -> None:
    asked = Asked()

    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        [id] = await crashed(store)
        other = submission()
        await store.submit([other])
        supply.offer(slot())

        assert await begun.wait(1) == [other.id]
        assert supply.lonely == asked.times == 1
        assert supply.held == [(id, 2)]
        supply.offer(Slot(a_worker(fresh=True), 0))
        assert (await begun.wait(2))[1] == id
        assert (supply.lonely, supply.held) == (0, [])

    play(tmp_path, scenario, asked)


def test_a_fresh_worker_that_is_free_gets_such_a_job_at_once(tmp_path: Path) -> None:
    asked = Asked()

    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        [id] = await crashed(store)
        fresh = a_worker(fresh=True)
        supply.offer(Slot(fresh, 0))
        supply.offer(slot())

        assert await begun.wait(1) == [id]
        assert begun.jobs[0][0].worker is fresh
        assert asked.times == 0

    play(tmp_path, scenario, asked)


def test_beside_such_a_job_its_worker_gets_no_other_until_it_is_over(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        [id] = await crashed(store)
        fresh, other = a_worker(3, fresh=True), slot()
        supply.offer(Slot(fresh, 0))
        assert await begun.wait(1) == [id]
        supply.offer(Slot(fresh, 1))
        supply.offer(Slot(fresh, 2))
        await store.submit([submission() for _ in range(3)])
        supply.offer(other)
        await begun.wait(2)
        assert [used.worker for used, _ in begun.jobs] == [fresh, other.worker]

        supply.over(fresh)
        await begun.wait(4)
        assert [used.worker for used, _ in begun.jobs[2:]] == [fresh, fresh]

    play(tmp_path, scenario)


def test_a_fresh_worker_is_asked_for_again_while_such_a_job_waits(tmp_path: Path) -> None:
    """The one that was on its way may not have come."""
    asked = Asked()

    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        await crashed(store, 2)
        supply.offer(slot())
        while supply.lonely < 2:
            await asked.again()
        await asked.again()

        times = asked.times
        supply.offer(Slot(a_worker(fresh=True), 0))
        await asked.again()
        assert (supply.lonely, len(begun.jobs)) == (1, 1)
        assert asked.times == times + 1

    play(tmp_path, scenario, asked)


def test_such_a_job_that_ends_while_it_waits_is_not_begun(tmp_path: Path) -> None:
    asked = Asked()

    async def scenario(store: SQLiteStore, supply: Supply, begun: Begun) -> None:
        [id] = await crashed(store)
        supply.offer(slot())
        await asked.again()

        supply.forget(id, 1)
        assert supply.lonely == 1, "that is another attempt"
        supply.forget(id, 2)
        supply.offer(Slot(a_worker(fresh=True), 0))
        assert (supply.lonely, begun.jobs) == (0, [])

    play(tmp_path, scenario, asked)


def test_such_a_job_that_still_waits_at_a_stop_goes_back_uncounted(tmp_path: Path) -> None:
    async def run() -> None:
        store = a_store(tmp_path / "queue.db")
        await store.open()
        asked = Asked()
        supply = Supply("render", store, "host", Begun(), lambda claim: None, asked)
        [id] = await crashed(store)
        running = asyncio.create_task(supply.run())
        supply.offer(slot())
        await asked.again()
        running.cancel()
        await asyncio.wait({running})
        await supply.drained()

        record = await store.record(id)
        assert record is not None
        assert (record.status, record.crashes, record.restarts) == ("IN_QUEUE", 1, 1)
        await store.close()

    asyncio.run(run())
