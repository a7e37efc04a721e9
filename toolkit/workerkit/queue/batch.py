"""One transaction, as the operations in it see it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import attrs

from workerkit.queue import Claim, Record
from workerkit.queue.waiting import Claimer


class Batch:
    """The connection, the time, and what is to follow when the operations have run."""

    __slots__ = (
        *("committed", "counts", "db", "delays", "filled", "handed", "lookers", "now", "rings", "wakes"),
        "wiped",
    )

    def __init__(self, db: sqlite3.Connection, now: int) -> None:
        self.db = db
        self.now = now
        #: Changes of an endpoint's counters, in the order of `Counts`.
        self.counts: dict[str, list[int]] = {}
        #: Endpoints that got a job which only a claim finds.
        self.filled: set[str] = set()
        #: Endpoints whose put off jobs changed; at the end, when the first of each may be claimed.
        self.delays: dict[str, int | None] = {}
        #: Jobs for claimers, who get them when the commit is on its way.
        self.handed: list[tuple[Claimer, Claim]] = []
        #: Claimers whose look into the database is part of this batch.
        self.lookers: list[Claimer] = []
        #: Resolved after the commit, failed with it, when somebody wants to know.
        self.committed: asyncio.Future[None] | None = None
        #: Watched jobs that changed, with the body when they ended; and whether a delivery came.
        self.wakes: list[tuple[str, bytes | None]] = []
        self.rings = False
        #: Whether secrets were wiped, which the write-ahead log still has.
        self.wiped = False

    def more(self, now: int) -> Batch:
        """The same, for operations that come later in its transaction: if one fails, this one is as it was."""
        other = Batch(self.db, now)
        other.counts = {endpoint: [*counts] for endpoint, counts in self.counts.items()}
        other.filled, other.delays = {*self.filled}, {**self.delays}
        other.handed, other.committed, other.wakes = [*self.handed], self.committed, [*self.wakes]
        other.lookers, other.rings, other.wiped = [*self.lookers], self.rings, self.wiped
        return other

    def count(self, endpoint: str, column: int, by: int) -> None:
        """Change a counter; exact, because it is written in the same transaction."""
        counts = self.counts.get(endpoint)
        if counts is None:
            counts = self.counts[endpoint] = [0] * 7
        counts[column] += by

    def hand(self, claimer: Claimer, record: Record) -> None:
        """Give a job to a claimer, with the promise about this commit."""
        if self.committed is None:
            self.committed = claimer.future.get_loop().create_future()
        claim = Claim(record, self.committed)
        claimer.claims.append(claim)
        self.handed.append((claimer, claim))

    def one(self, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The only row of a statement, drained, or None."""
        rows = self.db.execute(statement, values).fetchall()
        return rows[0] if rows else None


@attrs.frozen
class Follow:
    """What the store does around a batch."""

    #: The last thing in the transaction.
    before_commit: Callable[[Batch], None]
    #: All operations have run; the commit is on its way. Comes again when others have joined them.
    ran: Callable[[Batch], None]
    committed: Callable[[Batch], None]
    #: The transaction was rolled back. Its operations may run again.
    undone: Callable[[Batch], None]
