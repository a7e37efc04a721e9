"""The delivery engine: lanes, attempts and outcomes, with a real queue and real plugins."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import attrs
import pytest

from workerkit.bridge import Bridge
from workerkit.delivery import Delivery, Receipt
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.host.deliveries import MOST_LARGE, Deliveries
from workerkit.host.lanes import MOST_FAILURES, MOST_IN_LANE, MOST_UNPROVEN
from workerkit.queue import DeliveryFilter, DeliveryState
from workerkit.queue.sqlite import SQLiteStore
from workerkit.testing.queue_contracts import KEEP, LEASE, LENGTH, end, submission

PATIENCE = 20.0
#: Without a distribution and without a `ref`, a plugin's class is its maker.
MAKER = "Sender"


class Sender:
    """Delivers as the target says; a target that hangs waits for `release`."""

    def __init__(self) -> None:
        self.release = threading.Event()
        #: Set once so many tries have begun.
        self.begun = defaultdict[int, threading.Event](threading.Event)
        self.sizes: list[int] = []
        self.tried: list[tuple[str, int]] = []
        self.asked = 0

    def busy(self) -> bool:
        """Three times."""
        self.asked += 1
        return self.asked <= 3

    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        self.tried.append((delivery.id, delivery.number))
        self.sizes.append(len(delivery.body or b""))
        self.begun[len(self.tried)].set()
        kind = delivery.target.rpartition("/")[2]
        if kind == "hangs":
            assert self.release.wait(PATIENCE)
        if kind == "raises":
            raise RuntimeError("the wire is cut")
        answers = {
            "refuses": Receipt.retry("answered 500", after=0.0),
            "gone": Receipt.stop("answered 410"),
            "waits": Receipt.hold("no key"),
            "unknown": Receipt.retry("answered 404", after=0.0, status=404),
            "busy": Receipt.postpone("no place", after=0.0)
            if self.busy()
            else Receipt.delivered("answered 200"),
        }
        return answers.get(kind, Receipt.delivered("answered 200"))


Scenario = Callable[[SQLiteStore, Sender], Awaitable[None]]


class Mute:
    """A plugin without a deliver hook."""

    @hookimpl(inline=True)
    def post_job(self) -> None: ...


def play(folder: Path, scenario: Scenario, left: Sequence[Delivery] = ()) -> None:
    """Send deliveries while a scenario runs; those that are `left` are there when the host starts."""

    async def run() -> None:
        path = folder / "queue.db"
        store = SQLiteStore(path, lease_ms=LEASE, keep_ms=KEEP, queue_length=LENGTH, holder="host")
        await store.open()
        sender, bridge = Sender(), Bridge()
        plugins = {"sender": sender, "mute": Mute()}
        hooks = Hooks([LoadedPlugin(name=name, plugin=plugin) for name, plugin in plugins.items()], bridge)
        engine = Deliveries(store, hooks)
        await ended(store, left)
        await engine.hold_leftovers()
        sending = asyncio.create_task(engine.run())
        try:
            await scenario(store, sender)
        finally:
            sender.release.set()
            sending.cancel()
            await asyncio.wait({sending})
            await engine.close(PATIENCE)
            bridge.close()
            await store.close()

    asyncio.run(run())


def to(kind: str, lane: str = "a", *, plugin: str = "sender", maker: str = "") -> Delivery:
    target = f"http://{lane}/{kind}"
    return Delivery(target=target, plugin=plugin, maker=maker, lane=lane, attempts=2, delays=(0.01,))


async def ended(store: SQLiteStore, deliveries: Iterable[Delivery]) -> None:
    await store.submit([submission()])
    [claim] = await store.claim("render", 1, "host", 1)
    assert await store.finish(end(claim, deliveries=list(deliveries)))


async def settled(store: SQLiteStore, count: int, *states: DeliveryState) -> list[tuple[str, int, str]]:
    """State, tries and detail of every delivery, once `count` of them are in one of `states`."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        rows = await store.deliveries(DeliveryFilter(), after=None, limit=100)
        if sum(row.state in states for row in rows) >= count:
            return [(row.state.value, row.number, row.detail) for row in rows]
        assert asyncio.get_running_loop().time() < deadline, [row.state for row in rows]
        await asyncio.sleep(0.005)


def test_each_outcome_is_stored_with_its_attempts_and_its_words(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        kinds = ["arrives", "refuses", "gone", "waits", "raises"]
        await ended(store, [to(kind) for kind in kinds])
        over = (DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.HELD)

        rows = await settled(store, 5, *over)

        assert sorted(rows)[:3] == [
            ("dead", 1, "answered 410"),
            ("dead", 2, "answered 500"),
            ("dead", 2, "plugin 'sender' failed in deliver: RuntimeError: the wire is cut"),
        ]
        assert sorted(rows)[3:] == [("delivered", 1, "answered 200"), ("held", 0, "no key")]
        assert len(sender.tried) == 7

    play(tmp_path, scenario)


def test_a_receiver_that_hangs_delays_its_own_lane_only(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("arrives", "slow") for _ in range(MOST_IN_LANE)])
        await settled(store, MOST_IN_LANE, DeliveryState.DELIVERED)
        await ended(store, [to("hangs", "slow") for _ in range(20)])
        await settled(store, MOST_IN_LANE, DeliveryState.SENDING)
        await ended(store, [to("arrives", "quick") for _ in range(10)])

        await settled(store, MOST_IN_LANE + 10, DeliveryState.DELIVERED)

        states = [row.state for row in await store.deliveries(DeliveryFilter(), after=None, limit=100)]
        assert states.count(DeliveryState.SENDING) == MOST_IN_LANE
        assert states.count(DeliveryState.PENDING) == 20 - MOST_IN_LANE
        sender.release.set()
        await settled(store, MOST_IN_LANE + 30, DeliveryState.DELIVERED)

    play(tmp_path, scenario)


def test_fifty_receivers_that_hang_leave_room_for_one_that_acknowledges(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("arrives", "good")])
        await settled(store, 1, DeliveryState.DELIVERED)
        await ended(store, [to("hangs", f"slow{number}") for number in range(50)])
        await settled(store, MOST_UNPROVEN, DeliveryState.SENDING)

        await ended(store, [to("arrives", "good") for _ in range(20)])

        await settled(store, 21, DeliveryState.DELIVERED)
        sender.release.set()
        await settled(store, 71, DeliveryState.DELIVERED)

    play(tmp_path, scenario)


def test_five_failures_close_a_lane_without_using_up_tries_and_are_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("refuses", "down") for _ in range(8)])
        await asyncio.to_thread(sender.begun[MOST_FAILURES].wait, PATIENCE)
        await ended(store, [to("arrives", "up")])
        await settled(store, 1, DeliveryState.DELIVERED)

        rows = await store.deliveries(DeliveryFilter(lane="down"), after=None, limit=100)
        assert sum(row.number for row in rows) == len(sender.tried) - 1 == MOST_FAILURES
        assert all(row.state in (DeliveryState.PENDING, DeliveryState.DEAD) for row in rows)

    with caplog.at_level(logging.WARNING):
        play(tmp_path, scenario)

    said = "down has failed 5 times in a row: nothing is sent there for 30 s, and no try is used up"
    assert caplog.messages.count(said) == 1


def test_a_receiver_that_refuses_is_one_that_answers_and_its_lane_stays_open(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("unknown") for _ in range(2 * MOST_FAILURES)])
        await ended(store, [to("arrives")])

        await settled(store, 2 * MOST_FAILURES, DeliveryState.DEAD)
        await settled(store, 1, DeliveryState.DELIVERED)

    play(tmp_path, scenario)


def test_what_could_not_be_sent_from_here_comes_again_and_no_try_is_counted(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("busy")])

        assert await settled(store, 1, DeliveryState.DELIVERED) == [("delivered", 1, "answered 200")]
        [row] = await store.deliveries(DeliveryFilter(), after=None, limit=100)
        found = await store.delivery(row.id)
        assert found is not None
        assert [tried.outcome for tried in found[2]] == ["delivered"]
        assert len(sender.tried) == 4

    play(tmp_path, scenario)


def test_what_has_not_arrived_in_its_time_is_dead_and_is_not_sent_any_more(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        slow = attrs.evolve(to("unknown", "late"), attempts=10**6, within=0.2)
        await ended(store, [slow])

        [(_, tries, detail)] = await settled(store, 1, DeliveryState.DEAD)

        assert detail == "it had not arrived in the time that it had; redeliver it to try again"
        assert 1 <= tries == len(sender.tried)
        [row] = await store.deliveries(DeliveryFilter(), after=None, limit=100)
        assert await store.redeliver(row.id)
        await settled(store, 1, DeliveryState.DEAD)
        assert len(sender.tried) == tries + 1

    play(tmp_path, scenario)


def test_a_large_body_is_read_when_it_is_sent_and_few_are_at_a_time(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        large = [attrs.evolve(to("hangs", f"l{n}"), body=b"x" * 100_000) for n in range(3 * MOST_LARGE)]
        await ended(store, large)
        await asyncio.to_thread(sender.begun[MOST_LARGE].wait, PATIENCE)
        await ended(store, [to("arrives", "small")])
        await settled(store, 1, DeliveryState.DELIVERED)
        assert len(sender.tried) == MOST_LARGE + 1
        sender.release.set()

        await settled(store, 3 * MOST_LARGE + 1, DeliveryState.DELIVERED)
        assert sorted(sender.sizes)[-3 * MOST_LARGE :] == [100_000] * 3 * MOST_LARGE

    play(tmp_path, scenario)


def test_every_try_is_in_the_log_of_its_delivery(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("refuses")])
        await settled(store, 1, DeliveryState.DEAD)

        [row] = await store.deliveries(DeliveryFilter(), after=None, limit=100)
        found = await store.delivery(row.id)
        assert found is not None
        assert [(tried.number, tried.outcome, tried.detail) for tried in found[2]] == [
            (1, "retry", "answered 500"),
            (2, "retry", "answered 500"),
        ]
        assert all(0 <= tried.took < 1000 * PATIENCE for tried in found[2])
        assert found[2][0].at <= found[2][1].at

    play(tmp_path, scenario)


def test_a_delivery_whose_plugin_is_gone_is_held_with_the_reason(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("arrives", plugin="slack")])

        [(_, tries, detail)] = await settled(store, 1, DeliveryState.HELD)

        assert tries == 0
        assert "'slack' is not active" in detail

    play(tmp_path, scenario)


def test_what_waits_for_a_plugin_that_cannot_send_it_is_said_once_and_not_for_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await settled(store, 4, DeliveryState.HELD)

    gone = [to("arrives", plugin="slack") for _ in range(3)]
    with caplog.at_level(logging.INFO):
        play(tmp_path, scenario, left=[*gone, to("arrives", plugin="mute")])

    shows = "`workerkit deliveries list --state held` shows them"
    assert sorted(caplog.messages) == [
        "deliveries that are held: 1, because plugin 'mute' has no deliver hook any more; "
        f"install a version that has, then restart; {shows}",
        "deliveries that are held: 3, because plugin 'slack' is not active; "
        f"install or enable it, then restart; {shows}",
    ]


def test_what_another_made_is_held_and_said_once_for_each_maker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await settled(store, 3, DeliveryState.HELD)
        await settled(store, 1, DeliveryState.DELIVERED)
        assert len(sender.tried) == 1

    others = [to("arrives", maker=maker) for maker in ("old-sender", "old-sender", "older-sender")]
    with caplog.at_level(logging.WARNING):
        play(tmp_path, scenario, left=[*others, to("arrives", maker=MAKER)])

    said = sorted(message.partition(";")[0] for message in caplog.messages)
    assert [line.partition(" because ")[0] for line in said] == [
        "deliveries that are held: 1,",
        "deliveries that are held: 2,",
    ]
    assert "older-sender" in said[0]
    assert "old-sender" in said[1]


def test_what_another_made_and_is_sent_again_by_hand_is_held_with_the_reason(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("arrives", maker="old-sender")])

        [(_, tries, detail)] = await settled(store, 1, DeliveryState.HELD)

        assert tries == 0
        assert "old-sender" in detail
        assert sender.tried == []

    play(tmp_path, scenario)
