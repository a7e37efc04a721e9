"""Deliveries: stored with the end of a job, tried until they are over."""

from __future__ import annotations

from collections.abc import Collection

from workerkit.delivery import Delivery
from workerkit.queue import rows
from workerkit.queue.base import DeliveryState
from workerkit.queue.batch import Batch
from workerkit.queue.context import Context


def claim_deliveries(batch: Batch, context: Context, limit: int, busy: Collection[str]) -> list[Delivery]:
    """See `Store.claim_deliveries`; the lane that has waited longest comes first."""
    found: list[rows.Row] = []
    for lane, due in batch.db.execute(context.sql["next_by_lane"]).fetchall():
        if due <= batch.now and lane not in busy and len(found) < limit:
            values = (lane, batch.now, limit - len(found))
            found += sorted(batch.db.execute(context.sql["claim_deliveries"], values).fetchall())
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
    if state is DeliveryState.PENDING:
        if batch.one(context.sql["outdated_delivery"], (id,)):
            state, next_at = DeliveryState.CANCELLED, None
        else:
            next_at = batch.now if next_at is None else next_at
            batch.rings = True
    values = (id, number, rows.STATE_CODE[state], detail, next_at, batch.now)
    return batch.one(context.sql["settle_delivery"], values) is not None


def redeliver(batch: Batch, context: Context, id: str) -> bool:
    """See `Store.redeliver`."""
    batch.rings = True
    return batch.one(context.sql["redeliver"], (id, batch.now)) is not None
