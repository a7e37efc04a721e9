"""What can be asked of a queue without writing: on a connection that never waits for the writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from workerkit.errors import QueueError
from workerkit.job import EMPTY
from workerkit.queue import (
    Counts,
    DeliveryFilter,
    DeliveryLine,
    DeliveryState,
    EndLine,
    JobLine,
    Record,
    Tried,
    View,
    rows,
)
from workerkit.queue.file import MIGRATIONS, check_version, connect, explain
from workerkit.queue.rows import Row
from workerkit.queue.sql import SQLITE, load, parse
from workerkit.states import Status

T = TypeVar("T")
#: States of which there are few, with an index of their own.
UNSENT = (DeliveryState.HELD, DeliveryState.DEAD, DeliveryState.CANCELLED)
#: So many of the latest deliveries are looked at for the lanes that they have reached.
LATEST = 10_000
#: Behind every job: the largest number that SQLite has.
LAST = 2**63 - 1


class Reader:
    """Reads a queue's file, the last committed state at each call. Every list is bounded by its caller."""

    def __init__(self, path: Path, sql: Mapping[str, str]) -> None:
        self._path = path
        self._sql = sql
        self._db = connect(path, readonly=True)
        self._db.execute("PRAGMA query_only = ON")
        self._db.execute("PRAGMA busy_timeout = 5000")

    @classmethod
    def open(cls, path: Path) -> Reader:
        """Look into a queue that no server owns; raises `QueueError` with a sentence."""
        path = path.absolute()
        if not path.exists():
            raise QueueError(f"there is no queue at {path}; check the [queue] url, or start a server first")
        try:
            reader = cls(path, parse(load("statements.sql"), SQLITE))
            try:
                check_version(reader._db, path, len(MIGRATIONS))
            except BaseException:
                reader.close()
                raise
        except sqlite3.Error as error:
            raise explain(path, error) from error
        return reader

    async def aside(self, ask: Callable[[Reader], T]) -> T:
        """Ask on a thread, on a connection of its own: for lists that may look at every row."""
        return await asyncio.to_thread(self._aside, ask)

    def _aside(self, ask: Callable[[Reader], T]) -> T:
        try:
            other = Reader(self._path, self._sql)
        except sqlite3.Error as error:
            raise explain(self._path, error) from error
        with closing(other):
            return ask(other)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._db.close()

    def rows(self, name: str, *values: Any) -> list[Row]:
        """All rows of a named statement."""
        try:
            return self._db.execute(self._sql[name], values).fetchall()
        except sqlite3.Error as error:
            raise explain(self._path, error) from error

    def view(self, id: str) -> View | None:
        """See `Store.view`."""
        found = self.rows("view", id)
        return rows.view(found[0]) if found else None

    def record(self, id: str) -> Record | None:
        """See `Store.record`."""
        found = self.rows("record", id)
        return self._full(found[0]) if found else None

    def records(self, name: str, *values: Any) -> list[Record]:
        """The jobs of a named statement over `{record}` columns."""
        return [self._full(row) for row in self.rows(name, *values)]

    def _full(self, row: Row) -> Record:
        return rows.record(row, dict(self.rows("secrets", row[0])) if row[-1] else EMPTY)

    def counts(self, endpoint: str) -> Counts:
        """See `Store.counts`."""
        return Counts(*self.rows("counts", endpoint)[0])

    def logs(self, id: str) -> list[tuple[int, bytes]]:
        """See `Store.logs`."""
        return [(attempt, value) for attempt, value in self.rows("logs", id)]

    def delayed(self) -> dict[str, int]:
        """When the first delay of each endpoint is over."""
        return dict(self.rows("delayed"))

    def levels(self) -> dict[str, int]:
        """How many jobs wait, for every endpoint."""
        return dict(self.rows("levels"))

    def totals(self) -> dict[str, int]:
        """How many jobs have ever ended, for every endpoint."""
        return dict(self.rows("ended"))

    def endpoints(self) -> dict[str, bytes]:
        """See `Store.endpoints`."""
        return dict(self.rows("endpoints"))

    def jobs(
        self, endpoint: str | None, status: Status | None, after: int | None, limit: int
    ) -> list[JobLine]:
        """See `Store.jobs`."""
        code = None if status is None else rows.STATUS_CODE[status]
        before = LAST if after is None else after
        return [rows.job_line(row) for row in self.rows("jobs", endpoint, code, before, limit)]

    def ends(self, endpoint: str, after: int, limit: int, most_bytes: int) -> list[EndLine]:
        """See `Store.ends`. No more is read than is returned, and one."""
        found: list[EndLine] = []
        size = 0
        try:
            with closing(self._db.execute(self._sql["ends"], (endpoint, after, limit))) as cursor:
                for row in cursor:
                    size += len(row[-1])
                    if found and size > most_bytes:
                        break
                    found.append(rows.end_line(row))
        except sqlite3.Error as error:
            raise explain(self._path, error) from error
        return found

    def deliveries(self, chosen: DeliveryFilter, after: int | None, limit: int) -> list[DeliveryLine]:
        """See `Store.deliveries`."""
        values = (*rows.filter_values(chosen), LAST if after is None else after, limit)
        if chosen.job is not None:
            found = self.rows("deliveries_of", *values, chosen.job)
        else:
            found = self.rows("deliveries_unsent" if chosen.state in UNSENT else "deliveries", *values)
        return [rows.delivery_line(row) for row in found]

    def delivery_counts(self) -> dict[DeliveryState, int]:
        """See `Store.delivery_counts`."""
        counts = {state: 0 for state in DeliveryState if state is not DeliveryState.DELIVERED}
        return counts | {rows.STATES[code]: count for code, count in self.rows("delivery_counts")}

    def reached_lanes(self, limit: int) -> list[str]:
        """See `Store.reached_lanes`."""
        lanes = dict.fromkeys(lane for (lane,) in self.rows("reached_lanes", LATEST))
        return [*lanes][:limit][::-1]

    def oldest_pending(self) -> int | None:
        """See `Store.oldest_pending`."""
        found = self.rows("oldest_pending")
        return found[0][0] if found else None

    def sendable(self, chosen: DeliveryFilter, after: int, limit: int) -> list[tuple[int, str, int]]:
        """What `Store.redeliver_many` is about: `seq`, id, and the state in which it was seen."""
        values = (*rows.filter_values(chosen), after, limit)
        if chosen.job is not None:
            found = self.rows("sendable_of", *values, chosen.job)
        else:
            arrived = chosen.state is DeliveryState.DELIVERED
            found = self.rows("sendable_delivered" if arrived else "sendable", *values)
        return [(seq, id, state) for seq, id, state in found]

    def delivery(self, id: str) -> tuple[DeliveryLine, bytes, list[Tried]] | None:
        """See `Store.delivery`."""
        found = self.rows("delivery", id)
        if not found:
            return None
        line = rows.delivery_line(found[0][:-1])
        return line, found[0][-1], [rows.tried(row) for row in self.rows("tries", line.seq)]
