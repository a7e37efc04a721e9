"""What the file of a queue holds of deliveries, their logs and the ends of jobs, and how it is read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

from workerkit.delivery import Delivery
from workerkit.queue import DeliveryFilter, DeliveryState, Tried, outbox
from workerkit.queue.sqlite import SQLiteStore
from workerkit.states import Status
from workerkit.testing.delivery_contract import settle
from workerkit.testing.queue_contracts import KEEP, KEEP_DEAD, LEASE, LENGTH, ManualClock, end, submission

Scenario = Callable[[SQLiteStore, ManualClock], Awaitable[None]]


def play(folder: Path, scenario: Scenario) -> None:
    async def run() -> None:
        clock = ManualClock()
        store = SQLiteStore(
            folder / "queue.db",
            lease_ms=LEASE,
            keep_ms=KEEP,
            keep_dead_ms=KEEP_DEAD,
            queue_length=LENGTH,
            holder="host",
            clock=clock,
        )
        await store.open()
        try:
            await scenario(store, clock)
        finally:
            await store.close()

    asyncio.run(asyncio.wait_for(run(), 60))


async def sent(store: SQLiteStore, state: DeliveryState, body: bytes = b"{}") -> str:
    """A delivery that was tried once."""
    await store.submit([submission()])
    [claim] = await store.claim("render", 1, "host", 0)
    asked = Delivery(target="http://a/", plugin="webhook", lane="a", attempts=1)
    assert await store.finish([end(claim, Status.FAILED, body, deliveries=[asked])]) == [True]
    [one] = await store.claim_deliveries(1, {}, 1)
    tried = Tried(number=1, at=1, took=2, outcome="stop", detail="answered 410", status=410)
    assert await settle(store, one.id, 1, state, tried, None)
    return one.id


def counts(folder: Path) -> dict[str, int]:
    """How many rows are in each table that has some."""
    db = sqlite3.connect(folder / "queue.db")
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    db.close()
    return {name: count for name, count in found.items() if count}


def test_nothing_is_left_of_what_is_forgotten(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, clock: ManualClock) -> None:
        await sent(store, DeliveryState.DELIVERED)
        await sent(store, DeliveryState.DEAD)
        clock.advance(KEEP)
        assert await store.sweep(9) == 2
        left = counts(tmp_path)
        assert (left["delivery"], left["tried"]) == (1, 1)
        assert {"job", "body", "payload"}.isdisjoint(left)
        clock.advance(KEEP_DEAD)
        assert await store.sweep(9) == 1
        assert set(counts(tmp_path)) == {"counter", "sqlite_sequence"}

    play(tmp_path, scenario)


def test_what_was_sent_meanwhile_is_not_sent_again_with_many(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, clock: ManualClock) -> None:
        id = await sent(store, DeliveryState.DEAD)
        seen = store._reader.sendable(DeliveryFilter(), 0, 9)
        assert await store.redeliver(id)
        [again] = await store.claim_deliveries(1, {}, 1)
        tried = Tried(number=2, at=1, took=2, outcome="delivered")
        assert await settle(store, again.id, 2, DeliveryState.DELIVERED, tried, None)

        assert await store._write(outbox.redeliver_seen, seen) == 0

        found = await store.delivery(id)
        assert found is not None
        assert found[0].state is DeliveryState.DELIVERED

    play(tmp_path, scenario)


def test_ends_are_read_no_further_than_they_are_returned(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, clock: ManualClock) -> None:
        for body in (b"1" * 10, b"2" * 10, b"3" * 10, b"4" * 10):
            await sent(store, DeliveryState.DELIVERED, body)
        rows = 0

        def row(cursor: sqlite3.Cursor, values: tuple[object, ...]) -> tuple[object, ...]:
            nonlocal rows
            rows += 1
            return values

        store._reader._db.row_factory = row
        assert [line.body[:1] for line in await store.ends("render", 0, 99, 15, 0)] == [b"1"]
        assert rows == 2

    play(tmp_path, scenario)


def test_lists_of_the_unsent_do_not_look_at_what_arrived(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, clock: ManualClock) -> None:
        for name in ("deliveries_unsent", "sendable"):
            text = store._context.sql[name]
            plan = [row[3] for row in store._reader._db.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * 8)]
            assert all("USING INDEX delivery_unsent" in step for step in plan), plan

    play(tmp_path, scenario)


def test_what_did_not_arrive_is_counted_without_a_look_at_what_did(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, clock: ManualClock) -> None:
        for name in ("delivery_counts", "oldest_pending"):
            text = store._context.sql[name]
            plan = [row[3] for row in store._reader._db.execute(f"EXPLAIN QUERY PLAN {text}")]
            looks = [step for step in plan if step.startswith(("SCAN delivery", "SEARCH delivery"))]
            indexes = ("USING INDEX delivery_", "COVERING INDEX delivery_", "INTEGER PRIMARY KEY (rowid=?)")
            assert looks, plan
            assert all(any(index in step for index in indexes) for step in looks), plan

    play(tmp_path, scenario)
