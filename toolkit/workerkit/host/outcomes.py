"""What a try of a delivery came to, and what that makes of the delivery."""

from __future__ import annotations

import random
from collections.abc import Iterable

import attrs

from workerkit.delivery import Delivery, Receipt, Verdict
from workerkit.queue import DeliveryState, Settled, Tried

#: What becomes of one that was claimed and not sent.
TAKEN_BACK = Receipt.postpone("it was not its turn", 0.0)
#: Why one is dead that nobody tries any more.
EXPIRED = Receipt.stop("it had not arrived in the time that it had; redeliver it to try again")
#: How much the delay before another try varies.
JITTER = 0.2
#: From this status on a receiver says that it is not well.
NOT_WELL = 500
#: Others that say so: it waits too long for the request, or has too much to do.
UNWELL = (408, 425, 429)


@attrs.frozen
class Try:
    """How one try went. `at` is when it began, in milliseconds since the epoch; `took` is in seconds."""

    delivery: Delivery
    receipt: Receipt
    at: int
    took: float


def unsent(claimed: Iterable[Delivery]) -> list[Try]:
    """These are given back: no try of theirs is used up."""
    return [Try(delivery, TAKEN_BACK, 0, 0.0) for delivery in claimed]


def settled(each: Try, now: int) -> Settled:
    """A try as the queue stores it."""
    delivery, receipt = each.delivery, each.receipt
    state, next_at = _next(delivery, receipt, now)
    tried = Tried(
        number=delivery.number,
        at=each.at,
        took=int(1000 * each.took),
        outcome="expired" if receipt is EXPIRED else receipt.verdict.value,
        detail=receipt.detail,
        status=receipt.status,
        address=receipt.address,
        answer=receipt.answer,
    )
    return Settled(delivery.id, delivery.number, state, tried, next_at)


def is_well(receipt: Receipt) -> bool | None:
    """Whether a receiver answers as one that works: also a refusal is an answer. None: nothing was sent."""
    if receipt.verdict in (Verdict.HOLD, Verdict.POSTPONE):
        return None
    if receipt.verdict is Verdict.RETRY:
        return receipt.status is not None and receipt.status < NOT_WELL and receipt.status not in UNWELL
    return True


def _next(delivery: Delivery, receipt: Receipt, now: int) -> tuple[DeliveryState, int | None]:
    match receipt.verdict:
        case Verdict.DELIVERED:
            return DeliveryState.DELIVERED, None
        case Verdict.HOLD:
            return DeliveryState.HELD, None
        case Verdict.POSTPONE:
            return DeliveryState.PENDING, now + int(1000 * (receipt.after or 0))
        case Verdict.RETRY if delivery.number < delivery.attempts:
            return DeliveryState.PENDING, now + int(1000 * _delay(delivery, receipt))
        case _:
            return DeliveryState.DEAD, None


def _delay(delivery: Delivery, receipt: Receipt) -> float:
    """Seconds before the next try: what the receiver asked for, else the schedule with jitter."""
    if receipt.after is not None:
        return receipt.after
    delays = delivery.delays or (0.0,)
    return delays[min(delivery.number, len(delays)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
