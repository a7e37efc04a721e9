"""What every store promises about the lists of deliveries and their logs, one test each."""

from __future__ import annotations

from pathlib import Path

from workerkit.queue import DeliveryFilter, DeliveryState, Store
from workerkit.states import Status
from workerkit.testing.clock import ManualClock
from workerkit.testing.delivery_contract import DeliveryContract, delivery, full, settle, tried
from workerkit.testing.feed_contract import end

PENDING, DEAD, DELIVERED = DeliveryState.PENDING, DeliveryState.DEAD, DeliveryState.DELIVERED


class TriesContract(DeliveryContract):
    """Whoever looks at a delivery sees what became of it, try by try."""

    async def found(self, store: Store, limit: int = 9, after: int | None = None, **chosen: object) -> str:
        """The targets of what a filter chooses, in their order."""
        lines = await store.deliveries(DeliveryFilter(**chosen), after=after, limit=limit)  # type: ignore[arg-type]
        return "".join([line.target for line in lines])

    def test_each_try_is_in_the_log(self, tmp_path: Path) -> None:
        """`delivery`: tries as they went, in order; nothing of one that was given back."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery(attempts=3))
            rows = [
                tried(1, "answered 503", at=5, took=7, status=503, address="192.0.2.1:443", answer="né\n"),
                tried(2, "answered 200", "delivered", at=9, took=1, status=200),
            ]
            (one,) = await store.claim_deliveries(9, {}, 9)
            assert await settle(store, one.id, 1, DeliveryState.HELD, tried(1, "no key"), None)
            assert await store.redeliver(one.id)
            for number, (state, row) in enumerate(zip((PENDING, DELIVERED), rows, strict=True), start=1):
                (again,) = await store.claim_deliveries(9, {}, 9)
                assert await settle(store, one.id, number, state, row, clock.time)
                assert not await settle(store, one.id, number, state, row, clock.time)
                assert again.number == number
            found = await store.delivery(one.id)
            assert found is not None
            assert (found[0].detail, found[0].state, found[0].endpoint) == (
                "answered 200",
                DELIVERED,
                "render",
            )
            assert found[1:] == (b'{"output":1}', rows)

        self.play(tmp_path, scenario)

    def test_the_log_has_the_last_hundred_tries(self, tmp_path: Path) -> None:
        """However many there were: a delivery that is tried for ever does not grow for ever."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery("b", attempts=9), delivery(attempts=200))
            (other,) = await store.claim_deliveries(9, full("a"), 9)
            await settle(store, other.id, 1, DELIVERED, tried(1), None)
            for number in range(1, 104):
                (one,) = await store.claim_deliveries(9, {}, 9)
                assert await settle(store, one.id, number, PENDING, tried(number), None)
            numbers = {}
            for id in (one.id, other.id):
                found = await store.delivery(id)
                assert found is not None
                numbers[id] = [row.number for row in found[2]]
            assert numbers == {one.id: list(range(4, 104)), other.id: [1]}

        self.play(tmp_path, scenario)

    def test_a_try_that_the_host_did_not_survive_is_in_the_log(self, tmp_path: Path) -> None:
        """`recover` writes "lost" for what was being sent, and nothing for what was held or pending."""
        most = {"a": 2, "b": 1, "c": 2, "d": 2}

        async def scenario(store: Store, clock: ManualClock) -> None:
            asked = [delivery(lane, target=lane, attempts=attempts) for lane, attempts in most.items()]
            await self.ended(store, *asked)
            began = clock.time
            tries = {d.lane: d for d in await store.claim_deliveries(9, full("d"), 9)}
            await settle(store, tries["c"].id, 1, DeliveryState.HELD, tried(1, "no key"), None)
            clock.advance(5)
            await store.recover("host")
            logs = {}
            for line in await store.deliveries(DeliveryFilter(), after=None, limit=9):
                found = await store.delivery(line.id)
                assert found is not None
                logs[line.target] = [(row.number, row.at, row.outcome) for row in found[2]]
                assert all(row.detail == line.detail for row in found[2])
            assert logs == {"a": [(1, began, "lost")], "b": [(1, began, "lost")], "c": [], "d": []}

        self.play(tmp_path, scenario)

    def test_deliveries_are_listed_newest_first_and_page_by_page(self, tmp_path: Path) -> None:
        """`deliveries` with each part of a filter, and with several."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            start = clock.time
            asked = [delivery("x", target="1"), delivery("y", target="2", plugin="audit")]
            first = await self.ended(store, *asked)
            clock.advance(10)
            claim = await self.running(store, endpoint="caption")
            await store.finish([end(claim, deliveries=[delivery("x", target="3", plugin="audit")])])
            (one,) = await store.claim_deliveries(1, {"x": 1}, 0)
            await settle(store, one.id, 1, DEAD, tried(1), None)

            everything = await store.deliveries(DeliveryFilter(), after=None, limit=9)
            assert [line.target for line in everything] == ["3", "2", "1"]
            assert [line.endpoint for line in everything] == ["caption", "render", "render"]
            assert await self.found(store, 1, everything[0].seq) == "2"
            assert await self.found(store, 9, everything[-1].seq) == ""
            assert await self.found(store, job=first) == "21"
            assert await self.found(store, 1, everything[1].seq, job=first) == "1"
            assert await self.found(store, job=first, plugin="audit") == "2"
            assert await self.found(store, job="nobody") == ""
            assert await self.found(store, endpoint="caption") == "3"
            assert await self.found(store, plugin="audit") == "32"
            assert await self.found(store, lane="x") == "31"
            assert await self.found(store, lane="x", endpoint="render") == "1"
            assert await self.found(store, state=DEAD) == "1"
            assert await self.found(store, 9, everything[-1].seq, state=DEAD) == ""
            assert await self.found(store, state=DEAD, plugin="audit") == ""
            assert await self.found(store, state=PENDING) == "32"
            assert await self.found(store, since=start + 10) == "3"
            assert await self.found(store, since=start, until=start + 10) == "21"

        self.play(tmp_path, scenario)

    def test_lanes_that_were_reached_lately_are_told_the_latest_last(self, tmp_path: Path) -> None:
        """`reached_lanes`: each once, and only those in which something arrived."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            assert await store.reached_lanes(9) == []
            for lane in "abcab":
                await self.ended(store, delivery(lane, attempts=1))
            for one in await store.claim_deliveries(9, {}, 9):
                state = DEAD if one.lane == "c" else DELIVERED
                await settle(store, one.id, 1, state, tried(1), None)
            assert await store.reached_lanes(9) == ["a", "b"]
            assert await store.reached_lanes(1) == ["b"]

        self.play(tmp_path, scenario)

    def test_what_did_not_arrive_is_counted_by_state(self, tmp_path: Path) -> None:
        """`delivery_counts`, and since when `oldest_pending` is there; nothing of what was delivered."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            empty = {state: 0 for state in DeliveryState if state is not DELIVERED}
            assert await store.delivery_counts() == empty
            assert await store.oldest_pending() is None
            start = clock.time
            id = await self.ended(store, *[delivery(lane, attempts=1) for lane in "ab"], status=Status.FAILED)
            clock.advance(10)
            await self.ended(store, *[delivery(lane, attempts=1) for lane in "cdefg"])
            assert await store.oldest_pending() == start
            states = dict(zip("cdef", (DELIVERED, DEAD, DEAD, DeliveryState.HELD), strict=True))
            for one in await store.claim_deliveries(9, dict.fromkeys("cdefg", 1), 0):
                if one.lane in states:
                    await settle(store, one.id, 1, states[one.lane], tried(1), None)
            counts = {PENDING: 2, DeliveryState.SENDING: 1, DeliveryState.HELD: 1, DEAD: 2}
            assert await store.delivery_counts() == {**empty, **counts}
            assert await store.retry(id)
            assert await store.oldest_pending() is None
            assert (await store.delivery_counts())[DeliveryState.CANCELLED] == 2

        self.play(tmp_path, scenario)

    def test_what_belongs_to_an_end_that_was_taken_back_is_not_sent_again(self, tmp_path: Path) -> None:
        """Not by `recover`, nor when it is settled as pending or held: it is cancelled."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            lanes = ("lost", "again", "held")
            id = await self.ended(store, *map(delivery, lanes), status=Status.FAILED)
            tries = {d.lane: d for d in await store.claim_deliveries(9, {}, 9)}
            assert await store.retry(id)
            for lane, state in (("again", DeliveryState.PENDING), ("held", DeliveryState.HELD)):
                assert await settle(store, tries[lane].id, 1, state, tried(1), clock.time)
            await store.recover("host")
            states = [(await self.state(store, tries[lane].id))[0] for lane in lanes]
            assert states == [DeliveryState.CANCELLED] * 3
            assert await store.next_delivery({}, 9) is None

        self.play(tmp_path, scenario)

    def test_a_try_that_was_none_is_given_back(self, tmp_path: Path) -> None:
        """`settle_deliveries` with the outcome "postpone" or "expired"."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery("a"), delivery("b"))
            first, second = await store.claim_deliveries(9, {}, 9)
            postponed, expired = tried(1, "later", "postpone"), tried(1, "too late", "expired")
            await settle(store, first.id, 1, DeliveryState.PENDING, postponed, clock.time + 5)
            await settle(store, second.id, 1, DeliveryState.DEAD, expired, None)
            assert await self.state(store, first.id) == (DeliveryState.PENDING, 0, 2)
            assert await self.state(store, second.id) == (DeliveryState.DEAD, 0, 2)
            for one in (first, second):
                found = await store.delivery(one.id)
                assert found is not None
                assert found[2] == []

        self.play(tmp_path, scenario)

    def test_a_delivery_says_when_it_is_dead_and_has_as_long_again_when_it_is_sent_again(
        self, tmp_path: Path
    ) -> None:
        """`Delivery.within`."""

        async def scenario(store: Store, clock: ManualClock) -> None:
            await self.ended(store, delivery(within=60.0, attempts=1))
            begin = clock.time
            (one,) = await store.claim_deliveries(9, {}, 9)
            assert one.expires_at == begin + 60_000
            await settle(store, one.id, 1, DeliveryState.DEAD, tried(1), None)
            clock.time += 50_000
            assert await store.redeliver(one.id)
            (again,) = await store.claim_deliveries(9, {}, 9)
            assert again.expires_at == begin + 110_000

        self.play(tmp_path, scenario)
