"""The rules by which Hypothesis drives a queue: what clients, holders, a host and its clock may do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from queue_comparison import ENDPOINTS, of_end, of_ended
from queue_driver import KEEP, KEEP_DEAD, LEASE, LENGTH, Call, Driver
from queue_strategies import (
    DELAY,
    TTL,
    cancels,
    endpoints,
    filters,
    finishes,
    holders,
    keys,
    lows,
    places,
    releases,
    reports,
    retries,
    rooms,
    settlements,
    ttls,
)
from workerkit.job import Policy
from workerkit.queue import DeliveryFilter, DeliveryState, Submission, Tried
from workerkit.states import Status
from workerkit.testing.delivery_contract import settle


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
        self.submitted(msgspec.structs.replace(asked, idempotency=key))

    @rule(endpoint=endpoints, lows=st.lists(lows, max_size=3), place=places, key=keys)
    def submit_again(
        self, endpoint: str, lows: Sequence[bool], place: int, key: tuple[str, bytes] | None
    ) -> None:
        """One that is there already, alone or with some that are new."""
        job = self.job(place)
        if not lows and job:
            self.submitted(msgspec.structs.replace(job.asked, idempotency=key))
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

    @rule(milliseconds=st.sampled_from([0, KEEP, KEEP_DEAD]))
    def forget(self, milliseconds: int) -> None:
        self.sweep(milliseconds)

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

    @rule(endpoint=endpoints, place=places, limit=st.integers(1, 3))
    def read_ends(self, endpoint: str, place: int, limit: int) -> None:
        """Behind one that was seen, or from the first one on."""
        self.compare()
        seen = [0, *sorted(self.model.places.values())]
        after = seen[-1 - place % len(seen)]
        behind = [j for j in self.model.ends(endpoint) if self.model.places[j.asked.id, j.attempt] > after]
        found = self.do(self.store.ends(endpoint, after, limit, 10**6, 0))
        assert [of_end(line) for line in found] == [of_ended(job) for job in behind[:limit]]

    # Deliveries

    @precondition(lambda self: self.model.outbox.sent)
    @rule(limit=st.sampled_from([1, 1, 3]), room=rooms, how=st.none() | settlements)
    def deliver(
        self,
        limit: int,
        room: tuple[dict[str, int], int],
        how: tuple[DeliveryState, int | None] | None,
    ) -> None:
        """Some are sent, and perhaps one of them is over at once."""
        outbox, (named, others) = self.model.outbox, room
        due = outbox.due(*room)
        found = self.do(self.store.claim_deliveries(limit, *room))
        lanes = Counter(sent.asked.lane for sent in due.values())
        assert len(found) == min(limit, sum(min(n, named.get(lane, others)) for lane, n in lanes.items()))
        for lane, n in Counter(delivery.lane for delivery in found).items():
            assert n <= named.get(lane, others)
        assert {delivery.id for delivery in found} <= set(due)
        for delivery in found:
            sent = due.pop(delivery.id)
            assert (delivery.number, delivery.body) == (sent.number + 1, sent.body)
            assert (delivery.job, delivery.endpoint) == (sent.job, sent.endpoint)
        for lane in {delivery.lane for delivery in found}:
            taken = [outbox.sent[d.id].next_at or 0 for d in found if d.lane == lane]
            left = [sent.next_at or 0 for sent in due.values() if sent.asked.lane == lane]
            assert max(taken) <= min(left, default=max(taken))
        outbox.claimed([delivery.id for delivery in found])
        self.check((self.store.next_delivery(*room), lambda: outbox.next(*room)))
        if found and how:
            self.check(self.settled(found[0].id, found[0].number, *how))

    @precondition(lambda self: self.model.outbox.sent)
    @rule(place=places, older=st.sampled_from([0, 0, 1]), how=settlements)
    def settle(self, place: int, older: int, how: tuple[DeliveryState, int | None]) -> None:
        name = self.sent(place)
        self.check(self.settled(name, self.model.outbox.sent[name].number - older, *how))

    def settled(self, name: str, number: int, state: DeliveryState, after: int | None) -> Call:
        now = self.clock.time
        at = None if after is None else now + after
        tried = Tried(number=number, at=now - 1, took=1, outcome="retry", answer=f"{name} {number} {now}")
        settled = settle(self.store, name, number, state, tried, at)
        return settled, lambda: self.model.outbox.settle(name, tried, state, at)

    @precondition(lambda self: self.model.outbox.sent)
    @rule(
        state=st.sampled_from([DeliveryState.DEAD, DeliveryState.DEAD, DeliveryState.DELIVERED]),
        milliseconds=st.sampled_from([0, KEEP, KEEP, KEEP_DEAD]),
    )
    def send_all_and_sweep(self, state: DeliveryState, milliseconds: int) -> None:
        """All that is due arrives or dies, and later on jobs are forgotten."""
        found = self.do(self.store.claim_deliveries(99, {}, 99))
        assert {delivery.id for delivery in found} == set(self.model.outbox.due({}, 99))
        self.model.outbox.claimed([delivery.id for delivery in found])
        self.check(*[self.settled(d.id, d.number, state, None) for d in found])
        self.sweep(milliseconds)

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

    @precondition(lambda self: self.model.outbox.sent)
    @rule(chosen=filters, of_job=st.booleans(), place=places, limit=st.integers(1, 3))
    def send_many_again(self, chosen: DeliveryFilter, of_job: bool, place: int, limit: int) -> None:
        outbox = self.model.outbox
        if of_job:
            chosen = msgspec.structs.replace(chosen, job=outbox.sent[self.sent(place)].job)
        self.check((self.store.redeliver_many(chosen, limit), lambda: outbox.redeliver_many(chosen, limit)))

    # What holds after each of them

    @invariant()
    def holds(self) -> None:
        self.compare()

    def teardown(self) -> None:
        self.watchdog.cancel()
        self.close()
