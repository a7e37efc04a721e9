"""Operations on jobs that run, or are about to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from workerkit.queue import Blame, outbox, rows
from workerkit.queue.batch import Batch
from workerkit.queue.context import Context
from workerkit.queue.waiting import Claimer

Run = tuple[str, int]


def claim(batch: Batch, context: Context, endpoint: str, lookers: Sequence[Claimer]) -> None:
    """Take what waits for `lookers`, those of one holder in one statement."""
    holders: dict[str, list[Claimer]] = {}
    for claimer in lookers:
        if claimer.wants:
            holders.setdefault(claimer.holder, []).append(claimer)
    for holder, claimers in holders.items():
        _claim(batch, context, endpoint, holder, claimers)


def _claim(batch: Batch, context: Context, endpoint: str, holder: str, claimers: Sequence[Claimer]) -> None:
    wanted = sum([claimer.n - len(claimer.claims) for claimer in claimers])
    values = (endpoint, wanted, holder, batch.now, batch.now + context.lease_ms)
    found = batch.db.execute(context.sql["claim"], values).fetchall()
    # RETURNING has no order of its own: low priority last, then by age. Taken from the end.
    found.sort(key=lambda row: (row[9], row[0]), reverse=True)
    batch.count(endpoint, 0, -len(found))
    batch.count(endpoint, 1, len(found))
    if len(found) < wanted:
        context.claimers.drained(endpoint)
    for claimer in claimers:
        _serve(batch, context, claimer, found)


def _serve(batch: Batch, context: Context, claimer: Claimer, found: list[rows.Row]) -> None:
    """Hand it its share; when nothing is left, it waits or is answered with nothing."""
    while found and claimer.wants:
        row = found.pop()
        batch.hand(claimer, rows.record(row, _secrets(batch, context, row)))
    if not claimer.claims and claimer.stays:
        context.claimers.wait(claimer)
    elif not claimer.claims:
        claimer.answer()


def _secrets(batch: Batch, context: Context, row: rows.Row) -> dict[str, bytes]:
    return dict(batch.db.execute(context.sql["secrets"], (row[0],)).fetchall()) if row[-1] else {}


def give_back(batch: Batch, context: Context, id: str, attempt: int) -> bool:
    """Undo a claim that nobody took notice of."""
    return release(batch, context, id, attempt, Blame.UNUSED, 0)


def release(batch: Batch, context: Context, id: str, attempt: int, blame: Blame, after: int) -> bool:
    """See `Feed.release`."""
    run_at = batch.now + after if after > 0 else None
    blames = [int(blame is kind) for kind in (Blame.CRASH, Blame.FAILURE, Blame.NONE)]
    row = batch.one(context.sql["release"], (id, attempt, *blames, run_at or batch.now, run_at))
    if row is None:
        return False
    _count_back(batch, row[1])
    if run_at is None:
        context.filled(batch, row[1])
    else:
        batch.delays[row[1]] = None
    batch.wakes.append((id, None))
    return True


def _count_back(batch: Batch, endpoint: str) -> None:
    batch.count(endpoint, 0, 1)
    batch.count(endpoint, 1, -1)


def recover(batch: Batch, context: Context, holder: str) -> int:
    """See `Store.recover`."""
    found = batch.db.execute(context.sql["recover"], (holder, batch.now)).fetchall()
    for _, endpoint in found:
        _count_back(batch, endpoint)
        context.filled(batch, endpoint)
    outbox.recover(batch, context)
    return len(found)


def heartbeat(batch: Batch, context: Context, runs: Sequence[Run]) -> list[Run]:
    """See `Feed.heartbeat`."""
    until = batch.now + context.lease_ms
    sql = context.sql["heartbeat"]
    extended = batch.db.executemany(sql, [(id, attempt, until) for id, attempt in runs]).rowcount
    if extended == len(runs):
        return []
    return [run for run in runs if not batch.one(context.sql["running"], run)]


def chunk(batch: Batch, context: Context, id: str, attempt: int, n: int, value: bytes) -> bool:
    """See `Feed.chunk`."""
    row = batch.one(context.sql["running"], (id, attempt))
    if row is not None:
        batch.db.execute(context.sql["add_chunk"], (row[0], attempt, n, value))
        batch.wakes.append((id, None))
    return row is not None


def progress(batch: Batch, context: Context, id: str, attempt: int, value: bytes) -> bool:
    """See `Feed.progress`."""
    row = batch.one(context.sql["running"], (id, attempt))
    if row is not None:
        batch.db.execute(context.sql["set_progress"], (row[0], attempt, value))
        batch.wakes.append((id, None))
    return row is not None


def chunks(batch: Batch, context: Context, id: str, attempt: int) -> list[bytes]:
    """See `Feed.chunks`."""
    return [value for (value,) in batch.db.execute(context.sql["chunks"], (id, attempt)).fetchall()]


def keep_log(batch: Batch, context: Context, id: str, attempt: int, text: bytes) -> bool:
    """See `Feed.keep_log`."""
    return batch.db.execute(context.sql["keep_log"], (id, attempt, text)).rowcount > 0


def take_chunks(batch: Batch, context: Context, id: str, limit: int, most_bytes: int) -> list[bytes]:
    """See `Store.take_chunks`. No more is read than is returned, whatever is stored."""
    found: list[rows.Row] = []
    size = 0
    with closing(batch.db.execute(context.sql["new_chunks"], (id, limit))) as cursor:
        for row in cursor:
            size += len(row[2])
            if found and size > most_bytes:
                break
            found.append(row)
    if found:
        seq, last, _ = found[-1]
        batch.db.execute(context.sql["take_chunks"], (seq, last + 1))
    return [value for _, _, value in found]
