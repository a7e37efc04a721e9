"""Deliveries: stored with the end of a job, tried until they are over, each try in a log.

The table `lane` says when each lane has something to send, so that neither many lanes nor many
deliveries in one make it slow to find what is due. Whatever changes a pending delivery changes it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from workerkit.delivery import Delivery
from workerkit.queue import DeliveryState, End, Settled, Tried, rows
from workerkit.queue.batch import Batch
from workerkit.queue.context import Context

#: Tries of one delivery that its log keeps, the last ones.
KEPT_TRIES = 100
#: What is said of a try whose outcome nobody knows.
LOST = "the host ended while this was being sent"
#: Bytes of a body that a claim reads; what is larger is read apart, when it is sent.
INLINE = 65_536
#: Outcomes of tries that were none: they are not counted, and the log has nothing of them.
UNSENT = ("hold", "postpone", "expired")


def add(batch: Batch, context: Context, seq: int, endpoint: str, end: End) -> None:
    """Store the deliveries of an end, due at once."""
    values = [
        _row(batch, seq, endpoint, end, n, delivery) for n, delivery in enumerate(end.deliveries, start=1)
    ]
    batch.db.executemany(context.sql["add_delivery"], values)
    for lane in {delivery.lane for delivery in end.deliveries}:
        _pending(batch, context, lane, batch.now)


def _row(batch: Batch, seq: int, endpoint: str, end: End, n: int, delivery: Delivery) -> rows.Row:
    """The parameters of the statement `add_delivery`."""
    id = f"msg_{end.id}_{end.seen_attempt}"
    return (
        id if n == 1 else f"{id}_{n}",
        seq,
        end.id,
        end.seen_attempt,
        endpoint,
        delivery.plugin,
        delivery.maker,
        delivery.target,
        msgspec.json.encode(dict(delivery.headers)).decode(),
        delivery.body,
        delivery.lane,
        delivery.attempts,
        msgspec.json.encode(delivery.delays).decode(),
        int(1000 * delivery.lasts),
        batch.now,
    )


def lanes(
    ask: Callable[..., list[rows.Row]], rooms: Mapping[str, int], others: int, limit: int
) -> list[tuple[str, int]]:
    """The first `limit` lanes with room, and when each has something to send; the longest waiting first.

    `ask` gives the rows of a named statement.
    """
    if others > 0:
        full = {lane for lane, room in rooms.items() if room <= 0}
        found = [row for row in ask("next_lanes", limit + len(full)) if row[0] not in full]
    else:
        named = [ask("lane_due", lane) for lane, room in rooms.items() if room > 0]
        found = sorted([row for rows in named for row in rows], key=lambda row: row[1])
    return [(lane, due) for lane, due in found[:limit]]


def claim(
    batch: Batch, context: Context, limit: int, rooms: Mapping[str, int], others: int
) -> list[Delivery]:
    """See `Store.claim_deliveries`; the lane that has waited longest comes first."""

    def ask(statement: str, *values: Any) -> list[rows.Row]:
        return batch.db.execute(context.sql[statement], values).fetchall()

    found: list[rows.Row] = []
    for lane, due in lanes(ask, rooms, others, limit):
        if due > batch.now or len(found) == limit:
            break
        room = min(rooms.get(lane, others), limit - len(found))
        found += sorted(ask("claim_deliveries", lane, batch.now, room, INLINE))
        _note(batch, context, [lane])
    return [rows.delivery(row) for row in found]


def settle(batch: Batch, context: Context, several: Iterable[Settled]) -> list[bool]:
    """See `Store.settle_deliveries`."""
    return [_settle(batch, context, one) for one in several]


def _settle(batch: Batch, context: Context, settled: Settled) -> bool:
    id, number, state, tried, next_at = settled
    due = None
    sent = state is not DeliveryState.HELD and tried.outcome not in UNSENT
    if state in (DeliveryState.PENDING, DeliveryState.HELD):
        if batch.one(context.sql["outdated_delivery"], (id,)):
            state = DeliveryState.CANCELLED
        elif state is DeliveryState.PENDING:
            due = batch.now if next_at is None else next_at
    values = (id, number, rows.STATE_CODE[state], tried.detail, due, batch.now, not sent)
    if not batch.db.execute(context.sql["settle_delivery"], values).rowcount:
        return False
    if sent:
        _log(batch, context, id, number, tried)
    if due is not None:
        ((lane,),) = batch.db.execute(context.sql["lane_of"], (id,)).fetchall()
        _pending(batch, context, lane, due)
    return True


def _log(batch: Batch, context: Context, id: str, number: int, tried: Tried) -> None:
    what = (tried.outcome, tried.detail, tried.status, tried.address, tried.answer)
    batch.db.execute(context.sql["add_try"], (id, number, tried.at, tried.took, *what))
    if number > KEPT_TRIES:
        batch.db.execute(context.sql["trim_tries"], (id, number - KEPT_TRIES))


def redeliver(batch: Batch, context: Context, id: str, state: int | None = None) -> bool:
    """See `Store.redeliver`; with a `state`, only one that is in it."""
    row = batch.one(context.sql["redeliver"], (id, state, batch.now))
    if row is not None:
        _pending(batch, context, row[0], batch.now)
    return row is not None


def redeliver_seen(batch: Batch, context: Context, seen: Iterable[tuple[int, str, int]]) -> int:
    """Make these pending that are still in the state in which they were seen; how many."""
    return sum([redeliver(batch, context, id, state) for _, id, state in seen])


def cancel(batch: Batch, context: Context, seq: int) -> None:
    """End those of a job that were not sent."""
    _note(batch, context, _lanes(batch, context, "cancel_deliveries", seq, batch.now))


def recover(batch: Batch, context: Context) -> None:
    """See `Store.recover`."""
    batch.db.execute(context.sql["add_lost_tries"], (LOST,))
    batch.db.execute(context.sql["cancel_outdated"], (batch.now,))
    _note(batch, context, _lanes(batch, context, "recover_deliveries", batch.now, LOST))
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


def leave(batch: Batch, context: Context, seq: int) -> None:
    """A job goes: what died lately outlives it, with the body and the log; the others go with it."""
    since = batch.now - context.keep_dead_ms
    ((count, lasting),) = batch.db.execute(context.sql["leaving"], (seq, since)).fetchall()
    if count > lasting:
        for statement in ("drop_tries", "drop_deliveries"):
            batch.db.execute(context.sql[statement], (seq, since))
    if lasting:
        for statement in ("keep_bodies", "part_deliveries"):
            batch.db.execute(context.sql[statement], (seq,))


def forget(batch: Batch, context: Context, limit: int) -> int:
    """Delete up to `limit` deliveries that have outlived their job for long enough; how many."""
    batch.db.execute(context.sql["expire_held"], (batch.now,))
    values = (batch.now - context.keep_dead_ms, limit)
    seqs = batch.db.execute(context.sql["forgotten_deliveries"], values).fetchall()
    for statement in ("forget_tries", "forget_delivery"):
        batch.db.executemany(context.sql[statement], seqs)
    return len(seqs)


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
