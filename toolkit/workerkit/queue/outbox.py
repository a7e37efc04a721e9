"""Deliveries: stored with the end of a job, tried until they are over.

The table `lane` says when each lane has something to send, so that neither many lanes nor many
deliveries in one make it slow to find what is due. Whatever changes a pending delivery changes it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable

import msgspec

from workerkit.delivery import Delivery
from workerkit.queue import DeliveryState, End, rows
from workerkit.queue.batch import Batch
from workerkit.queue.context import Context


def add(batch: Batch, context: Context, seq: int, end: End) -> None:
    """Store the deliveries of an end, due at once."""
    values = [_row(batch, seq, end, n, delivery) for n, delivery in enumerate(end.deliveries, start=1)]
    batch.db.executemany(context.sql["add_delivery"], values)
    for lane in {delivery.lane for delivery in end.deliveries}:
        _pending(batch, context, lane, batch.now)


def _row(batch: Batch, seq: int, end: End, n: int, delivery: Delivery) -> rows.Row:
    """The parameters of the statement `add_delivery`."""
    id = f"msg_{end.id}_{end.seen_attempt}"
    return (
        id if n == 1 else f"{id}_{n}",
        seq,
        end.seen_attempt,
        delivery.plugin,
        delivery.maker,
        delivery.target,
        msgspec.json.encode(dict(delivery.headers)).decode(),
        delivery.body,
        delivery.lane,
        delivery.attempts,
        msgspec.json.encode(delivery.delays).decode(),
        batch.now,
    )


def claim(batch: Batch, context: Context, limit: int, busy: Collection[str]) -> list[Delivery]:
    """See `Store.claim_deliveries`; the lane that has waited longest comes first."""
    found: list[rows.Row] = []
    for lane, due in batch.db.execute(context.sql["next_lanes"], (limit + len(busy),)).fetchall():
        if due > batch.now or len(found) == limit:
            break
        if lane not in busy:
            values = (lane, batch.now, limit - len(found))
            found += sorted(batch.db.execute(context.sql["claim_deliveries"], values).fetchall())
            _note(batch, context, [lane])
    return [rows.delivery(row) for row in found]


def settle(
    batch: Batch,
    context: Context,
    id: str,
    number: int,
    state: DeliveryState,
    detail: str,
    next_at: int | None,
) -> bool:
    """See `Store.settle_delivery`."""
    due = None
    if state is DeliveryState.PENDING:
        if batch.one(context.sql["outdated_delivery"], (id,)):
            state = DeliveryState.CANCELLED
        else:
            due = batch.now if next_at is None else next_at
    values = (id, number, rows.STATE_CODE[state], detail, due, batch.now)
    row = batch.one(context.sql["settle_delivery"], values)
    if row is not None and due is not None:
        _pending(batch, context, row[0], due)
    return row is not None


def redeliver(batch: Batch, context: Context, id: str) -> bool:
    """See `Store.redeliver`."""
    row = batch.one(context.sql["redeliver"], (id, batch.now))
    if row is not None:
        _pending(batch, context, row[0], batch.now)
    return row is not None


def cancel(batch: Batch, context: Context, seq: int) -> None:
    """End those of a job that were not sent."""
    _note(batch, context, _lanes(batch, context, "cancel_deliveries", seq, batch.now))


def recover(batch: Batch, context: Context) -> None:
    """See `Store.recover`."""
    _note(batch, context, _lanes(batch, context, "recover_deliveries", batch.now))
    batch.rings = True


def hold(batch: Batch, context: Context, why: Callable[[str, str], str]) -> dict[str, int]:
    """See `Store.hold_deliveries`."""
    held: Counter[str] = Counter()
    for plugin, maker, count in batch.db.execute(context.sql["pending_makers"]).fetchall():
        if reason := why(plugin, maker):
            lanes = _lanes(batch, context, "hold_deliveries", plugin, maker, reason, batch.now)
            _note(batch, context, lanes)
            held[reason] += count
    return dict(held)


def _lanes(batch: Batch, context: Context, statement: str, *values: int | str) -> set[str]:
    return {lane for (lane,) in batch.db.execute(context.sql[statement], values).fetchall()}


def _pending(batch: Batch, context: Context, lane: str, next_at: int) -> None:
    """Another delivery of this lane is to be sent: whoever sends it is told."""
    batch.db.execute(context.sql["due_lane"], (lane, next_at))
    batch.rings = True


def _note(batch: Batch, context: Context, lanes: Iterable[str]) -> None:
    """Look up when these lanes have something to send."""
    for lane in lanes:
        if not batch.db.execute(context.sql["note_lane"], (lane,)).rowcount:
            batch.db.execute(context.sql["drop_lane"], (lane,))
