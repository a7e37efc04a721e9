"""Group commit: many operations, one transaction, one fsync.

Statements take microseconds and run on the event loop; only what waits for the disk (COMMIT, and a
BEGIN that another process holds up) runs on the writer's thread. Operations that arrive meanwhile
gather for the next batch. Nothing of a batch is seen outside before all of it has run, so an
operation that raises is dropped, the batch is rolled back, and the rest is simply run again.

Patient operations have callers that wait for something else. A batch of nothing else is left open for a
moment, since that may come in time to share its commit: a short job is begun and ended with one fsync.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

from workerkit.errors import QueueError
from workerkit.queue.batch import Batch, Follow
from workerkit.queue.operation import Lane, Open, Operation, reject

T = TypeVar("T")
#: What one transaction may hold: operations, and bytes that they said they bring.
BATCH_OPERATIONS = 256
BATCH_BYTES = 8_000_000
#: Batches that housekeeping lets pass before it rides along with one.
MOST_PASSED = 8
#: How long another process may hold the write lock, in milliseconds.
PATIENCE = 10_000
#: Seconds that a batch of patient operations is left open, and until the log is tried again that a reader holds.
LINGER, BLOCKED = 0.001, 1.0


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
        self._lanes: tuple[deque[Operation], deque[Operation]] = (deque(), deque())
        #: Batches since housekeeping had its turn, while some of it waits.
        self._passed = 0
        self._busy = False
        self._empties = False
        #: What the connection has changed, up to the last commit.
        self._changes = db.total_changes
        self._open: Open | None = None
        self._closing: asyncio.Future[None] | None = None
        self._tasks: SimpleQueue[tuple[Callable[[], None], Callable[[sqlite3.Error | None], None]] | None]
        self._tasks = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="workerkit-writer", daemon=True)
        self._thread.start()

    def do(
        self,
        op: Callable[[Batch], T],
        *,
        lane: Lane = Lane.NOW,
        size: int = 0,
        early: bool = False,
        patient: bool = False,
    ) -> asyncio.Future[T]:
        """Run `op` in the next transaction; its result comes after the commit. See `Operation`.

        `op` may run more than once, each time in a fresh transaction, so it leaves its traces in
        the database and the batch only.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closing is not None:
            reject(future, QueueError("the queue is closed"))
            return future
        self._lanes[lane].append(Operation(op, future, size, early, patient))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._begin)
        else:
            self._hurry()
        return future

    def _hurry(self) -> None:
        """Wait no longer with a batch that is left open."""
        if self._open is not None and not self._open.timer.cancelled():
            self._open.timer.cancel()
            self._loop.call_soon(self._run)

    def empty_log(self) -> None:
        """Move what the write-ahead log holds to the database soon, and leave nothing of it behind."""
        self._empties = True
        if not self._busy and self._closing is None:
            self._busy = True
            self._go_on()

    async def close(self) -> None:
        """Commit what has gathered, then close the connection."""
        if self._closing is None:
            self._closing = self._loop.create_future()
            if not self._busy:
                self._last()
            self._hurry()
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
        """Run what has gathered, in a new batch or in the one that was left open."""
        before, self._open = self._open, None
        if before is None:
            batch, ran, size = Batch(self._db, self._clock()), [], 0
        else:
            before.timer.cancel()
            batch, ran, size = before.batch.more(self._clock()), [*before.ran], before.size
            self._db.execute("SAVEPOINT open")
        while (operation := self._next(len(ran), size)) is not None:
            try:
                operation.result = operation.run(batch)
            except sqlite3.OperationalError as error:
                return self._fail(batch, [*ran, operation], error)
            except Exception as error:
                return self._drop(batch, ran, operation, error, before)
            ran.append(operation)
            size += operation.size
        if before is None and self._may_linger(ran):
            self._follow.ran(batch)
            self._open = Open(batch, ran, size, self._loop.call_later(LINGER, self._run))
            return None
        try:
            self._follow.before_commit(batch)
        except sqlite3.Error as error:
            return self._fail(batch, ran, error)
        self._commit(batch, ran)
        return None

    def _may_linger(self, ran: list[Operation]) -> bool:
        return all(operation.patient for operation in ran) and not any(self._lanes) and self._closing is None

    def _next(self, count: int, size: int) -> Operation | None:
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

    def _commit(self, batch: Batch, ran: list[Operation]) -> None:
        written = self._db.total_changes != self._changes
        self._changes = self._db.total_changes
        self._follow.ran(batch)
        for operation in ran:
            if operation.early:
                operation.resolve()

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

    def _settle(self, batch: Batch, ran: list[Operation]) -> None:
        if batch.committed is not None and not batch.committed.done():
            batch.committed.set_result(None)
        for operation in ran:
            operation.resolve()
        self._follow.committed(batch)
        self._go_on()

    def _go_on(self) -> None:
        """Start on what gathered meanwhile, once the callers of this batch have had their turn."""
        if self._empties:
            self._empties = False
            self._tasks.put(
                (self._empty, lambda error: self._go_on())
            )  # a reader is in its way: another time
        elif any(self._lanes):
            self._loop.call_soon(self._begin)
        elif self._closing is not None:
            self._last()
        else:
            self._busy = False

    def _empty(self) -> None:
        [(blocked, *_)] = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if blocked:  # by a reader
            self._loop.call_soon_threadsafe(self._loop.call_later, BLOCKED, self.empty_log)

    def _drop(
        self, batch: Batch, ran: list[Operation], culprit: Operation, error: Exception, before: Open | None
    ) -> None:
        """One operation is at fault: it fails alone, the others run again."""
        if before is None:
            self._roll_back(batch)
        else:
            self._db.execute("ROLLBACK TO open")
            self._follow.undone(batch)
        culprit.reject(self._explain(error) if isinstance(error, sqlite3.Error) else error)
        self._lanes[Lane.NOW].extendleft(reversed(ran[len(before.ran) :] if before else ran))
        if before is None:
            self._go_on()
        else:
            self._open = before
            self._loop.call_soon(self._run)

    def _fail(self, batch: Batch, operations: list[Operation], error: sqlite3.Error) -> None:
        """The database is at fault (full, unreadable): every operation of the batch fails."""
        self._roll_back(batch)
        sentence = self._explain(error)
        if batch.committed is not None:
            reject(batch.committed, sentence)
        for operation in operations:
            operation.reject(sentence)
        self._go_on()

    def _give_up(self, error: sqlite3.Error) -> None:
        """No transaction could be opened: all that waits for one fails."""
        waiting = [operation for lane in self._lanes for operation in lane]
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


def _is_busy(error: sqlite3.Error) -> bool:
    # `sqlite_errorcode` came with Python 3.11; the text is the same since SQLite 3.
    return "locked" in str(error)
