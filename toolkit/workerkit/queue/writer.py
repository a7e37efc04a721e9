"""Group commit: many operations, one transaction, one fsync.

Statements take microseconds and run on the event loop; only what waits for the disk (COMMIT, and a
BEGIN that another process holds up) runs on the writer's thread. Operations that arrive meanwhile
gather for the next batch. Nothing of a batch is seen outside before all of it has run, so an
operation that raises is dropped, the batch is rolled back, and the rest is simply run again.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from queue import SimpleQueue
from typing import Any, TypeVar

import attrs

from workerkit.errors import QueueError
from workerkit.queue.batch import Batch

T = TypeVar("T")
#: What one transaction may hold: operations, and bytes that they said they bring.
BATCH_OPERATIONS = 256
BATCH_BYTES = 8_000_000
#: Batches that housekeeping lets pass before it rides along with one.
MOST_PASSED = 8
#: How long another process may hold the write lock, in milliseconds.
PATIENCE = 10_000


class Lane(IntEnum):
    """Who goes first."""

    NOW = 0
    HOUSEKEEPING = 1


@attrs.frozen
class Follow:
    """What the store does around a batch."""

    #: The last thing in the transaction.
    before_commit: Callable[[Batch], None]
    #: All operations have run; the commit is on its way.
    ran: Callable[[Batch], None]
    committed: Callable[[Batch], None]
    #: The transaction was rolled back. Its operations may run again.
    undone: Callable[[Batch], None]


@attrs.define(eq=False)
class _Entry:
    op: Callable[[Batch], Any]
    future: asyncio.Future[Any]
    size: int
    early: bool
    result: Any = None


class Writer:
    """The only writer of a database file, used from one event loop."""

    def __init__(
        self,
        db: sqlite3.Connection,
        clock: Callable[[], int],
        follow: Follow,
        explain: Callable[[sqlite3.Error], QueueError],
        on_commit: Callable[[int], None] = lambda operations: None,
    ) -> None:
        self._on_commit = on_commit
        self._db = db
        self._clock = clock
        self._follow = follow
        self._explain = explain
        self._loop = asyncio.get_running_loop()
        self._lanes: tuple[deque[_Entry], deque[_Entry]] = (deque(), deque())
        #: Batches since housekeeping had its turn, while some of it waits.
        self._passed = 0
        self._busy = False
        self._closing: asyncio.Future[None] | None = None
        self._tasks: SimpleQueue[tuple[Callable[[], None], Callable[[sqlite3.Error | None], None]] | None]
        self._tasks = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="workerkit-writer", daemon=True)
        self._thread.start()

    def do(
        self, op: Callable[[Batch], T], *, lane: Lane = Lane.NOW, size: int = 0, early: bool = False
    ) -> asyncio.Future[T]:
        """Run `op` in the next transaction; its result comes after the commit, or `early`, before it.

        `op` may run more than once, each time in a fresh transaction, so it leaves its traces in
        the database and the batch only. `size` is about how many bytes it brings.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closing is not None:
            _reject(future, QueueError("the queue is closed"))
            return future
        self._lanes[lane].append(_Entry(op, future, size, early))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._begin)
        return future

    async def close(self) -> None:
        """Commit what has gathered, then close the connection."""
        if self._closing is None:
            self._closing = self._loop.create_future()
            if not self._busy:
                self._last()
        await asyncio.shield(self._closing)

    def _begin(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if _is_busy(error):
                self._tasks.put((self._begin_patiently, self._begun))
            else:
                self._give_up(error)
            return
        self._run()

    def _begin_patiently(self) -> None:
        self._db.execute(f"PRAGMA busy_timeout = {PATIENCE}")
        try:
            self._db.execute("BEGIN IMMEDIATE")
        finally:
            self._db.execute("PRAGMA busy_timeout = 0")

    def _begun(self, error: sqlite3.Error | None) -> None:
        if error is None:
            self._run()
        else:
            self._give_up(error)

    def _run(self) -> None:
        batch = Batch(self._db, self._clock())
        before = self._db.total_changes
        ran: list[_Entry] = []
        size = 0
        while (entry := self._next(len(ran), size)) is not None:
            try:
                entry.result = entry.op(batch)
            except sqlite3.OperationalError as error:
                return self._fail(batch, [*ran, entry], error)
            except Exception as error:
                return self._drop(batch, ran, entry, error)
            ran.append(entry)
            size += entry.size
        try:
            self._follow.before_commit(batch)
        except sqlite3.Error as error:
            return self._fail(batch, ran, error)
        self._commit(batch, ran, written=self._db.total_changes != before)
        return None

    def _next(self, count: int, size: int) -> _Entry | None:
        """The next operation of this batch.

        Housekeeping comes one at a time, when nothing else waits; under constant load, at the end
        of a batch after it has let some pass.
        """
        now, housekeeping = self._lanes
        if now and count < BATCH_OPERATIONS and size < BATCH_BYTES:
            return now.popleft()
        if housekeeping and (not count or self._passed >= MOST_PASSED):
            self._passed = 0
            return housekeeping.popleft()
        self._passed += bool(housekeeping)
        return None

    def _commit(self, batch: Batch, ran: list[_Entry], *, written: bool) -> None:
        self._follow.ran(batch)
        for entry in ran:
            if entry.early:
                _resolve(entry)

        def settle(error: sqlite3.Error | None) -> None:
            if error is None:
                self._settle(batch, ran)
                if written:
                    self._on_commit(len(ran))
            else:
                self._fail(batch, ran, error)

        if written:
            self._tasks.put((self._db.commit, settle))
        else:
            # Nothing reaches the disk, so nothing waits for it.
            self._db.commit()
            self._loop.call_soon(settle, None)

    def _settle(self, batch: Batch, ran: list[_Entry]) -> None:
        for promise in batch.promises:
            if not promise.done():
                promise.set_result(None)
        for entry in ran:
            _resolve(entry)
        self._follow.committed(batch)
        self._go_on()

    def _go_on(self) -> None:
        """Start on what gathered meanwhile, once the callers of this batch have had their turn."""
        if any(self._lanes):
            self._loop.call_soon(self._begin)
        elif self._closing is not None:
            self._last()
        else:
            self._busy = False

    def _drop(self, batch: Batch, ran: list[_Entry], culprit: _Entry, error: Exception) -> None:
        """One operation is at fault: it fails alone, the others run again."""
        self._roll_back(batch)
        _reject(culprit.future, self._explain(error) if isinstance(error, sqlite3.Error) else error)
        self._lanes[Lane.NOW].extendleft(reversed(ran))
        self._go_on()

    def _fail(self, batch: Batch, entries: list[_Entry], error: sqlite3.Error) -> None:
        """The database is at fault (full, unreadable): every operation of the batch fails."""
        self._roll_back(batch)
        sentence = self._explain(error)
        for promise in batch.promises:
            _reject(promise, sentence)
        for entry in entries:
            _reject(entry.future, sentence)
        self._go_on()

    def _give_up(self, error: sqlite3.Error) -> None:
        """No transaction could be opened: all that waits for one fails."""
        waiting = [entry for lane in self._lanes for entry in lane]
        for lane in self._lanes:
            lane.clear()
        self._fail(Batch(self._db, self._clock()), waiting, error)

    def _roll_back(self, batch: Batch) -> None:
        if self._db.in_transaction:
            self._db.rollback()
        self._follow.undone(batch)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            slow, done = task
            error: sqlite3.Error | None = None
            try:
                slow()
            except sqlite3.Error as caught:
                error = caught
            self._loop.call_soon_threadsafe(done, error)

    def _last(self) -> None:
        self._tasks.put((self._db.close, self._closed))

    def _closed(self, error: sqlite3.Error | None) -> None:
        self._tasks.put(None)
        self._thread.join()
        assert self._closing is not None
        self._closing.set_result(None)


def _resolve(entry: _Entry) -> None:
    if not entry.future.done():
        entry.future.set_result(entry.result)


def _reject(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        # Not every caller waits for its result; an error nobody asked for is not worth a log line.
        future.exception()


def _is_busy(error: sqlite3.Error) -> bool:
    # `sqlite_errorcode` came with Python 3.11; the text is the same since SQLite 3.
    return "locked" in str(error)
