from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from workerkit.errors import QueueError
from workerkit.queue.batch import Batch, Follow
from workerkit.queue.file import connect, explain
from workerkit.queue.operation import Lane
from workerkit.queue.writer import LINGER, MOST_PASSED, Writer


def play(folder: Path, scenario: Callable[[Writer, list[str]], Awaitable[None]]) -> list[str]:
    """Run a scenario against a writer of a table `t`; returns what followed its batches."""
    path = folder / "t.db"
    sqlite3.connect(path).close()
    log: list[str] = []

    def note(word: str, batch: Batch) -> None:
        log.append(word)

    async def run() -> None:
        db = connect(path)
        db.execute("PRAGMA busy_timeout = 0")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
        follow = Follow(*(partial(note, word) for word in ("before", "ran", "committed", "undone")))
        writer = Writer(db, lambda: 0, follow, partial(explain, path))
        await scenario(writer, log)
        await writer.close()

    asyncio.run(asyncio.wait_for(run(), 30))
    return log


async def ran(log: list[str]) -> None:
    """Let the loop turn until the operations have run."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert log == ["ran"]


def insert(n: Any, batch: Batch) -> int:
    batch.db.execute("INSERT INTO t VALUES (?)", (n,))
    return int(n)


def stored(folder: Path) -> list[int]:
    db = sqlite3.connect(folder / "t.db")
    found = [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]
    db.close()
    return found


def test_operations_of_one_moment_share_a_commit(tmp_path: Path) -> None:
    async def scenario(writer: Writer, log: list[str]) -> None:
        assert await asyncio.gather(*(writer.do(partial(insert, n)) for n in range(5))) == [0, 1, 2, 3, 4]

    assert play(tmp_path, scenario) == ["before", "ran", "committed"]
    assert stored(tmp_path) == [0, 1, 2, 3, 4]


def test_a_patient_operation_shares_the_commit_of_what_comes_soon_after(tmp_path: Path) -> None:
    async def scenario(writer: Writer, log: list[str]) -> None:
        patient = writer.do(partial(insert, 1), patient=True)
        await ran(log)
        assert not patient.done()
        assert await writer.do(partial(insert, 2)) == 2
        assert patient.result() == 1

    assert play(tmp_path, scenario) == ["ran", "before", "ran", "committed"]
    assert stored(tmp_path) == [1, 2]


def test_a_patient_operation_is_not_left_waiting(tmp_path: Path) -> None:
    async def scenario(writer: Writer, log: list[str]) -> None:
        began = time.monotonic()
        assert await writer.do(partial(insert, 1), patient=True) == 1
        assert time.monotonic() - began >= LINGER * 0.9, "it did not wait for company"

    assert play(tmp_path, scenario) == ["ran", "before", "ran", "committed"]


def test_what_fails_beside_a_patient_operation_fails_alone(tmp_path: Path) -> None:
    """The job of the patient one may run already, so it is not taken back."""

    def half(batch: Batch) -> None:
        insert(7, batch)
        batch.count("render", 0, 1)
        insert(1, batch)

    async def scenario(writer: Writer, log: list[str]) -> None:
        patient = writer.do(partial(insert, 1), patient=True)
        await ran(log)
        beside = [writer.do(partial(insert, 2)), writer.do(half), writer.do(partial(insert, 3))]
        results = await asyncio.gather(patient, *beside, return_exceptions=True)
        assert [*results[:2], results[3]] == [1, 2, 3]
        assert isinstance(results[2], QueueError)

    assert play(tmp_path, scenario) == ["ran", "undone", "before", "ran", "committed"]
    assert stored(tmp_path) == [1, 2, 3]


def test_closing_commits_what_was_left_open(tmp_path: Path) -> None:
    async def scenario(writer: Writer, log: list[str]) -> None:
        patient = writer.do(partial(insert, 1), patient=True)
        await ran(log)
        await writer.close()
        assert patient.result() == 1

    play(tmp_path, scenario)
    assert stored(tmp_path) == [1]


def test_an_operation_that_fails_fails_alone_and_leaves_no_half(tmp_path: Path) -> None:
    def half(batch: Batch) -> None:
        insert(7, batch)
        insert(1, batch)

    async def scenario(writer: Writer, log: list[str]) -> None:
        doing: list[asyncio.Future[Any]] = [
            writer.do(partial(insert, 1)),
            writer.do(half),
            writer.do(partial(insert, 2)),
        ]
        results = await asyncio.gather(*doing, return_exceptions=True)
        assert results[::2] == [1, 2]
        assert isinstance(results[1], QueueError)

    assert play(tmp_path, scenario) == ["undone", "before", "ran", "committed"]
    assert stored(tmp_path) == [1, 2]


def test_a_programming_error_reaches_its_caller_as_it_is(tmp_path: Path) -> None:
    def wrong(batch: Batch) -> None:
        raise ZeroDivisionError

    async def scenario(writer: Writer, log: list[str]) -> None:
        with pytest.raises(ZeroDivisionError):
            await writer.do(wrong)

    play(tmp_path, scenario)


def test_what_gathers_before_a_close_is_committed_and_nothing_after_it(tmp_path: Path) -> None:
    async def scenario(writer: Writer, log: list[str]) -> None:
        doing = [writer.do(partial(insert, n), lane=Lane.HOUSEKEEPING) for n in range(3)]
        await writer.close()
        assert [f.result() for f in doing] == [0, 1, 2]
        with pytest.raises(QueueError, match="closed"):
            await writer.do(partial(insert, 9))

    play(tmp_path, scenario)
    assert stored(tmp_path) == [0, 1, 2]


def test_housekeeping_comes_behind_what_gathered_with_it(tmp_path: Path) -> None:
    async def scenario(writer: Writer, log: list[str]) -> None:
        order: list[str] = []

        def mark(word: str, batch: Batch) -> None:
            order.append(word)

        doing = [writer.do(partial(mark, f"keep {n}"), lane=Lane.HOUSEKEEPING) for n in range(2)]
        doing += [writer.do(partial(mark, "now")) for _ in range(2)]
        await asyncio.gather(*doing)
        assert order == ["now", "now", "keep 0", "keep 1"]

    play(tmp_path, scenario)


def test_housekeeping_gets_its_turn_however_much_else_there_is(tmp_path: Path) -> None:
    async def scenario(writer: Writer, log: list[str]) -> None:
        numbers = itertools.count()
        kept = [
            writer.do(
                lambda batch: log.append(f"kept after {log.count('ran')} batches"), lane=Lane.HOUSEKEEPING
            )
            for _ in range(3)
        ]

        async def client() -> None:
            while not kept[-1].done():
                await writer.do(partial(insert, next(numbers)))

        await asyncio.gather(*(client() for _ in range(8)))

    log = play(tmp_path, scenario)
    turns = [int(line.split()[2]) for line in log if line.startswith("kept")]
    assert len(turns) == 3
    assert turns[0] <= MOST_PASSED
    assert all(later - earlier <= MOST_PASSED for earlier, later in itertools.pairwise(turns))


def test_a_lock_held_by_another_process_never_blocks_the_loop(tmp_path: Path) -> None:
    async def scenario(writer: Writer, log: list[str]) -> None:
        other = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        doing = writer.do(partial(insert, 1))
        asyncio.get_running_loop().call_later(1.0, other.rollback)
        ticks = 0
        while not doing.done():
            await asyncio.wait([doing], timeout=0.01)
            ticks += 1
        assert await doing == 1
        assert ticks > 20
        other.close()

    play(tmp_path, scenario)
    assert stored(tmp_path) == [1]


def test_a_full_disk_fails_the_batch_with_a_sentence_and_passes(tmp_path: Path) -> None:
    async def scenario(writer: Writer, log: list[str]) -> None:
        def limit(pages: int, batch: Batch) -> None:
            batch.db.execute(f"PRAGMA max_page_count = {pages}")
            batch.db.execute("CREATE TABLE IF NOT EXISTS big (b BLOB)")

        def fill(batch: Batch) -> None:
            batch.db.execute("INSERT INTO big VALUES (zeroblob(1000000))")

        await writer.do(partial(limit, 20))
        doing: list[asyncio.Future[Any]] = [writer.do(partial(insert, 1)), writer.do(fill)]
        for future in doing:
            with pytest.raises(QueueError, match=r"disk that holds the queue .* is full"):
                await future
        await writer.do(partial(limit, 1_000_000))
        await asyncio.gather(writer.do(partial(insert, 2)), writer.do(fill))

    play(tmp_path, scenario)
    assert stored(tmp_path) == [2]
