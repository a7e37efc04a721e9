"""The rules by which Hypothesis drives a queue: what clients, holders, a host and its clock may do."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from queue_driver import ENDPOINTS, KEEP, LEASE, LENGTH, Driver
from workerkit.delivery import Delivery
from workerkit.job import Policy, Status
from workerkit.queue import Blame, DeliveryState, Submission

DELAY, TTL = 5_000, 60_000

endpoints = st.sampled_from(ENDPOINTS)
#: Which one of those there are, the latest first.
places = st.integers(0, 4)
ends = st.sampled_from([status for status in Status if status.ended])
deliveries = st.lists(
    st.builds(
        Delivery,
        target=st.just("http://a/"),
        plugin=st.sampled_from(["webhook", "audit"]),
        lane=st.sampled_from("ab"),
        attempts=st.integers(1, 2),
        body=st.sampled_from([None, b"own"]),
    ),
    max_size=2,
)
#: Names of `Driver`'s calls with their arguments.
writes = st.one_of(
    st.tuples(st.just("finish"), places, ends, deliveries),
    st.tuples(
        st.just("release"), places, st.sampled_from(list(Blame)), st.sampled_from([0, DELAY, 2 * DELAY])
    ),
    st.tuples(st.just("heartbeat"), places),
    st.tuples(st.just("chunk"), places, st.integers(0, 3)),
    st.tuples(st.just("progress"), places),
    st.tuples(st.just("end_as_seen"), places, ends, deliveries),
    st.tuples(st.just("retry"), places),
    st.tuples(st.just("keep_log"), places),
)
lanes = st.sampled_from(["", "", "a", "b"])


class QueueMachine(Driver):
    """Every operation of a store, in any order."""

    # Clients

    @rule(
        endpoint=endpoints,
        low=st.booleans(),
        sealed=st.booleans(),
        ttl=st.sampled_from([TTL, 2 * KEEP]),
        key=st.sampled_from([None, None, ("k1", b"1"), ("k1", b"2"), ("k2", b"1")]),
    )
    def submit(self, endpoint: str, low: bool, sealed: bool, ttl: int, key: tuple[str, bytes] | None) -> None:
        asked = self.new(endpoint, sealed=sealed, policy=Policy(ttl=ttl, low_priority=low))
        self.submitted(attrs.evolve(asked, idempotency=key))

    @rule(endpoint=endpoints, lows=st.lists(st.booleans(), min_size=1, max_size=3), place=places)
    def submit_many(self, endpoint: str, lows: list[bool], place: int) -> None:
        """With one that is there already."""
        if not self.is_waited_for(endpoint):
            job = self.job(place)
            new = [self.new(endpoint, policy=Policy(ttl=TTL, low_priority=low)) for low in lows]
            self.submitted(*new, *([job.asked] if job else []))

    @rule(place=places, key=st.sampled_from([None, ("k1", b"1")]))
    def submit_again(self, place: int, key: tuple[str, bytes] | None) -> None:
        if job := self.job(place):
            self.submitted(attrs.evolve(job.asked, idempotency=key))

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

    @rule(place=places)
    def see(self, place: int) -> None:
        if job := self.job(place):
            self.seen.append((job.asked.id, job.status, job.attempt))

    @rule(endpoint=endpoints)
    def purge(self, endpoint: str) -> None:
        found = self.do(self.store.queued(endpoint, 99))
        assert [record.id for record in found] == [job.asked.id for job in self.model.queued(endpoint)]
        self.check(*[self.end((r.id, r.status, r.attempt), Status.CANCELLED) for r in found])

    @rule(place=places, limit=st.integers(1, 3))
    def take_chunks(self, place: int, limit: int) -> None:
        if job := self.job(place):
            id = job.asked.id
            self.check((self.store.take_chunks(id, limit, 999), lambda: self.model.take_chunks(id, limit)))

    # Holders

    @rule(endpoint=endpoints, n=st.integers(1, 3), holder=st.sampled_from("ab"))
    def claim(self, endpoint: str, n: int, holder: str) -> None:
        self.claimed(self.do(self.store.claim(endpoint, n, holder, 0)), endpoint, n, holder)

    @rule(endpoint=endpoints)
    def wait_for_a_job(self, endpoint: str) -> None:
        if self.waiting is None:
            self.waiting = endpoint, self.loop.create_task(self.store.claim(endpoint, 1, "b", 600))

    @rule(write=writes)
    def write(self, write: tuple[Any, ...]) -> None:
        self.check(*self.calls([write]))

    @rule(several=st.lists(writes, min_size=2, max_size=4), poisoned=st.booleans())
    def write_together(self, several: list[tuple[Any, ...]], poisoned: bool) -> None:
        self.check(*self.calls(several), poisoned=poisoned)

    @rule(place=places)
    def read_chunks(self, place: int) -> None:
        run = self.run(place)
        self.check((self.store.chunks(*run), lambda: self.model.chunks(run)))

    # A host, now and then

    @rule(milliseconds=st.sampled_from([1, DELAY, LEASE, TTL, KEEP]))
    def pass_time(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)

    @rule(endpoint=endpoints, holder=st.sampled_from("ab"))
    def steal(self, endpoint: str, holder: str) -> None:
        """Leases run out, their jobs go back, and another holder takes them."""
        self.clock.advance(LEASE)
        found = self.do(self.store.lapsed(99))
        assert {record.id for record in found} == {job.asked.id for job in self.model.lapsed()}
        for record in found:
            run = record.id, record.attempt
            self.check(
                (self.store.release(*run, Blame.NONE), lambda run=run: self.model.release(run, Blame.NONE, 0))
            )
        self.serve()
        self.claim(endpoint, 3, holder)

    @rule()
    def expire(self) -> None:
        found = self.do(self.store.expired(99))
        assert {record.id for record in found} == {job.asked.id for job in self.model.expired()}
        self.check(*[self.end((r.id, r.status, r.attempt), Status.TIMED_OUT) for r in found])

    @rule()
    def sweep(self) -> None:
        self.check((self.store.sweep(99), self.model.sweep))

    @rule()
    def restart(self) -> None:
        assert self.close() == []
        self.open()
        self.check((self.store.recover("a"), lambda: self.model.recover("a")))

    # Deliveries

    @rule(limit=st.integers(1, 3), busy=lanes)
    def claim_deliveries(self, limit: int, busy: str) -> None:
        due = self.model.outbox.due(busy)
        found = self.do(self.store.claim_deliveries(limit, list(busy)))
        assert len(found) == min(limit, len(due))
        for delivery in found:
            sent = due.pop(delivery.id)
            assert (delivery.number, delivery.body, delivery.job) == (sent.number + 1, sent.body, sent.job)
        for lane in {delivery.lane for delivery in found}:
            taken = [self.model.outbox.sent[d.id].next_at or 0 for d in found if d.lane == lane]
            left = [sent.next_at or 0 for sent in due.values() if sent.asked.lane == lane]
            assert max(taken) <= min(left, default=max(taken))
        self.model.outbox.claimed([delivery.id for delivery in found])

    @rule(
        place=places,
        number=st.sampled_from([0, 0, 0, 1]),
        state=st.sampled_from(
            [DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.HELD]
        ),
        after=st.sampled_from([None, DELAY]),
    )
    def settle(self, place: int, number: int, state: DeliveryState, after: int | None) -> None:
        if name := self.sent(place):
            values = (name, self.model.outbox.sent[name].number - number, state)
            at = None if after is None else self.clock.time + after
            self.check(
                (
                    self.store.settle_delivery(*values, "", at),
                    lambda: self.model.outbox.settle(*values, at),
                )
            )

    @rule(place=places)
    def redeliver(self, place: int) -> None:
        if name := self.sent(place):
            self.check((self.store.redeliver(name), lambda: self.model.outbox.redeliver(name)))

    @rule(plugin=st.sampled_from(["webhook", "audit"]))
    def hold(self, plugin: str) -> None:
        def why(name: str, maker: str) -> str:
            return "it is gone" if name == plugin else ""

        self.check((self.store.hold_deliveries(why), lambda: self.model.outbox.hold(plugin)))

    @rule(busy=lanes)
    def next_delivery(self, busy: str) -> None:
        self.check((self.store.next_delivery(list(busy)), lambda: self.model.outbox.next(busy)))

    def sent(self, place: int) -> str | None:
        names = list(self.model.outbox.sent)
        return names[-1 - place % len(names)] if names else None

    # What holds after each of them

    @invariant()
    def holds(self) -> None:
        type(self).steps += 1
        self.compare()

    def teardown(self) -> None:
        self.watchdog.cancel()
        self.close()
