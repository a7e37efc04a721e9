from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from workerkit.errors import QueueError, QueueOwned
from workerkit.queue import Blame, Outcome
from workerkit.queue.owner import find_owner
from workerkit.queue.reading import Reader
from workerkit.queue.sqlite import SQLiteStore
from workerkit.states import Status
from workerkit.testing.queue_contracts import ManualClock, end, submission


def make(folder: Path, holder: str = "host", length: int = 100) -> SQLiteStore:
    return SQLiteStore(folder / "q.db", lease_ms=30_000, keep_ms=60_000, queue_length=length, holder=holder)


def play(folder: Path, scenario: Callable[[SQLiteStore], Awaitable[None]]) -> None:
    async def run() -> None:
        store = make(folder)
        await store.open()
        try:
            await scenario(store)
        finally:
            await store.close()

    asyncio.run(asyncio.wait_for(run(), 60))


@asynccontextmanager
async def no_commit(store: SQLiteStore) -> AsyncIterator[None]:
    """Inside, the writer's thread stands still at the next COMMIT."""
    go_on = threading.Event()

    def stop(statement: str) -> None:
        if statement == "COMMIT":
            go_on.wait(30)

    # Not before this operation has been committed, or it would be the one that stands still.
    go_on.set()
    await store._do(lambda batch: batch.db.set_trace_callback(stop))
    go_on.clear()
    try:
        yield
    finally:
        go_on.set()


def test_submit_hands_the_job_over_before_its_commit(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        assert await store.claim("render", 1, "host", 0) == []
        claiming = asyncio.create_task(store.claim("render", 1, "host", 30))
        await asyncio.sleep(0)
        asked = submission()
        async with no_commit(store):
            submitting = asyncio.create_task(store.submit([asked]))
            (claim,) = await claiming
            assert not submitting.done()
            assert not claim.committed.done()
            assert await store.view(asked.id) is None
        await claim.committed
        view = await store.view(asked.id)
        assert view is not None
        assert (view.status, view.attempt) == (Status.IN_PROGRESS, 1)
        assert (await submitting)[0].outcome is Outcome.INSERTED
        assert (await store.counts("render")).in_progress == 1

    play(tmp_path, scenario)


def test_a_claim_cancelled_in_the_moment_it_is_answered_gives_the_job_back(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        assert await store.claim("render", 1, "host", 0) == []
        loop = asyncio.get_running_loop()
        claiming = loop.create_task(store.claim("render", 1, "host", 30))
        await asyncio.sleep(0)
        asked = submission()
        submitting = loop.create_task(store.submit([asked]))
        await asyncio.sleep(0)
        # In the same batch, so that the cancel comes between the answer and its reader.
        await store._do(lambda batch: loop.call_soon(claiming.cancel))
        await asyncio.wait([claiming, submitting])
        assert claiming.cancelled()
        (claim,) = await store.claim("render", 1, "host", 5)
        record = claim.record
        assert (record.id, record.attempt, record.returns, record.crashes) == (asked.id, 2, 0, 0)

    play(tmp_path, scenario)


def test_a_failed_commit_fails_submit_and_claim_and_the_queue_goes_on(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        limit = "PRAGMA max_page_count = %d"
        assert await store.claim("render", 1, "host", 0) == []
        pages = await store._do(lambda batch: batch.db.execute("PRAGMA page_count").fetchone()[0])
        await store._do(lambda batch: batch.db.execute(limit % pages).fetchall())
        claiming = asyncio.create_task(store.claim("render", 1, "host", 30))
        await asyncio.sleep(0)
        with pytest.raises(QueueError, match="is full"):
            await store.submit([submission(input=b"x" * 100_000)])
        await store._do(lambda batch: batch.db.execute(limit % 1_000_000).fetchall())
        asked = submission()
        assert (await store.submit([asked]))[0].outcome is Outcome.INSERTED
        assert [c.record.id for c in await claiming] == [asked.id]

    play(tmp_path, scenario)


def test_claimers_that_wait_for_retries_are_all_served(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        await store.submit([submission() for _ in range(20)])
        claims = await store.claim("render", 20, "host", 0)
        waiting = [asyncio.create_task(store.claim("render", 1, "host", 30)) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.gather(*(store.release(c.record.id, 1, Blame.NONE) for c in claims))
        again = [claim for claimed in await asyncio.gather(*waiting) for claim in claimed]
        assert {c.record.id for c in again} == {c.record.id for c in claims}
        assert {c.record.attempt for c in again} == {2}

    play(tmp_path, scenario)


def test_a_job_waiting_past_its_ttl_does_not_keep_claimers_busy(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        await store.submit([submission(sealed={"s": b"x"})])
        await store._do(lambda batch: batch.db.execute("UPDATE job SET due_at = 0"))
        claiming = asyncio.create_task(store.claim("render", 1, "host", 30))
        for _ in range(50):
            await asyncio.sleep(0)
        fresh = submission()
        await store.submit([fresh])
        assert [c.record.id for c in await claiming] == [fresh.id]

    play(tmp_path, scenario)


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        with pytest.raises(QueueOwned, match=f"process {os.getpid()}"):
            await make(tmp_path).open()
        store.owner.publish("http://127.0.0.1:8000", "token")
        with pytest.raises(QueueOwned, match=r"answers at http://127\.0\.0\.1:8000"):
            await make(tmp_path).open()
        note = find_owner(tmp_path / "q.db")
        assert note == {"pid": os.getpid(), "url": "http://127.0.0.1:8000", "token": "token"}
        assert stat.S_IMODE(store.owner.path.stat().st_mode) == 0o600

    play(tmp_path, scenario)
    assert find_owner(tmp_path / "q.db") is None
    play(tmp_path, lambda store: store.register({}))


def test_a_result_of_runsync_may_be_kept_for_a_time_of_its_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        store = SQLiteStore(
            tmp_path / "q.db",
            lease_ms=30_000,
            keep_ms=60_000,
            keep_sync_ms=1_000,
            queue_length=9,
            holder="host",
            clock=clock,
        )
        await store.open()
        await store.submit([submission(id="sync-1"), submission(id="2")])
        [sync, plain] = await store.claim("render", 2, "host", 0)
        assert await store.finish([end(sync, Status.FAILED)]) == [True]
        assert await store.finish([end(plain)]) == [True]
        clock.advance(999)
        assert await store.sweep(9) == 0
        assert await store.retry("sync-1")
        clock.advance(1_001)
        assert await store.sweep(9) == 0
        [again] = await store.claim("render", 1, "host", 0)
        assert await store.finish([end(again, Status.FAILED)]) == [True]
        clock.advance(1_000)
        assert await store.sweep(9) == 1
        assert not await store.retry("sync-1")
        assert await store.view("2") is not None
        await store.close()

    asyncio.run(scenario())


def test_a_closed_or_unopened_store_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = make(tmp_path)
        with pytest.raises(QueueError, match="is not open"):
            await store.submit([submission()])
        with pytest.raises(QueueError, match="is not open"):
            await store.counts("render")
        await store.open()
        claiming = asyncio.create_task(store.claim("render", 1, "host", 30))
        await asyncio.sleep(0.01)
        await store.close()
        await store.close()
        assert await claiming == []
        with pytest.raises(QueueError, match="closed"):
            await store.claim("render", 1, "host", 30)

    asyncio.run(scenario())


def test_a_queue_without_a_server_can_be_read(tmp_path: Path) -> None:
    asked = submission()

    async def scenario(store: SQLiteStore) -> None:
        await store.submit([asked])

    play(tmp_path, scenario)
    reader = Reader.open(tmp_path / "q.db")
    assert [line.id for line in reader.jobs(None, None, None, 9)] == [asked.id]
    assert reader.counts("render").in_queue == 1
    reader.close()


def test_a_list_that_may_look_at_every_job_is_read_on_another_thread(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore) -> None:
        asked = submission()
        await store.submit([asked])
        thread, lines = await store._reader.aside(
            lambda reader: (threading.get_ident(), reader.jobs(None, None, None, 9))
        )
        assert thread != threading.get_ident()
        assert [line.id for line in lines] == [asked.id]

    play(tmp_path, scenario)


def test_no_deleted_secret_stays_in_the_file(tmp_path: Path) -> None:
    secret = b"sealed-canary-5f2a"

    async def scenario(store: SQLiteStore) -> None:
        await store.submit([submission(sealed={"s3Config": secret})])
        (claim,) = await store.claim("render", 1, "host", 0)
        assert await store.finish([end(claim)]) == [True]

    play(tmp_path, scenario)
    assert [p.name for p in tmp_path.glob("q.db*") if secret in p.read_bytes()] == []


CHILD = """
import asyncio, sys, json
from workerkit.queue.sqlite import SQLiteStore
from workerkit.testing.queue_contracts import submission
async def main():
    store = SQLiteStore(sys.argv[1], lease_ms=30000, keep_ms=60000, queue_length=10**6, holder="child")
    await store.open()
    async def client():
        while True:
            asked = submission()
            await store.submit([asked])
            print(asked.id, flush=True)
    await asyncio.gather(*(client() for _ in range(8)))
asyncio.run(main())
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "q.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline().strip() for _ in range(400)]
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().split("\n")
        acknowledged += lines[:-1]
    assert child.returncode == -signal.SIGKILL

    async def scenario(store: SQLiteStore) -> None:
        lines = await store.jobs(endpoint="render", status=None, after=None, limit=10**6)
        assert set(acknowledged) <= {line.id for line in lines}
        assert (await store.counts("render")).in_queue == len(lines)

    play(tmp_path, scenario)
    db = sqlite3.connect(tmp_path / "q.db")
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    assert json.loads((tmp_path / "q.db.lock").read_text() or "{}") == {}
