from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from workerkit.queue import Blame
from workerkit.queue.delays import SLICE
from workerkit.queue.sqlite import SQLiteStore
from workerkit.testing import ManualClock
from workerkit.testing.queue_contracts import submission

HOUR = 3_600_000


def play(folder: Path, scenario: Callable[[SQLiteStore, ManualClock], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = ManualClock()
        store = SQLiteStore(
            folder / "q.db", lease_ms=30_000, keep_ms=60_000, queue_length=10_000, holder="host", clock=clock
        )
        await store.open()
        try:
            await scenario(store, clock)
        finally:
            await store.close()

    asyncio.run(asyncio.wait_for(run(), 60))


async def put_off(store: SQLiteStore, count: int, after: int) -> None:
    await store.submit([submission() for _ in range(count)])
    claims = await store.claim("render", count, "host", 0)
    await asyncio.gather(*(store.release(c.record.id, 1, Blame.FAILURE, after) for c in claims))


async def steps_of_a_claim(store: SQLiteStore) -> int:
    """Steps that SQLite's machine takes to claim one job, which is there."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    await store.submit([submission()])
    await store._do(lambda batch: batch.db.set_progress_handler(step, 1))
    assert len(await store.claim("render", 1, "host", 0)) == 1
    await store._do(lambda batch: batch.db.set_progress_handler(None, 0))
    return steps


def test_jobs_that_are_put_off_cost_a_claim_nothing(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, clock: ManualClock) -> None:
        without = await steps_of_a_claim(store)
        await put_off(store, 3_000, HOUR)

        assert await steps_of_a_claim(store) == without

    play(tmp_path, scenario)


def test_many_whose_delay_is_over_at_once_all_reach_who_waits(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, clock: ManualClock) -> None:
        count = 2 * SLICE + 1
        await put_off(store, count, 20)
        claiming = [asyncio.create_task(store.claim("render", 1, f"h{n}", 30)) for n in range(count)]
        await asyncio.sleep(0)
        clock.advance(20)

        claims = [claim for claimed in await asyncio.gather(*claiming) for claim in claimed]

        assert len({claim.record.id for claim in claims}) == count

    play(tmp_path, scenario)


def test_each_endpoint_has_its_own_delays(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, clock: ManualClock) -> None:
        await store.submit([submission("caption")])
        (claim,) = await store.claim("caption", 1, "host", 0)
        await put_off(store, 1, 20)
        await store.release(claim.record.id, 1, Blame.FAILURE, HOUR)
        claiming = asyncio.create_task(store.claim("render", 1, "host", 30))
        clock.advance(20)

        assert len(await claiming) == 1
        assert await store.waiting("caption", 0) is None
        clock.advance(HOUR)
        assert await store.waiting("caption", 0) == clock.time - 20

    play(tmp_path, scenario)


def test_a_delay_that_ends_while_the_queue_cannot_be_written_ends_a_little_later(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, clock: ManualClock) -> None:
        refused, mended = threading.Event(), threading.Event()

        def refuse(action: int, table: str | None, *_: str | None) -> int:
            if mended.is_set() or (action, table) != (sqlite3.SQLITE_UPDATE, "job"):
                return sqlite3.SQLITE_OK
            refused.set()
            return sqlite3.SQLITE_DENY

        await put_off(store, 1, 20)
        claiming = asyncio.create_task(store.claim("render", 1, "host", 30))
        await asyncio.sleep(0)
        await store._do(lambda batch: batch.db.set_authorizer(refuse))
        clock.advance(20)
        assert await asyncio.to_thread(refused.wait, 10)
        mended.set()

        assert len(await claiming) == 1

    play(tmp_path, scenario)
