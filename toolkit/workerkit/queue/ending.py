"""Ends of jobs, and what may come after one: a retry, or being forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from workerkit.queue import End, outbox
from workerkit.queue.batch import Batch
from workerkit.queue.context import Context
from workerkit.queue.rows import STATUS_CODE
from workerkit.states import MOVES

#: The counter of retries comes after those of the statuses.
RETRIED = len(STATUS_CODE)
#: A job as a sweep comes to it: the end of its retention, and its `seq`.
Place = tuple[int, int]
FIRST: Place = (0, 0)
#: Chunks that one transaction of a sweep deletes.
CHUNKS = 64
#: What goes with a job beside its chunks, itself last.
BELONGINGS = (
    "drop_payload",
    "drop_body",
    "drop_progress",
    "drop_logs",
    "drop_idempotency",
    "drop_job",
)


def finish(batch: Batch, context: Context, ends: Sequence[End]) -> list[bool]:
    """See `Feed.finish`."""
    return [_finish(batch, context, end) for end in ends]


def _finish(batch: Batch, context: Context, end: End) -> bool:
    seen, status = STATUS_CODE[end.seen_status], STATUS_CODE[end.status]
    if not end.status.ended or end.status not in MOVES[end.seen_status]:
        return False
    values = (end.id, seen, end.seen_attempt, status, batch.now, batch.now + context.kept_ms(end.id))
    row = batch.one(context.sql["finish"], values)
    if row is None:
        return _is_stored(batch, context, end)
    seq, endpoint, sealed = row
    place = context.ends(batch, endpoint) + 1
    batch.db.execute(context.sql["add_body"], (seq, end.seen_attempt, endpoint, place, end.body))
    if end.deliveries:
        outbox.add(batch, context, seq, endpoint, end)
    if sealed and not MOVES[end.status]:
        _wipe(batch, context, seq)
    batch.count(endpoint, seen, -1)
    batch.count(endpoint, status, 1)
    batch.wakes.append((end.id, end.body))
    return True


def _wipe(batch: Batch, context: Context, seq: int) -> None:
    """Forget a job's secrets."""
    wiped = batch.db.execute(context.sql["wipe_secrets"], (seq,)).rowcount > 0
    batch.wiped = batch.wiped or wiped


def _is_stored(batch: Batch, context: Context, end: End) -> bool:
    """The same end came before: its first answer may have been lost on the way."""
    row = batch.one(context.sql["find"], (end.id,))
    return row is not None and row[1:] == (STATUS_CODE[end.status], end.seen_attempt)


def retry(batch: Batch, context: Context, id: str) -> bool:
    """See `Store.retry`."""
    row = batch.one(context.sql["retry"], (id, batch.now))
    if row is None:
        return False
    seq, endpoint = row
    batch.db.execute(context.sql["keep_bodies"], (seq,))
    batch.db.execute(context.sql["drop_body"], (seq,))
    outbox.cancel(batch, context, seq)
    batch.count(endpoint, 0, 1)
    batch.count(endpoint, RETRIED, 1)
    batch.wakes.append((id, None))
    context.filled(batch, endpoint)
    return True


def sweep(batch: Batch, context: Context, limit: int, place: Place) -> tuple[int, Place | None]:
    """Look at `limit` jobs and deliveries from a place on, and forget those that are over; see `Store.sweep`.

    Returns how many are forgotten, and where to go on, None when all were looked at: a job that a delivery
    still needs is passed over once, not again in each slice. Chunks go first, and never more of them than
    `CHUNKS` at one go.
    """
    forgotten = outbox.forget(batch, context, limit)
    room = limit - forgotten
    over = batch.db.execute(context.sql["over"], (batch.now, *place, room)).fetchall()
    chunks = CHUNKS
    for due_at, seq, needed, sealed in over:
        if needed:
            if sealed:  # no delivery needs those
                _wipe(batch, context, seq)
            place = due_at, seq
            continue
        chunks -= batch.db.execute(context.sql["drop_chunks"], (seq, chunks)).rowcount
        if chunks <= 0:
            return forgotten, place
        outbox.leave(batch, context, seq)
        _wipe(batch, context, seq)
        for statement in BELONGINGS:
            batch.db.execute(context.sql[statement], (seq,))
        forgotten += 1
        place = due_at, seq
    return forgotten, place if len(over) == room else None
