"""What every store promises about deliveries, one test each."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from workerkit.delivery import Delivery
from workerkit.queue import DeliveryFilter, DeliveryState, Settled, Store, Tried
from workerkit.states import Status
from workerkit.testing.clock import ManualClock
from workerkit.testing.ends_contract import EndsContract
from workerkit.testing.feed_contract import end


def delivery(lane: str = "a", **changes: object) -> Delivery:
    """One as a plugin would ask for it."""
    values = {"target": "http://a/", "plugin": "webhook", "lane": lane, "attempts": 2, "delays": (3.0,)}
    return Delivery(**{**values, **changes})  # type: ignore[arg-type]


async def settle(
    store: Store, id: str, number: int, state: DeliveryState, tried: Tried, next_at: int | None
) -> bool:
    """`settle_deliveries` for one."""
    [stored] = await store.settle_deliveries([Settled(id, number, state, tried, next_at)])
    return stored


def tried(number: int, detail: str = "", outcome: str = "retry", **changes: Any) -> Tried:
    """A row of a delivery's log."""
    return Tried(**{"number": number, "at": 1, "took": 2, "outcome": outcome, "detail": detail, **changes})


def full(*lanes: str) -> dict[str, int]:
    """These lanes have no room."""
    return dict.fromkeys(lanes, 0)


def held_of(job: str) -> DeliveryFilter:
    """What is held of a job."""
    return DeliveryFilter(state=DeliveryState.HELD, job=job)


class DeliveryContract(EndsContract):
    """A side effect is stored with the end of its job and tried no more often than allowed."""

    async def ended(self, store: Store, *deliveries: Delivery, status: Status = Status.COMPLETED) -> str:
        """A job that ended with these deliveries; its id."""
        claim = await self.running(store)
        assert await store.finish([end(claim, status, deliveries=deliveries)]) == [True]
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
            first, second = sorted(await store.claim_deliveries(9, {}, 9), key=lambda d: d.id)
            assert (first.id, first.body, dict(first.headers)) == (f"msg_{id}_1", b'{"output":1}', {"x": "é"})
            assert (second.id, second.body, second.lane) == (f"msg_{id}_1_2", b"own", "b")
            assert (first.job, first.job_attempt, first.number, first.attempts) == (id, 1, 1, 2)
            assert first.endpoint == "render"
            assert (first.delays, first.plugin, first.target) == ((3.0,), "webhook", "http://a/")
            assert (first.maker, second.maker) == ("workerkit", "")
            assert await store.claim_deliveries(9, {}, 9) == []

        self.play(tmp_path, scenario)

    def test_a_refused_end_stores_no_delivery(self, tmp_path: Path) -> None:
        """The outbox is in the transaction of the end."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            claim = await self.running(store)
            await store.finish([end(claim)])
            assert await store.finish([end(claim, Status.FAILED, deliveries=[delivery()])]) == [False]
            assert await store.deliveries(DeliveryFilter(), after=None, limit=9) == []

        self.play(tmp_path, scenario)

    def test_no_lane_is_given_more_than_it_has_room_for(self, tmp_path: Path) -> None:
        """`claim_deliveries` by the rooms of the lanes that are named and of the others."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            async def claimed(limit: int, rooms: dict[str, int], others: int) -> str:
                return "".join(sorted([d.lane for d in await store.claim_deliveries(limit, rooms, others)]))

            await self.ended(store, *[delivery(lane) for lane in "aaaaabbbbbccccc"])
            assert await claimed(9, {"a": 2, "b": 0}, 1) == "aac"
            assert await claimed(2, {"a": 9}, 0) == "aa"
            assert await claimed(9, {"c": 1, "b": 0, "none": 3}, 0) == "c"
            assert await claimed(9, {}, 0) == ""
            assert await claimed(9, full("a", "b", "c"), 9) == ""
            assert await claimed(99, {"c": -1}, 99) == "abbbbb"
            assert await claimed(99, {}, 99) == "ccc"

        self.play(tmp_path, scenario)

    def test_the_lane_that_waits_longest_comes_first(self, tmp_path: Path) -> None:
        """`claim_deliveries`, also of lanes by name; `next_delivery` of those that have room."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            start = clock.time
            for lane in "cab":
                await self.ended(store, delivery(lane))
                clock.advance(1)
            assert await store.next_delivery({}, 1) == start
            assert await store.next_delivery({"c": 0}, 1) == start + 1
            assert await store.next_delivery({"c": 0, "b": 2}, 0) == start + 2
            assert await store.next_delivery({"b": 1, "a": 1}, 0) == start + 1
            assert await store.next_delivery({"none": 1}, 0) is None
            assert await store.next_delivery({}, 0) is None
            for rooms, others, lane in (({"b": 1, "a": 1}, 0, "a"), ({}, 9, "c"), ({}, 9, "b")):
                assert [d.lane for d in await store.claim_deliveries(1, rooms, others)] == [lane]

        self.play(tmp_path, scenario)

    def test_busy_lanes_and_the_future_are_left_alone(self, tmp_path: Path) -> None:
        """`claim_deliveries`, `next_delivery`."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery("a"), delivery("b"), delivery("c"))
            (one,) = await store.claim_deliveries(1, full("a", "c"), 9)
            assert one.lane == "b"
            due = clock.time + 10_000
            assert await settle(store, one.id, 1, DeliveryState.PENDING, tried(1, "503"), due)
            assert sorted(d.lane for d in await store.claim_deliveries(9, {}, 9)) == ["a", "c"]
            assert await store.next_delivery({}, 9) == due
            assert await store.next_delivery(full("b"), 9) is None
            clock.advance(10_000)
            (again,) = await store.claim_deliveries(9, {}, 9)
            assert (again.id, again.number) == (one.id, 2)
            assert await store.next_delivery({}, 9) is None

        self.play(tmp_path, scenario)

    def test_a_busy_lane_with_much_to_send_hides_no_other(self, tmp_path: Path) -> None:
        """`claim_deliveries` and `next_delivery`, behind more of one lane than anybody would read."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, *[delivery("busy") for _ in range(2_000)])
            clock.advance(1)
            await self.ended(store, delivery("other"))
            assert await store.next_delivery(full("busy"), 9) == clock.time
            (one,) = await store.claim_deliveries(1, full("busy"), 9)
            assert one.lane == "other"
            assert await store.claim_deliveries(1, full("busy"), 9) == []
            assert await store.next_delivery(full("busy"), 9) is None

        self.play(tmp_path, scenario)

    def test_each_lane_is_due_when_its_first_delivery_is(self, tmp_path: Path) -> None:
        """`next_delivery` after a retry was put off, sent again by hand, and cancelled."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            id = await self.ended(store, delivery("a"), delivery("b"), status=Status.FAILED)
            first, second = sorted(await store.claim_deliveries(9, {}, 9), key=lambda d: d.lane)
            await settle(store, second.id, 1, DeliveryState.PENDING, tried(1, "503"), clock.time + 9)
            await settle(store, first.id, 1, DeliveryState.DEAD, tried(1, "500"), None)
            assert await store.next_delivery({}, 9) == clock.time + 9
            assert await store.redeliver(first.id)
            assert await store.next_delivery({}, 9) == clock.time
            assert await store.retry(id)
            assert await store.next_delivery({}, 9) is None

        self.play(tmp_path, scenario)

    def test_a_try_is_settled_once_and_by_its_number(self, tmp_path: Path) -> None:
        """`settle_deliveries` refuses another number and a second answer; HELD gives the try back."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            id = await self.ended(store, delivery())
            (one,) = await store.claim_deliveries(9, {}, 9)
            assert not await settle(store, one.id, 2, DeliveryState.DELIVERED, tried(2, ""), None)
            assert await settle(store, one.id, 1, DeliveryState.HELD, tried(1, "plugin is gone"), None)
            assert not await settle(store, one.id, 1, DeliveryState.DELIVERED, tried(1, ""), None)
            assert await self.state(store, one.id) == (DeliveryState.HELD, 0, 2)
            (line,) = await store.deliveries(held_of(id), after=None, limit=9)
            assert (line.detail, line.job) == ("plugin is gone", id)

        self.play(tmp_path, scenario)

    def test_several_tries_are_settled_each_by_its_own_number(self, tmp_path: Path) -> None:
        """`settle_deliveries` answers for each."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, *(delivery(lane) for lane in "abc"))
            a, b, c = (one.id for one in await store.claim_deliveries(9, {}, 9))
            stored = await store.settle_deliveries(
                [
                    Settled(a, 1, DeliveryState.DELIVERED, tried(1, "200"), None),
                    Settled(b, 2, DeliveryState.DELIVERED, tried(2, "200"), None),
                    Settled(c, 1, DeliveryState.PENDING, tried(1, "500"), clock.time + 3),
                ]
            )
            assert stored == [True, False, True]
            assert await self.state(store, a) == (DeliveryState.DELIVERED, 1, 2)
            assert await self.state(store, b) == (DeliveryState.SENDING, 1, 2)
            assert await self.state(store, c) == (DeliveryState.PENDING, 1, 2)
            assert await store.next_delivery({}, 9) == clock.time + 3

        self.play(tmp_path, scenario)

    def test_a_waiting_dispatcher_is_woken(self, tmp_path: Path) -> None:
        """`delivery_due`."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            assert not await store.delivery_due(0.01)
            waiting = asyncio.create_task(store.delivery_due(30))
            await self.ended(store, delivery())
            assert await waiting

        self.play(tmp_path, scenario)

    def test_recover_settles_what_was_being_sent_and_frees_what_was_held(self, tmp_path: Path) -> None:
        """Dead when no attempt is left, else pending."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery("last", attempts=1), delivery("more"), delivery("held"))
            tries = {d.lane: d for d in await store.claim_deliveries(9, {}, 9)}
            await settle(store, tries["held"].id, 1, DeliveryState.HELD, tried(1, "gone"), None)
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
            tries = {d.lane: d for d in await store.claim_deliveries(2, full("c"), 9)}
            await settle(store, tries["a"].id, 1, DeliveryState.DELIVERED, tried(1, "200"), None)
            await settle(store, tries["b"].id, 1, DeliveryState.PENDING, tried(1, "503"), clock.time + 9)

            assert await store.hold_deliveries(why) == {"audit is gone": 2}

            held = await store.deliveries(held_of(id), after=None, limit=9)
            assert {(line.detail, line.next_at) for line in held} == {("audit is gone", None)}
            assert sorted(line.number for line in held) == [0, 1]
            (other,) = await store.claim_deliveries(9, {}, 9)
            assert other.plugin == "webhook"
            assert await store.next_delivery({}, 9) is None
            await store.recover("host")
            assert {d.lane for d in await store.claim_deliveries(9, {}, 9)} == {"b", "c"}

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
            claimed = {(d.plugin, d.maker) for d in await store.claim_deliveries(9, {}, 9)}
            assert claimed == {("webhook", "workerkit"), ("audit", "mail")}
            await store.recover("host")
            assert {(d.plugin, d.maker) for d in await store.claim_deliveries(9, {}, 9)} == asked

        self.play(tmp_path, scenario)
