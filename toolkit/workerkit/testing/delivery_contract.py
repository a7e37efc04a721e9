"""What every store promises about deliveries, one test each."""

from __future__ import annotations

import asyncio
from pathlib import Path

from workerkit.delivery import Delivery
from workerkit.job import Status
from workerkit.queue import DeliveryState, Store
from workerkit.testing.clock import ManualClock
from workerkit.testing.feed_contract import KEEP, end
from workerkit.testing.upkeep_contract import UpkeepContract


def delivery(lane: str = "a", **changes: object) -> Delivery:
    """One as a plugin would ask for it."""
    values = {"target": "http://a/", "plugin": "webhook", "lane": lane, "attempts": 2, "delays": (3.0,)}
    return Delivery(**{**values, **changes})  # type: ignore[arg-type]


class DeliveryContract(UpkeepContract):
    """A side effect is stored with the end of its job and tried no more often than allowed."""

    async def ended(self, store: Store, *deliveries: Delivery, status: Status = Status.COMPLETED) -> str:
        """A job that ended with these deliveries; its id."""
        claim = await self.running(store)
        assert await store.finish(end(claim, status, deliveries=deliveries))
        return claim.record.id

    async def state(self, store: Store, id: str) -> tuple[DeliveryState, int, int]:
        """State of a delivery, tries made and tries allowed."""
        found = await store.delivery(id)
        assert found is not None
        return found[0].state, found[0].number, found[0].attempts

    def test_a_delivery_carries_the_frozen_body_or_its_own(self, tmp_path: Path) -> None:
        """Ids, bodies and headers as they were asked for; each counted as tried."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            asked = delivery(headers={"x": "é"}, maker="workerkit")
            id = await self.ended(store, asked, delivery("b", body=b"own"))
            first, second = sorted(await store.claim_deliveries(9, []), key=lambda d: d.id)
            assert (first.id, first.body, dict(first.headers)) == (f"msg_{id}_1", b'{"output":1}', {"x": "é"})
            assert (second.id, second.body, second.lane) == (f"msg_{id}_1_2", b"own", "b")
            assert (first.job, first.job_attempt, first.number, first.attempts) == (id, 1, 1, 2)
            assert (first.delays, first.plugin, first.target) == ((3.0,), "webhook", "http://a/")
            assert (first.maker, second.maker) == ("workerkit", "")
            assert await store.claim_deliveries(9, []) == []

        self.play(tmp_path, scenario)

    def test_a_refused_end_stores_no_delivery(self, tmp_path: Path) -> None:
        """The outbox is in the transaction of the end."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            claim = await self.running(store)
            await store.finish(end(claim))
            assert not await store.finish(end(claim, Status.FAILED, deliveries=[delivery()]))
            assert await store.deliveries(state=None, job=None, limit=9) == []

        self.play(tmp_path, scenario)

    def test_busy_lanes_and_the_future_are_left_alone(self, tmp_path: Path) -> None:
        """`claim_deliveries`, `next_delivery`."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery("a"), delivery("b"), delivery("c"))
            (one,) = await store.claim_deliveries(1, ["a", "c"])
            assert one.lane == "b"
            due = clock.time + 10_000
            assert await store.settle_delivery(one.id, 1, DeliveryState.PENDING, "503", due)
            assert sorted(d.lane for d in await store.claim_deliveries(9, [])) == ["a", "c"]
            assert await store.next_delivery([]) == due
            assert await store.next_delivery(["b"]) is None
            clock.advance(10_000)
            (again,) = await store.claim_deliveries(9, [])
            assert (again.id, again.number) == (one.id, 2)
            assert await store.next_delivery([]) is None

        self.play(tmp_path, scenario)

    def test_a_busy_lane_with_much_to_send_hides_no_other(self, tmp_path: Path) -> None:
        """`claim_deliveries` and `next_delivery`, behind more of one lane than anybody would read."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, *[delivery("busy") for _ in range(2_000)])
            clock.advance(1)
            await self.ended(store, delivery("other"))
            assert await store.next_delivery(["busy"]) == clock.time
            (one,) = await store.claim_deliveries(1, ["busy"])
            assert one.lane == "other"
            assert await store.claim_deliveries(1, ["busy"]) == []
            assert await store.next_delivery(["busy"]) is None

        self.play(tmp_path, scenario)

    def test_each_lane_is_due_when_its_first_delivery_is(self, tmp_path: Path) -> None:
        """`next_delivery` after a retry was put off, sent again by hand, and cancelled."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            id = await self.ended(store, delivery("a"), delivery("b"), status=Status.FAILED)
            first, second = sorted(await store.claim_deliveries(9, []), key=lambda d: d.lane)
            await store.settle_delivery(second.id, 1, DeliveryState.PENDING, "503", clock.time + 9)
            await store.settle_delivery(first.id, 1, DeliveryState.DEAD, "500", None)
            assert await store.next_delivery([]) == clock.time + 9
            assert await store.redeliver(first.id)
            assert await store.next_delivery([]) == clock.time
            assert await store.retry(id)
            assert await store.next_delivery([]) is None

        self.play(tmp_path, scenario)

    def test_a_try_is_settled_once_and_by_its_number(self, tmp_path: Path) -> None:
        """`settle_delivery` refuses another number and a second answer; HELD gives the try back."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            id = await self.ended(store, delivery())
            (one,) = await store.claim_deliveries(9, [])
            assert not await store.settle_delivery(one.id, 2, DeliveryState.DELIVERED, "", None)
            assert await store.settle_delivery(one.id, 1, DeliveryState.HELD, "plugin is gone", None)
            assert not await store.settle_delivery(one.id, 1, DeliveryState.DELIVERED, "", None)
            assert await self.state(store, one.id) == (DeliveryState.HELD, 0, 2)
            (line,) = await store.deliveries(state=DeliveryState.HELD, job=id, limit=9)
            assert (line.detail, line.job) == ("plugin is gone", id)

        self.play(tmp_path, scenario)

    def test_a_waiting_dispatcher_is_woken(self, tmp_path: Path) -> None:
        """`delivery_due`."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            assert not await store.delivery_due(0.01)
            waiting = asyncio.create_task(store.delivery_due(30))
            await self.ended(store, delivery())
            assert await waiting

        self.play(tmp_path, scenario)

    def test_redeliver_gives_one_more_try(self, tmp_path: Path) -> None:
        """For what is dead or delivered; not for what is pending or being sent."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery(attempts=1))
            (one,) = await store.claim_deliveries(9, [])
            assert not await store.redeliver(one.id)
            await store.settle_delivery(one.id, 1, DeliveryState.DEAD, "500", None)
            assert await store.redeliver(one.id)
            assert await self.state(store, one.id) == (DeliveryState.PENDING, 1, 2)
            assert not await store.redeliver(one.id)
            (again,) = await store.claim_deliveries(9, [])
            assert again.number == 2

        self.play(tmp_path, scenario)

    def test_a_retry_cancels_what_is_pending_and_keeps_its_body(self, tmp_path: Path) -> None:
        """Also what is being sent, if it fails after the retry; a redelivery sends the old body."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            id = await self.ended(store, delivery("a"), delivery("b"), status=Status.FAILED)
            (sending,) = await store.claim_deliveries(1, ["b"])
            assert await store.retry(id)
            pending = f"msg_{id}_1_2"
            assert (await self.state(store, pending))[0] is DeliveryState.CANCELLED
            await store.settle_delivery(sending.id, 1, DeliveryState.PENDING, "503", clock.time)
            assert (await self.state(store, sending.id))[0] is DeliveryState.CANCELLED
            assert await store.redeliver(pending)
            (again,) = await store.claim_deliveries(9, [])
            assert again.body == b'{"output":1}'

        self.play(tmp_path, scenario)

    def test_recover_settles_what_was_being_sent_and_frees_what_was_held(self, tmp_path: Path) -> None:
        """Dead when no attempt is left, else pending."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery("last", attempts=1), delivery("more"), delivery("held"))
            tries = {d.lane: d for d in await store.claim_deliveries(9, [])}
            await store.settle_delivery(tries["held"].id, 1, DeliveryState.HELD, "gone", None)
            await store.recover("host")
            states = {lane: (await self.state(store, d.id))[:2] for lane, d in tries.items()}
            assert states["last"] == (DeliveryState.DEAD, 1)
            assert states["more"] == (DeliveryState.PENDING, 1)
            assert states["held"] == (DeliveryState.PENDING, 0)

        self.play(tmp_path, scenario)

    def test_what_is_pending_for_a_plugin_that_is_gone_is_held(self, tmp_path: Path) -> None:
        """`hold_deliveries`: all of it, due or not, and nothing else; `recover` lets it be tried again."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            def why(plugin: str, maker: str) -> str:
                return "audit is gone" if plugin == "audit" else ""

            assert await store.hold_deliveries(why) == {}
            asked = [delivery(lane, plugin="audit") for lane in "abc"]
            id = await self.ended(store, *asked, delivery("c"))
            tries = {d.lane: d for d in await store.claim_deliveries(2, ["c"])}
            await store.settle_delivery(tries["a"].id, 1, DeliveryState.DELIVERED, "200", None)
            await store.settle_delivery(tries["b"].id, 1, DeliveryState.PENDING, "503", clock.time + 9)

            assert await store.hold_deliveries(why) == {"audit is gone": 2}

            held = await store.deliveries(state=DeliveryState.HELD, job=id, limit=9)
            assert {(line.detail, line.next_at) for line in held} == {("audit is gone", None)}
            assert sorted(line.number for line in held) == [0, 1]
            (other,) = await store.claim_deliveries(9, [])
            assert other.plugin == "webhook"
            assert await store.next_delivery([]) is None
            await store.recover("host")
            assert {d.lane for d in await store.claim_deliveries(9, [])} == {"b", "c"}

        self.play(tmp_path, scenario)

    def test_what_is_pending_is_held_by_plugin_and_maker(self, tmp_path: Path) -> None:
        """`hold_deliveries`: a plugin in the place of another may get its own, and not the other's."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            makers = [("webhook", "mail"), ("webhook", "post"), ("webhook", "workerkit"), ("audit", "mail")]
            await self.ended(store, *[delivery(plugin=plugin, maker=maker) for plugin, maker in makers])
            asked = set()

            def why(plugin: str, maker: str) -> str:
                asked.add((plugin, maker))
                return "" if plugin == "audit" or maker == "workerkit" else "another made it"

            assert await store.hold_deliveries(why) == {"another made it": 2}

            assert asked == set(makers)
            claimed = {(d.plugin, d.maker) for d in await store.claim_deliveries(9, [])}
            assert claimed == {("webhook", "workerkit"), ("audit", "mail")}
            await store.recover("host")
            assert {(d.plugin, d.maker) for d in await store.claim_deliveries(9, [])} == asked

        self.play(tmp_path, scenario)

    def test_a_job_is_kept_until_its_deliveries_are_over(self, tmp_path: Path) -> None:
        """`sweep` waits for pending, sending and held ones."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery())
            clock.advance(KEEP)
            assert await store.sweep(9) == 0
            (one,) = await store.claim_deliveries(9, [])
            assert await store.sweep(9) == 0
            await store.settle_delivery(one.id, 1, DeliveryState.DELIVERED, "200", None)
            assert await store.sweep(9) == 1
            assert await store.delivery(one.id) is None

        self.play(tmp_path, scenario)
