"""What every store promises about sending deliveries again, and how long they are kept; one test each."""

from __future__ import annotations

import asyncio
from pathlib import Path

from workerkit.delivery import Delivery
from workerkit.queue import DeliveryFilter, DeliveryState, Store
from workerkit.states import Status
from workerkit.testing.clock import ManualClock
from workerkit.testing.delivery_contract import delivery, full, settle, tried
from workerkit.testing.feed_contract import KEEP, KEEP_DEAD, end
from workerkit.testing.tries_contract import TriesContract

PENDING, DEAD, DELIVERED = DeliveryState.PENDING, DeliveryState.DEAD, DeliveryState.DELIVERED


class RedeliveryContract(TriesContract):
    """Nothing that did not arrive is lost before somebody could look at it and send it again."""

    async def tried_once(self, store: Store, asked: Delivery, state: DeliveryState = DEAD) -> Delivery:
        """A delivery of a new job, after one try."""
        await self.ended(store, asked)
        (one,) = await store.claim_deliveries(1, {asked.lane: 1}, 0)
        assert await settle(store, one.id, one.number, state, tried(one.number, "500"), None)
        return one

    def test_redeliver_gives_one_more_try(self, tmp_path: Path) -> None:
        """For what is dead or delivered; not for what is pending or being sent."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery(attempts=1))
            (one,) = await store.claim_deliveries(9, {}, 9)
            assert not await store.redeliver(one.id)
            await settle(store, one.id, 1, DEAD, tried(1, "500"), None)
            assert await store.redeliver(one.id)
            assert await self.state(store, one.id) == (PENDING, 1, 2)
            assert not await store.redeliver(one.id)
            (again,) = await store.claim_deliveries(9, {}, 9)
            assert again.number == 2

        self.play(tmp_path, scenario)

    def test_many_are_sent_again_oldest_first_until_none_is_left(self, tmp_path: Path) -> None:
        """`redeliver_many`: dead, held and cancelled ones; each once, with one more attempt."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            arrived = await self.tried_once(store, delivery("a", attempts=1), DELIVERED)
            held = await self.tried_once(store, delivery("b", attempts=1), DeliveryState.HELD)
            job = await self.ended(store, delivery("c", attempts=1), status=Status.FAILED)
            assert await store.retry(job)
            dead = await self.tried_once(store, delivery("d", attempts=1))
            await self.ended(store, delivery("e"))
            everything = DeliveryFilter()
            assert await store.delivery_due(0)
            assert not await store.delivery_due(0)
            assert await store.redeliver_many(everything, 2) == 2
            assert await store.delivery_due(5)
            cancelled = f"msg_{job}_1"
            assert await self.state(store, held.id) == (PENDING, 0, 1)
            assert await self.state(store, cancelled) == (PENDING, 0, 1)
            assert await self.state(store, dead.id) == (DEAD, 1, 1)
            assert await store.redeliver_many(everything, 2) == 1
            assert await store.redeliver_many(everything, 2) == 0
            assert await self.state(store, dead.id) == (PENDING, 1, 2)
            assert await self.state(store, arrived.id) == (DELIVERED, 1, 1)
            assert len(await store.claim_deliveries(9, {}, 9)) == 4
            assert await store.redeliver_many(everything, 2) == 0
            assert await store.redeliver_many(DeliveryFilter(state=DELIVERED), 2) == 1
            assert await self.state(store, arrived.id) == (PENDING, 1, 2)
            assert await store.redeliver_many(DeliveryFilter(state=DELIVERED), 2) == 0

        self.play(tmp_path, scenario)

    def test_one_call_sends_each_again_once(self, tmp_path: Path) -> None:
        """`redeliver_many` beside a host that sends: what fails or arrives at once is not taken again."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            async def send(state: DeliveryState) -> None:
                while await store.delivery_due(30):
                    for one in await store.claim_deliveries(999, {}, 999):
                        await settle(store, one.id, one.number, state, tried(one.number), None)

            for state in (DEAD, DELIVERED):
                await self.ended(store, *[delivery(state.value, attempts=1) for _ in range(120)])
                for one in await store.claim_deliveries(999, {state.value: 999}, 0):
                    await settle(store, one.id, one.number, state, tried(one.number), None)
                sending = asyncio.create_task(send(state))
                chosen = DeliveryFilter(state=state, lane=state.value)
                assert await store.redeliver_many(chosen, 10**9) == 120
                sending.cancel()
                await asyncio.wait([sending])

        self.play(tmp_path, scenario)

    def test_only_those_are_sent_again_that_are_meant(self, tmp_path: Path) -> None:
        """`redeliver_many` by each part of a filter, more of them than one transaction is good for."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            start = clock.time
            many = await self.ended(store, *[delivery("many", attempts=1) for _ in range(300)])
            for one in await store.claim_deliveries(300, {}, 300):
                await settle(store, one.id, 1, DEAD, tried(1), None)
            await self.tried_once(store, delivery("arrived"), DELIVERED)
            clock.advance(10)
            last = await self.tried_once(store, delivery("last", plugin="audit"))

            for none in (
                DeliveryFilter(state=DeliveryState.HELD),
                DeliveryFilter(state=PENDING),
                DeliveryFilter(lane="arrived"),
                DeliveryFilter(job="nobody"),
                DeliveryFilter(endpoint="caption"),
                DeliveryFilter(job=many, plugin="audit"),
                DeliveryFilter(since=start + 11),
            ):
                assert await store.redeliver_many(none, 999) == 0
            assert await store.redeliver_many(DeliveryFilter(since=start + 10, plugin="audit"), 999) == 1
            assert (await self.state(store, last.id))[0] is PENDING
            assert await store.redeliver_many(DeliveryFilter(job=many, state=DEAD), 100) == 100
            assert await store.redeliver_many(DeliveryFilter(lane="many", endpoint="render"), 999) == 200
            assert await store.redeliver_many(DeliveryFilter(job=last.job, state=DELIVERED), 9) == 0

        self.play(tmp_path, scenario)

    def test_a_retry_cancels_what_is_pending_and_keeps_its_body(self, tmp_path: Path) -> None:
        """Also what is being sent, if it fails after the retry; a redelivery sends the old body."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            id = await self.ended(store, delivery("a"), delivery("b"), status=Status.FAILED)
            (sending,) = await store.claim_deliveries(1, full("b"), 9)
            assert await store.retry(id)
            pending = f"msg_{id}_1_2"
            assert (await self.state(store, pending))[0] is DeliveryState.CANCELLED
            await settle(store, sending.id, 1, PENDING, tried(1, "503"), clock.time)
            assert (await self.state(store, sending.id))[0] is DeliveryState.CANCELLED
            assert await store.redeliver(pending)
            (again,) = await store.claim_deliveries(9, {}, 9)
            assert again.body == b'{"output":1}'

        self.play(tmp_path, scenario)

    def test_a_job_is_kept_until_its_deliveries_are_over(self, tmp_path: Path) -> None:
        """`sweep` waits for pending, sending and held ones; what arrived goes with the job."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery())
            clock.advance(KEEP)
            assert await store.sweep(9) == 0
            (one,) = await store.claim_deliveries(9, {}, 9)
            assert await store.sweep(9) == 0
            await settle(store, one.id, 1, DELIVERED, tried(1, "200"), None)
            assert await store.sweep(9) == 1
            assert await store.delivery(one.id) is None

        self.play(tmp_path, scenario)

    def test_no_delivery_keeps_secrets_longer_than_their_retention(self, tmp_path: Path) -> None:
        """`sweep` wipes those of a job that it leaves; the record says so, and every run's claim."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            claim = await self.running(store, sealed={"s3Config": b"x"})
            await store.finish([end(claim, Status.FAILED, deliveries=[delivery()])])
            clock.advance(KEEP - 1)
            assert await store.sweep(9) == 0
            kept = await store.record(claim.record.id)
            clock.advance(1)
            assert await store.sweep(9) == 0
            wiped = await store.record(claim.record.id)
            assert kept is not None
            assert wiped is not None
            assert (dict(kept.sealed), kept.wiped) == ({"s3Config": b"x"}, False)
            assert (dict(wiped.sealed), wiped.wiped) == ({}, True)
            assert await store.retry(wiped.id)
            (again,) = await store.claim("render", 1, "host", 5)
            assert again.record.wiped

        self.play(tmp_path, scenario)

    def test_what_is_dead_outlives_its_job(self, tmp_path: Path) -> None:
        """With its body and its log, for as long as the queue keeps it; then it is swept like a job."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            dead = await self.tried_once(store, delivery())
            own = await self.tried_once(store, delivery(body=b"own"))
            died = clock.time
            clock.advance(KEEP)
            assert await store.sweep(9) == 2
            assert await store.view(dead.job) is None
            bodies = []
            for one in (dead, own):
                found = await store.delivery(one.id)
                assert found is not None
                assert (found[0].job, found[0].state, found[0].endpoint) == (one.job, DEAD, "render")
                assert [row.detail for row in found[2]] == ["500"]
                bodies.append(found[1])
            assert bodies == [b'{"output":1}', b"own"]
            assert await self.found(store, job=dead.job) == dead.target
            clock.advance(KEEP_DEAD - 1 - (clock.time - died))
            assert await store.sweep(9) == 0
            clock.advance(1)
            assert await store.sweep(1) == 1
            assert await store.sweep(9) == 1
            assert await store.deliveries(DeliveryFilter(), after=None, limit=9) == []

        self.play(tmp_path, scenario)

    def test_what_died_long_ago_goes_with_its_job(self, tmp_path: Path) -> None:
        """A job that was kept for another delivery takes along what has been dead for long enough."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery("a", attempts=1), delivery("b"))
            (dead,) = await store.claim_deliveries(9, full("b"), 9)
            await settle(store, dead.id, 1, DEAD, tried(1), None)
            clock.advance(KEEP_DEAD)
            assert await store.sweep(9) == 0
            (last,) = await store.claim_deliveries(9, {}, 9)
            await settle(store, last.id, 1, DEAD, tried(1), None)
            assert await store.sweep(9) == 1
            assert await store.delivery(dead.id) is None
            assert await store.delivery(last.id) is not None

        self.play(tmp_path, scenario)

    def test_what_outlived_its_job_can_be_sent_again(self, tmp_path: Path) -> None:
        """Alone and with others; it is kept from its new end as long again, whatever that is."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            dead = [await self.tried_once(store, delivery(body=body)) for body in (None, b"own")]
            clock.advance(KEEP)
            assert await store.sweep(9) == 2
            assert await store.redeliver(dead[0].id)
            assert await store.redeliver_many(DeliveryFilter(job=dead[1].job), 9) == 1
            clock.advance(KEEP_DEAD)
            assert await store.sweep(9) == 0
            again = await store.claim_deliveries(9, {}, 9)
            assert [(d.job, d.body, d.number) for d in again] == [
                (dead[0].job, b'{"output":1}', 2),
                (dead[1].job, b"own", 2),
            ]
            await settle(store, dead[0].id, 2, DELIVERED, tried(2), None)
            await settle(store, dead[1].id, 2, PENDING, tried(2), None)
            await store.recover("host")
            clock.advance(KEEP_DEAD - 1)
            assert await store.sweep(9) == 0
            clock.advance(1)
            assert await store.sweep(9) == 1
            assert await store.delivery(dead[0].id) is None
            assert (await self.state(store, dead[1].id))[0] is PENDING

        self.play(tmp_path, scenario)
