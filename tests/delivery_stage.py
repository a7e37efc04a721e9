"""A delivery engine with a real queue and real plugins, for tests of what it sends and when."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from workerkit.bridge import Bridge
from workerkit.delivery import Delivery, Receipt
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.host.deliveries import Deliveries
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


def play(
    folder: Path,
    scenario: Scenario,
    left: Sequence[Delivery] = (),
    on_commit: Callable[[int], None] = lambda operations: None,
) -> None:
    """Send deliveries while a scenario runs; those that are `left` are there when the host starts."""

    async def run() -> None:
        path = folder / "queue.db"
        store = SQLiteStore(
            path, lease_ms=LEASE, keep_ms=KEEP, queue_length=LENGTH, holder="host", on_commit=on_commit
        )
        await store.open()
        sender, bridge = Sender(), Bridge()
        plugins = {"sender": sender, "mute": Mute()}
        hooks = Hooks([LoadedPlugin(name=name, plugin=plugin) for name, plugin in plugins.items()], bridge)
        engine = Deliveries(store, hooks)
        await ended(store, left)
        await engine.open()
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
    assert await store.finish([end(claim, deliveries=list(deliveries))]) == [True]


async def settled(store: SQLiteStore, count: int, *states: DeliveryState) -> list[tuple[str, int, str]]:
    """State, tries and detail of every delivery, once `count` of them are in one of `states`."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        rows = await store.deliveries(DeliveryFilter(), after=None, limit=100)
        if sum(row.state in states for row in rows) >= count:
            return [(row.state.value, row.number, row.detail) for row in rows]
        assert asyncio.get_running_loop().time() < deadline, [row.state for row in rows]
        await asyncio.sleep(0.005)
