"""The rules by which Hypothesis drives a queue: what clients, holders, a host and its clock may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from queue_comparison import ENDPOINTS
from queue_driver import KEEP, LEASE, LENGTH, Call, Driver
from workerkit.delivery import Delivery
from workerkit.job import Policy, Status
from workerkit.queue import Blame, DeliveryState, Submission

DELAY, TTL = 5_000, 60_000

#: Mostly one, so that what is done meets what was done.
endpoints = st.sampled_from([ENDPOINTS[0], *ENDPOINTS])
holders = st.sampled_from("ab")
#: Which one of those there are, the latest first.
places = st.integers(0, 4)
lows = st.sampled_from([False, False, True])
ttls = st.sampled_from([TTL, 2 * KEEP])
keys = st.sampled_from([None, None, ("k1", b"1"), ("k1", b"2"), ("k2", b"1")])
ends = st.sampled_from([status for status in Status if status.ended])
lanes = st.sampled_from(["", "", "", "a", "b"])
A, A_OWN, B = [
    Delivery(target="http://a/", plugin=plugin, lane=lane, attempts=attempts, body=body)
    for plugin, lane, attempts, body in (
        ("webhook", "a", 2, None),
        ("audit", "a", 1, b"own"),
        ("webhook", "b", 2, None),
    )
]
deliveries = st.sampled_from([(), (A,), (A, A), (A, A_OWN), (A_OWN, B), (A, A_OWN, B)])
#: Names of `Driver`'s calls with their arguments.
finishes = st.tuples(st.just("finish"), places, ends, deliveries)
releases = st.tuples(
    st.just("release"), places, st.sampled_from(list(Blame)), st.sampled_from([0, DELAY, KEEP])
)
reports = st.tuples(st.just("report"), places, st.integers(0, 3))
retries = st.tuples(st.just("retry"), places)
cancels = st.tuples(st.just("end_as_seen"), places, ends, deliveries)
#: State, and when it is due again.
settlements = st.sampled_from(
    [
        (DeliveryState.PENDING, None),
        (DeliveryState.PENDING, DELAY),
        (DeliveryState.PENDING, DELAY),
        (DeliveryState.DELIVERED, None),
        (DeliveryState.DEAD, None),
        (DeliveryState.HELD, None),
    ]
)


class QueueMachine(Driver):
    """Every operation of a store, in any order."""

    # Clients

    @initialize(
        n=st.integers(1, 4),
        sealed=st.booleans(),
        ttl=ttls,
        claimed=st.integers(0, 4),
        call=st.none() | finishes,
    )
    def begin(self, n: int, sealed: bool, ttl: int, claimed: int, call: tuple[Any, ...] | None) -> None:
        policy = Policy(ttl=ttl)
        self.submitted(*[self.new(ENDPOINTS[0], sealed=sealed, policy=policy) for _ in range(n)])
        if claimed:
            self.claim(ENDPOINTS[0], claimed, "a")
        if call:
            self.check(*self.calls([call]))

    @rule(endpoint=endpoints, low=lows, sealed=st.booleans(), ttl=ttls, key=keys)
    def submit(self, endpoint: str, low: bool, sealed: bool, ttl: int, key: tuple[str, bytes] | None) -> None:
        asked = self.new(endpoint, sealed=sealed, policy=Policy(ttl=ttl, low_priority=low))
        self.submitted(attrs.evolve(asked, idempotency=key))

    @rule(endpoint=endpoints, lows=st.lists(lows, max_size=3), place=places, key=keys)
    def submit_again(
        self, endpoint: str, lows: Sequence[bool], place: int, key: tuple[str, bytes] | None
    ) -> None:
        """One that is there already, alone or with some that are new."""
        job = self.job(place)
        if not lows and job:
            self.submitted(attrs.evolve(job.asked, idempotency=key))
        elif lows and not self.is_waited_for(endpoint):
            new = [self.new(endpoint, policy=Policy(ttl=TTL, low_priority=low)) for low in lows]
            self.submitted(*new, *([job.asked] if job else []))

    def new(self, endpoint: str, *, sealed: bool = False, policy: Policy) -> Submission:
        self.number += 1
        return Submission(
            id=f"{self.number}",
            endpoint=endpoint,
            input=b"%d" % self.number,
            sealed={"s3Config": b"sealed"} if sealed else {},
            policy=policy,
        )

    def submitted(self, *asked: Submission) -> None:
        endpoint = asked[0].endpoint
        waited_for = self.is_waited_for(endpoint)
        if waited_for and self.model.counts(endpoint).in_queue >= LENGTH:
            return  # whether there is room depends on which of the two is first
        answers = [(answer.id, answer.outcome) for answer in self.do(self.store.submit(asked))]
        assert answers == [self.model.submit(one, taken=waited_for) for one in asked]

    @rule(place=places, limit=st.integers(1, 3))
    def follow(self, place: int, limit: int) -> None:
        if job := self.job(place):
            self.check(self.take_chunks(job.asked.id, limit))
            self.check(self.take_chunks(job.asked.id, limit))

    # Holders

    @rule(
        endpoint=endpoints,
        n=st.integers(1, 3),
        holder=holders,
        milliseconds=st.sampled_from([0, 0, 0, DELAY, TTL]),
    )
    def look_and_claim(self, endpoint: str, n: int, holder: str, milliseconds: int) -> None:
        """After a while, in which a delay or a ttl may have ended."""
        self.clock.advance(milliseconds)
        self.serve()
        lines = [self.model.claimable(endpoint) for endpoint in ENDPOINTS]
        assert self.do(self.ask()) == [line[0].queued_at if line else None for line in lines]
        self.claim(endpoint, n, holder)

    def claim(self, endpoint: str, n: int, holder: str) -> None:
        self.claimed(self.do(self.store.claim(endpoint, n, holder, 0)), endpoint, n, holder)

    @precondition(lambda self: self.waiting is None)
    @rule(endpoint=endpoints)
    def wait_for_a_job(self, endpoint: str) -> None:
        self.waiting = endpoint, self.loop.create_task(self.store.claim(endpoint, 1, "b", 600))

    @rule(call=finishes)
    def end_a_run(self, call: tuple[Any, ...]) -> None:
        self.check(*self.calls([call]))

    @rule(call=releases)
    def give_back(self, call: tuple[Any, ...]) -> None:
        self.check(*self.calls([call]))

    @rule(call=reports, limit=st.integers(0, 3))
    def report(self, call: tuple[Any, ...], limit: int) -> None:
        """And perhaps somebody follows what comes."""
        self.check(*self.calls([call]))
        run = self.run(call[1])
        self.check((self.store.chunks(*run), lambda: self.model.chunks(run)))
        if limit and run[0] in self.model.jobs:
            self.check(self.take_chunks(run[0], limit))

    def take_chunks(self, id: str, limit: int) -> Call:
        return self.store.take_chunks(id, limit, 999), lambda: self.model.take_chunks(id, limit)

    @rule(call=st.one_of(cancels, retries))
    def cancel_or_retry(self, call: tuple[Any, ...]) -> None:
        self.check(*self.calls([call]))

    @rule(
        several=st.lists(st.one_of(finishes, releases, reports, cancels, retries), min_size=2, max_size=4),
        poisoned=st.booleans(),
    )
    def write_together(self, several: list[tuple[Any, ...]], poisoned: bool) -> None:
        self.check(*self.calls(several), poisoned=poisoned)

    # A host, now and then

    @rule(milliseconds=st.sampled_from([1, DELAY, LEASE, TTL, KEEP]))
    def pass_time(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)

    @rule(endpoint=endpoints, holder=holders)
    def steal(self, endpoint: str, holder: str) -> None:
        """Leases run out, their jobs go back, and another holder takes them."""
        self.clock.advance(LEASE)
        found = self.do(self.store.lapsed(99))
        self.check(*[self.returned((record.id, record.attempt)) for record in found])
        self.serve()
        self.claim(endpoint, 3, holder)

    @rule(milliseconds=st.sampled_from([0, KEEP]))
    def sweep(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)
        self.serve()
        self.check((self.store.sweep(99), self.model.sweep))

    @rule(what=st.sampled_from(["expire", "purge", "restart"]), endpoint=endpoints)
    def look_after(self, what: str, endpoint: str) -> None:
        if what == "restart":
            assert self.close() == []
            self.open()
            self.check((self.store.recover("a"), lambda: self.model.recover("a")))
        else:
            purges = what == "purge"
            found = self.do(self.store.queued(endpoint, 99) if purges else self.store.expired(99))
            status = Status.CANCELLED if purges else Status.TIMED_OUT
            self.check(*[self.end((r.id, r.status, r.attempt), status) for r in found])

    # Deliveries

    @precondition(lambda self: self.model.outbox.sent)
    @rule(limit=st.sampled_from([1, 1, 3]), busy=lanes, how=st.none() | settlements)
    def deliver(self, limit: int, busy: str, how: tuple[DeliveryState, int | None] | None) -> None:
        """Some are sent, and perhaps one of them is over at once."""
        outbox = self.model.outbox
        due = outbox.due(busy)
        found = self.do(self.store.claim_deliveries(limit, list(busy)))
        assert len(found) == min(limit, len(due))
        assert {delivery.id for delivery in found} <= set(due)
        for delivery in found:
            sent = due.pop(delivery.id)
            assert (delivery.number, delivery.body, delivery.job) == (sent.number + 1, sent.body, sent.job)
        for lane in {delivery.lane for delivery in found}:
            taken = [outbox.sent[d.id].next_at or 0 for d in found if d.lane == lane]
            left = [sent.next_at or 0 for sent in due.values() if sent.asked.lane == lane]
            assert max(taken) <= min(left, default=max(taken))
        outbox.claimed([delivery.id for delivery in found])
        self.check((self.store.next_delivery(list(busy)), lambda: outbox.next(busy)))
        if found and how:
            self.check(self.settled(found[0].id, found[0].number, *how))

    @precondition(lambda self: self.model.outbox.sent)
    @rule(place=places, older=st.sampled_from([0, 0, 1]), how=settlements)
    def settle(self, place: int, older: int, how: tuple[DeliveryState, int | None]) -> None:
        name = self.sent(place)
        self.check(self.settled(name, self.model.outbox.sent[name].number - older, *how))

    def settled(self, name: str, number: int, state: DeliveryState, after: int | None) -> Call:
        values = (name, number, state)
        at = None if after is None else self.clock.time + after
        settled = self.store.settle_delivery(*values, "", at)
        return settled, lambda: self.model.outbox.settle(*values, at)

    @precondition(lambda self: self.model.outbox.sent)
    @rule(place=places, plugin=st.sampled_from(["", "", "webhook", "audit"]))
    def send_again_or_hold(self, place: int, plugin: str) -> None:
        def why(name: str, maker: str) -> str:
            return "it is gone" if name == plugin else ""

        if plugin:
            self.check((self.store.hold_deliveries(why), lambda: self.model.outbox.hold(plugin)))
        else:
            name = self.sent(place)
            self.check((self.store.redeliver(name), lambda: self.model.outbox.redeliver(name)))

    # What holds after each of them

    @invariant()
    def holds(self) -> None:
        self.compare()

    def teardown(self) -> None:
        self.watchdog.cancel()
        self.close()
