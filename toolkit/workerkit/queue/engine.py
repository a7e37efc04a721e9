"""The open file of a SQLite queue: its writer, its readers, and who is told after a commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from workerkit.errors import QueueError
from workerkit.location import Location
from workerkit.queue import delays
from workerkit.queue.batch import Batch, Follow
from workerkit.queue.claiming import Claiming
from workerkit.queue.context import Context
from workerkit.queue.file import explain, open_for_writing, prepare_folder
from workerkit.queue.operation import Lane
from workerkit.queue.owner import Owner
from workerkit.queue.reading import Reader
from workerkit.queue.sql import SQLITE, load, parse
from workerkit.queue.values import wall_clock
from workerkit.queue.waiting import Claimers, Signal, Watches
from workerkit.queue.writer import Writer

T = TypeVar("T")
#: Milliseconds that a dead delivery is kept, whether or not its job still is.
KEEP_DEAD = 7 * 86_400_000
#: Seconds after which secrets that were wiped are out of the write-ahead log, too.
EMPTY_AFTER = 5.0


def statements() -> dict[str, str]:
    """Every statement by its name, as SQLite takes it."""
    return parse(load("statements.sql"), SQLITE)


class Engine:
    """What a store on one SQLite file stands on. Use it from the event loop that opened it.

    `lease_ms` is how long a run lives without a heartbeat, `keep_ms` how long an ended job is kept
    (`keep_sync_ms` one of /runsync), `keep_dead_ms` how long a dead delivery, `queue_length` how many
    jobs of one endpoint may wait. `sql` are statements in place of `statements()`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        lease_ms: int,
        keep_ms: int,
        keep_sync_ms: int | None = None,
        keep_dead_ms: int = KEEP_DEAD,
        queue_length: int,
        holder: str,
        clock: Callable[[], int] | None = None,
        unsafe_filesystem: bool = False,
        sql: Mapping[str, str] | None = None,
        on_commit: Callable[[int], None] = lambda operations: None,
    ) -> None:
        self._location = Location(Path(path), unsafe_filesystem)
        self.path = self._location.path.absolute()
        #: The lock beside the file; `owner.publish` tells others where this host answers.
        self.owner = Owner(self.path)
        self._clock = clock or wall_clock
        self._on_commit = on_commit
        self._watches = Watches()
        self._deliveries = Signal()
        #: Calls of `ends`, by endpoint.
        self._followers = Watches()
        self._closed = False
        self._emptying: asyncio.TimerHandle | None = None
        sql = statements() if sql is None else sql
        keep_sync_ms = keep_ms if keep_sync_ms is None else keep_sync_ms
        kept = (keep_ms, keep_sync_ms, keep_dead_ms)
        self._context = Context(sql, Claimers(), lease_ms, *kept, queue_length, holder)
        self._claiming = Claiming(self._context, self._clock, self._do)
        self._writer: Writer | None = None
        self._reading: Reader | None = None

    def now(self) -> int:
        """The queue's clock."""
        return self._clock()

    async def open(self) -> None:
        """Own the file, made when it is not there; raises `QueueError` with a sentence."""
        prepare_folder(self._location)
        self.owner.take()
        try:
            db = await asyncio.to_thread(open_for_writing, self.path)
        except BaseException:
            self.owner.release()
            raise
        try:
            await self._start(db)
        except BaseException:
            await self.close()
            raise

    async def _start(self, db: sqlite3.Connection) -> None:
        context, claiming = self._context, self._claiming
        follow = Follow(self._conclude, claiming.hand_over, self._tell, claiming.undo)
        self._writer = Writer(db, self._clock, follow, partial(explain, self.path), self._on_commit)
        await self._do(lambda batch: batch.db.execute(context.sql["adopt_counters"], (context.host,)))
        self._reading = Reader(self.path, context.sql)
        context.levels.update(self._reading.levels())
        context.totals.update(self._reading.totals())
        claiming.delays.update(self._reading.delayed())

    async def close(self) -> None:
        """Commit what has gathered and give the file up. May be called twice."""
        self._closed = True
        if self._emptying is not None:
            self._emptying.cancel()
        self._claiming.close()
        self._followers.wake_all()
        if self._reading is not None:
            self._reading.close()
        if self._writer is not None:
            # Closed last, it empties the write-ahead log and removes it.
            await self._writer.close()
        self.owner.release()

    @property
    def _reader(self) -> Reader:
        if self._reading is None:
            raise self._not_open()
        return self._reading

    def _do(
        self,
        op: Callable[[Batch], T],
        *,
        lane: Lane = Lane.NOW,
        size: int = 0,
        early: bool = False,
        patient: bool = False,
    ) -> asyncio.Future[T]:
        if self._writer is None:
            raise self._not_open()
        return self._writer.do(op, lane=lane, size=size, early=early, patient=patient)

    def _write(
        self,
        op: Callable[..., T],
        *values: Any,
        lane: Lane = Lane.NOW,
        size: int = 0,
        patient: bool = False,
    ) -> asyncio.Future[T]:
        context = self._context
        return self._do(lambda batch: op(batch, context, *values), lane=lane, size=size, patient=patient)

    def _not_open(self) -> QueueError:
        return QueueError(f"the queue {self.path} is not open")

    def _conclude(self, batch: Batch) -> None:
        self._context.write_counts(batch)
        delays.look(batch, self._context)

    def _empty_log(self) -> None:
        """Secrets were wiped in the database; the log has them until it is emptied."""
        self._emptying = None
        if self._writer is not None and not self._closed:
            self._writer.empty_log()

    def _tell(self, batch: Batch) -> None:
        ended = self._context.keep_levels(batch)
        self._followers.wake([(endpoint, None) for endpoint in ended])
        self._watches.wake(batch.wakes)
        if batch.rings:
            self._deliveries.set()
        if batch.wiped and self._emptying is None:
            self._emptying = asyncio.get_running_loop().call_later(EMPTY_AFTER, self._empty_log)
        self._claiming.tell(batch)
