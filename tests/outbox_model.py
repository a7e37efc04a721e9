"""What becomes of deliveries, in plain Python: a part of `queue_model`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable

import attrs

from workerkit.delivery import Delivery
from workerkit.queue import DeliveryState, End

PENDING, SENDING, HELD = DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.HELD


@attrs.define
class Sent:
    """A delivery of an end."""

    job: str
    asked: Delivery
    body: bytes
    attempts: int
    next_at: int | None
    state: DeliveryState = PENDING
    number: int = 0
    #: The job was retried since.
    outdated: bool = False

    def move(self, state: DeliveryState, next_at: int | None = None) -> None:
        """It is in another state; due when it is pending."""
        self.state, self.next_at = state, next_at


class Outbox:
    """Every method says what the store's method should answer."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.now = clock
        self.sent: dict[str, Sent] = {}

    def add(self, end: End) -> None:
        """One set for each end."""
        for n, asked in enumerate(end.deliveries, start=1):
            name = f"msg_{end.id}_{end.seen_attempt}" + (f"_{n}" if n > 1 else "")
            assert name not in self.sent
            body = end.body if asked.body is None else asked.body
            self.sent[name] = Sent(end.id, asked, body, asked.attempts, self.now())

    def due(self, busy: Collection[str]) -> dict[str, Sent]:
        """All that may be sent now."""
        return {
            name: sent
            for name, sent in self.sent.items()
            if sent.state is PENDING and sent.asked.lane not in busy and (sent.next_at or 0) <= self.now()
        }

    def claimed(self, names: Iterable[str]) -> None:
        """These are being sent."""
        for name in names:
            self.sent[name].number += 1
            self.sent[name].state = SENDING

    def next(self, busy: Collection[str]) -> int | None:
        """When the first of those outside `busy` is due."""
        waiting = [s.next_at for s in self.sent.values() if s.state is PENDING and s.asked.lane not in busy]
        return min((at for at in waiting if at is not None), default=None)

    def settle(self, name: str, number: int, state: DeliveryState, next_at: int | None) -> bool:
        """See `Store.settle_delivery`."""
        sent = self.sent.get(name)
        if sent is None or (sent.state, sent.number) != (SENDING, number):
            return False
        if state is not PENDING:
            sent.number -= state is HELD
            sent.move(state)
        elif sent.outdated:
            sent.move(DeliveryState.CANCELLED)
        else:
            sent.move(PENDING, self.now() if next_at is None else next_at)
        return True

    def redeliver(self, name: str) -> bool:
        """See `Store.redeliver`."""
        sent = self.sent[name]
        if sent.state in (PENDING, SENDING):
            return False
        if not (sent.state is HELD and sent.attempts > sent.number):
            sent.attempts = sent.number + 1
        sent.move(PENDING, self.now())
        return True

    def hold(self, plugin: str) -> dict[str, int]:
        """What is pending for this plugin is held."""
        held = [s for s in self.sent.values() if s.state is PENDING and s.asked.plugin == plugin]
        for sent in held:
            sent.move(HELD)
        return dict(Counter("it is gone" for _ in held))

    def retried(self, job: str) -> None:
        """Its deliveries belong to an end that is no more."""
        for sent in self._of(job):
            sent.outdated = True
            if sent.state in (PENDING, HELD):
                sent.move(DeliveryState.CANCELLED)

    def recover(self) -> None:
        """The host starts anew."""
        for sent in self.sent.values():
            if sent.state in (SENDING, HELD):
                dead = sent.number >= sent.attempts
                sent.move(*((DeliveryState.DEAD, None) if dead else (PENDING, self.now())))

    def needs(self, job: str) -> bool:
        """Whether the job must be kept for a delivery."""
        return any(sent.state in (PENDING, SENDING, HELD) for sent in self._of(job))

    def drop(self, job: str) -> None:
        """They go with their job."""
        self.sent = {name: sent for name, sent in self.sent.items() if sent.job != job}

    def _of(self, job: str) -> list[Sent]:
        return [sent for sent in self.sent.values() if sent.job == job]
