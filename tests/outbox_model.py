"""What becomes of deliveries, in plain Python: a part of `queue_model`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import attrs

from workerkit.delivery import Delivery
from workerkit.queue import DeliveryFilter, DeliveryState, End, Tried

PENDING, SENDING, HELD = DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.HELD
DELIVERED, DEAD, CANCELLED = DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.CANCELLED
LOST = "the host ended while this was being sent"


@attrs.define
class Sent:
    """A delivery of an end."""

    job: str
    endpoint: str
    asked: Delivery
    body: bytes
    attempts: int
    created_at: int
    updated_at: int
    next_at: int | None
    state: DeliveryState = PENDING
    number: int = 0
    log: list[Tried] = attrs.Factory(list)
    #: The job was retried since.
    outdated: bool = False
    #: The job is no more.
    left: bool = False

    def fits(self, chosen: DeliveryFilter) -> bool:
        """Whether a filter lets it pass."""
        return (
            chosen.state in (None, self.state)
            and chosen.job in (None, self.job)
            and chosen.endpoint in (None, self.endpoint)
            and chosen.plugin in (None, self.asked.plugin)
            and chosen.lane in (None, self.asked.lane)
            and (chosen.since is None or chosen.since <= self.created_at)
            and (chosen.until is None or self.created_at < chosen.until)
        )


class Outbox:
    """Every method says what the store's method should answer."""

    def __init__(self, clock: Callable[[], int], *, keep_dead: int) -> None:
        self.now = clock
        self.keep_dead = keep_dead
        #: Oldest first.
        self.sent: dict[str, Sent] = {}

    def move(self, sent: Sent, state: DeliveryState, next_at: int | None = None) -> None:
        """It is in another state; due when it is pending."""
        sent.state, sent.next_at, sent.updated_at = state, next_at, self.now()

    def add(self, end: End, endpoint: str) -> None:
        """One set for each end."""
        now = self.now()
        for n, asked in enumerate(end.deliveries, start=1):
            name = f"msg_{end.id}_{end.seen_attempt}" + (f"_{n}" if n > 1 else "")
            assert name not in self.sent
            body = end.body if asked.body is None else asked.body
            self.sent[name] = Sent(end.id, endpoint, asked, body, asked.attempts, now, now, now)

    def due(self, rooms: Mapping[str, int], others: int) -> dict[str, Sent]:
        """All that is due in lanes that have room."""
        return {
            name: sent
            for name, sent in self.sent.items()
            if sent.state is PENDING
            and rooms.get(sent.asked.lane, others) > 0
            and (sent.next_at or 0) <= self.now()
        }

    def claimed(self, names: Iterable[str]) -> None:
        """These are being sent."""
        for name in names:
            sent = self.sent[name]
            sent.number += 1
            self.move(sent, SENDING, sent.next_at)

    def next(self, rooms: Mapping[str, int], others: int) -> int | None:
        """When the first of those in lanes with room is due."""
        waiting = [
            s for s in self.sent.values() if s.state is PENDING and rooms.get(s.asked.lane, others) > 0
        ]
        return min((s.next_at for s in waiting if s.next_at is not None), default=None)

    def settle(self, name: str, tried: Tried, state: DeliveryState, next_at: int | None) -> bool:
        """See `Store.settle_deliveries`."""
        sent = self.sent.get(name)
        if sent is None or (sent.state, sent.number) != (SENDING, tried.number):
            return False
        if state is HELD:
            sent.number -= 1
        else:
            sent.log.append(tried)
        if state in (PENDING, HELD) and sent.outdated and not sent.left:
            self.move(sent, CANCELLED)
        elif state is not PENDING:
            self.move(sent, state)
        else:
            self.move(sent, PENDING, self.now() if next_at is None else next_at)
        return True

    def redeliver(self, name: str) -> bool:
        """See `Store.redeliver`."""
        sent = self.sent[name]
        if sent.state in (PENDING, SENDING):
            return False
        if not (sent.state is HELD and sent.attempts > sent.number):
            sent.attempts = sent.number + 1
        self.move(sent, PENDING, self.now())
        return True

    def redeliver_many(self, chosen: DeliveryFilter, limit: int) -> int:
        """See `Store.redeliver_many`."""
        arrived = chosen.state is DELIVERED
        found = [name for name, sent in self.sent.items() if sent.fits(chosen)]
        found = [n for n in found if arrived or self.sent[n].state is not DELIVERED]
        found = [n for n in found if self.sent[n].state not in (PENDING, SENDING)]
        return sum([self.redeliver(name) for name in found[:limit]])

    def hold(self, plugin: str) -> dict[str, int]:
        """What is pending for this plugin is held."""
        held = [s for s in self.sent.values() if s.state is PENDING and s.asked.plugin == plugin]
        for sent in held:
            self.move(sent, HELD)
        return dict(Counter("it is gone" for _ in held))

    def retried(self, job: str) -> None:
        """Its deliveries belong to an end that is no more."""
        for sent in self._of(job):
            sent.outdated = True
            if sent.state in (PENDING, HELD):
                self.move(sent, CANCELLED)

    def recover(self) -> None:
        """The host starts anew."""
        for sent in self.sent.values():
            if sent.state is SENDING:
                lost = Tried(number=sent.number, at=sent.updated_at, took=0, outcome="lost", detail=LOST)
                sent.log.append(lost)
            if sent.state is SENDING and sent.outdated and not sent.left:
                self.move(sent, CANCELLED)
            elif sent.state in (SENDING, HELD):
                dead = sent.number >= sent.attempts
                self.move(sent, *((DEAD, None) if dead else (PENDING, self.now())))

    def needs(self, job: str) -> bool:
        """Whether the job must be kept for a delivery."""
        return any(sent.state in (PENDING, SENDING, HELD) for sent in self._of(job))

    def forget(self) -> int:
        """What has outlived its job for long enough goes; how many."""
        since, before = self.now() - self.keep_dead, len(self.sent)
        over = (DELIVERED, DEAD, CANCELLED)
        self.sent = {
            name: sent
            for name, sent in self.sent.items()
            if not (sent.left and sent.state in over and sent.updated_at <= since)
        }
        return before - len(self.sent)

    def drop(self, job: str) -> None:
        """They go with their job, but those that died lately."""
        since = self.now() - self.keep_dead
        for sent in self._of(job):
            sent.left = True
        self.sent = {
            name: sent
            for name, sent in self.sent.items()
            if sent.job != job or (sent.state is DEAD and sent.updated_at > since)
        }

    def _of(self, job: str) -> list[Sent]:
        return [sent for sent in self.sent.values() if sent.job == job]
