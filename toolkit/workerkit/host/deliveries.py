"""The delivery engine: due deliveries, each tried in a thread, each try counted before it is made."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, defaultdict
from typing import Any

from workerkit.delivery import Delivery, Receipt, Verdict
from workerkit.errors import QueueError
from workerkit.hooks import Hooks
from workerkit.hooks.patience import Patience
from workerkit.host.meter import Meter
from workerkit.host.stubborn import stubbornly
from workerkit.host.tasks import background
from workerkit.queue import DeliveryState, Store

log = logging.getLogger(__name__)

#: Tries at a time, in all and in one lane.
MOST_TRIES, MOST_IN_LANE = 64, 8
#: Seconds between looks at the queue when nothing wakes the engine, and after the queue refused one.
LONGEST_WAIT, REFUSED_PAUSE = 60.0, 1.0
#: Seconds that one try may take, whatever the plugin; the built-in webhook has a shorter one itself.
TRY_DEADLINE = 300.0
#: How much the delay before another try varies.
JITTER = 0.2


class Deliveries:
    """Sends what `post_job` asked for, for any plugin. A slow receiver delays its own lane only."""

    def __init__(self, store: Store, hooks: Hooks, meter: Meter | None = None) -> None:
        self._store = store
        self._meter = meter or Meter()
        self._hooks = hooks
        self._lanes: Counter[str] = Counter()
        self._tries: set[asyncio.Task[None]] = set()
        self._one_done = asyncio.Event()
        #: One for each plugin, so that one that hangs uses up its own.
        self._patience: defaultdict[str, Patience] = defaultdict(lambda: Patience(TRY_DEADLINE))

    async def hold_leftovers(self) -> None:
        """Hold what an earlier run left for plugins that are gone, and say so once for each reason."""
        held = await self._store.hold_deliveries(self._hooks.undeliverable)
        for why, count in held.items():
            log.warning(
                "deliveries that are held: %d, because %s; `workerkit deliveries list --state held` shows them",
                count,
                why,
            )

    async def run(self) -> None:
        """Send for ever. Cancelling it begins nothing more; `close` waits for what is under way."""
        while True:
            try:
                await self._claim()
                await self._wait()
            except QueueError as error:
                log.error("deliveries cannot be read from the queue, trying again: %s", error)
                await asyncio.sleep(REFUSED_PAUSE)
            except Exception:  # whatever one of them is like, the others are sent
                log.exception("deliveries have failed, trying again")
                await asyncio.sleep(REFUSED_PAUSE)

    async def close(self, grace: float) -> None:
        """Wait for the tries under way. One that takes longer was counted, and counts as made."""
        if self._tries:
            await asyncio.wait(self._tries, timeout=grace)

    async def _claim(self) -> None:
        """Begin every due delivery that there is room for."""
        room = MOST_TRIES - len(self._tries)
        while room > 0:
            room = min(room, MOST_IN_LANE - max(self._partly_used(), default=0))
            due = await self._due(room)
            for delivery in due:
                self._begin(delivery)
            if not due:
                return
            room = MOST_TRIES - len(self._tries)

    async def _due(self, room: int) -> list[Delivery]:
        """Due deliveries, counted as tried. When the host stops at this moment, they are given back."""
        claiming = asyncio.ensure_future(self._store.claim_deliveries(room, self._full_lanes()))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            for delivery in await claiming:
                await self._settle(delivery, Receipt.hold("the host is stopping"))
            raise

    def _full_lanes(self) -> list[str]:
        return [lane for lane, count in self._lanes.items() if count >= MOST_IN_LANE]

    def _partly_used(self) -> list[int]:
        return [count for count in self._lanes.values() if count < MOST_IN_LANE]

    def _begin(self, delivery: Delivery) -> None:
        self._lanes[delivery.lane] += 1
        task = background(self._try(delivery), f"delivery {delivery.id}")
        self._tries.add(task)
        task.add_done_callback(lambda task: self._done(task, delivery.lane))

    def _done(self, task: asyncio.Task[Any], lane: str) -> None:
        self._tries.discard(task)
        self._lanes[lane] -= 1
        if not self._lanes[lane]:
            del self._lanes[lane]
        self._one_done.set()

    async def _try(self, delivery: Delivery) -> None:
        try:
            receipt: Receipt = await self._patience[delivery.plugin].run(self._hooks.deliver, delivery)
        except TimeoutError as error:
            receipt = Receipt.retry(f"plugin {delivery.plugin!r} failed in deliver: {error}")
        await self._settle(delivery, receipt)

    async def _settle(self, delivery: Delivery, receipt: Receipt) -> None:
        state, next_at = self._settled(delivery, receipt)
        self._meter.delivered(delivery.plugin, state.value)
        log.log(
            logging.INFO if state is DeliveryState.DELIVERED else logging.WARNING,
            "delivery %s, try %d of %d: %s%s",
            delivery.id,
            delivery.number,
            delivery.attempts,
            state.value,
            f": {receipt.detail}" if receipt.detail else "",
        )
        await stubbornly(
            f"the outcome of delivery {delivery.id}",
            lambda: self._store.settle_delivery(delivery.id, delivery.number, state, receipt.detail, next_at),
        )

    def _settled(self, delivery: Delivery, receipt: Receipt) -> tuple[DeliveryState, int | None]:
        match receipt.verdict:
            case Verdict.DELIVERED:
                return DeliveryState.DELIVERED, None
            case Verdict.HOLD:
                return DeliveryState.HELD, None
            case Verdict.RETRY if delivery.number < delivery.attempts:
                return DeliveryState.PENDING, self._store.now() + int(1000 * _delay(delivery, receipt))
            case _:
                return DeliveryState.DEAD, None

    async def _wait(self) -> None:
        """Until something is due, something was stored, or a try has made room."""
        self._one_done.clear()
        seconds = LONGEST_WAIT
        if len(self._tries) < MOST_TRIES:
            next_at = await self._store.next_delivery(self._full_lanes())
            if next_at is not None:
                seconds = min(seconds, max(next_at - self._store.now(), 0) / 1000)
        waits = {
            asyncio.ensure_future(self._store.delivery_due(seconds)),
            asyncio.ensure_future(self._one_done.wait()),
        }
        _, unfinished = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in unfinished:
            wait.cancel()


def _delay(delivery: Delivery, receipt: Receipt) -> float:
    """Seconds before the next try: what the receiver asked for, else the schedule with jitter."""
    if receipt.after is not None:
        return receipt.after
    delays = delivery.delays or (0.0,)
    return delays[min(delivery.number, len(delays)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
