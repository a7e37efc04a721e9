"""The delivery engine: due deliveries, tried in threads, each try counted before it is made."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import attrs

from workerkit.delivery import Delivery, Receipt, Verdict
from workerkit.errors import QueueError
from workerkit.hooks import Hooks
from workerkit.hooks.patience import Patience
from workerkit.host.journal import Journal
from workerkit.host.lanes import CLOSED_FOR, MOST_FAILURES, MOST_QUICK_KEPT, Lanes, Share, Turn
from workerkit.host.meter import Meter
from workerkit.host.outcomes import EXPIRED, TAKEN_BACK, Try, is_well, settled, unsent
from workerkit.host.row import LONGEST, Row, in_rows
from workerkit.host.stubborn import stubbornly
from workerkit.host.tasks import background
from workerkit.queue import DeliveryState, Store

log = logging.getLogger(__name__)

#: Seconds between looks at the queue when nothing wakes the engine, and after the queue refused one.
LONGEST_WAIT, REFUSED_PAUSE = 60.0, 1.0
#: Seconds that one try may take, whatever the plugin; the built-in webhook has a shorter one itself.
TRY_DEADLINE = 300.0
#: Large bodies that are sent at a time.
MOST_LARGE = 4


class Deliveries:
    """Sends what plugins asked for. A slow receiver delays its own lane only; one that fails is let rest."""

    def __init__(
        self,
        store: Store,
        hooks: Hooks,
        meter: Meter | None = None,
        journal: Journal | None = None,
        *,
        tell: bool = True,
    ) -> None:
        self._store = store
        self._meter = meter or Meter()
        self._journal = journal or Journal()
        self._hooks = hooks
        #: Whether one that arrived is worth a line in the log; one that did not always is.
        self._tell = tell
        self._lanes = Lanes(time.monotonic)
        self._tries: set[asyncio.Task[Any]] = set()
        self._rows: dict[Row, Turn] = {}
        #: What is over and still to be stored, and that there is some, or room for more.
        self._ended: list[Try] = []
        self._one_done = asyncio.Event()
        #: A place for each large body that is in memory.
        self._large = asyncio.Semaphore(MOST_LARGE)
        #: One for each plugin, so that one that hangs uses up its own.
        self._patience: defaultdict[str, Patience] = defaultdict(lambda: Patience(TRY_DEADLINE))

    async def open(self) -> None:
        """Keep room for whom an earlier run has reached, and hold what it left for plugins that are gone.

        That is said once for each reason.
        """
        self._lanes.remember(await self._store.reached_lanes(MOST_QUICK_KEPT))
        held = await self._store.hold_deliveries(self._hooks.undeliverable)
        for why, count in held.items():
            log.warning(
                "deliveries that are held: %d, because %s; `workerkit deliveries list --state held` shows them",
                count,
                why,
            )

    async def run(self) -> None:
        """Send for ever. Cancelling it begins nothing more; `close` waits for what is under way.

        One transaction after the other: each stores what has ended, and claims what there is room for.
        """
        while True:
            try:
                self._store_ended()
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
        for row, turn in self._rows.items():
            self._take_back(row, turn)
        loop = asyncio.get_running_loop()
        end = loop.time() + grace
        self._store_ended()
        while self._tries and (left := end - loop.time()) > 0:
            await asyncio.wait(self._tries, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            self._store_ended()

    def resting(self) -> dict[str, int]:
        """The lanes to which nothing is sent for now, and until when, in milliseconds since the epoch."""
        now = self._store.now()
        return {lane: now + int(1000 * left) for lane, left in self._lanes.resting().items()}

    async def send_unstored(self, delivery: Delivery) -> bool:
        """Try once what no transaction holds; False when there was no room for it, or it did not arrive."""
        if not self._lanes.admits(delivery.lane):
            self._meter.delivered(delivery.plugin, "dropped")
            return False
        turn = self._lanes.begin(delivery.lane)
        try:
            [tried] = await self._sent(delivery.plugin, Row([delivery], self._store.now))
        except asyncio.CancelledError:
            self._lanes.over(turn, 0.0, well=None)
            raise
        self._over(turn, [tried])
        arrived = tried.receipt.verdict is Verdict.DELIVERED
        self._meter.delivered(delivery.plugin, "sent" if arrived else "dropped")
        return arrived

    async def _claim(self) -> None:
        """Begin due deliveries that there is room for."""
        for share in self._lanes.shares():
            await self._begin_due(share)

    async def _begin_due(self, share: Share) -> None:
        """Begin what is due and was counted as tried. When the host stops at this moment, it is given back."""
        if not share.rooms and not share.others:
            return
        claiming = asyncio.ensure_future(self._store.claim_deliveries(share.limit, share.rooms, share.others))
        try:
            due = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with suppress(QueueError):  # then nothing was claimed, or it is given back at the next start
                await self._settle(unsent(await claiming))
            raise
        now = self._store.now()
        self._end([Try(one, EXPIRED, 0, 0.0) for one in due if one.expires_at and one.expires_at <= now])
        in_time = [one for one in due if not one.expires_at or one.expires_at > now]
        for several in in_rows(in_time, self._lanes.row):
            turn = self._lanes.begin(several[0].lane, len(several))
            background(self._try(turn, several), f"delivery {several[0].id}", self._tries)

    async def _try(self, turn: Turn, several: list[Delivery]) -> None:
        if several[0].body is None:
            async with self._large:
                await self._try(turn, [await self._whole(several[0])])
            return
        row = Row(several, self._store.now, turn.baton)
        self._rows[row] = turn
        watch = asyncio.get_running_loop().call_later(LONGEST, self._take_back, row, turn)
        try:
            tried = await self._sent(several[0].plugin, row)
        finally:
            watch.cancel()
            del self._rows[row]
        left = row.take_back()
        self._over(turn, tried)
        self._end([*tried, *unsent(left)])

    async def _sent(self, plugin: str, row: Row) -> list[Try]:
        """What has become of a row."""
        try:
            await self._patience[plugin].run(row.send, self._hooks.deliver)
        except TimeoutError as error:
            return row.given_up(Receipt.retry(f"plugin {plugin!r} failed in deliver: {error}"))
        return row.tried()

    def _take_back(self, row: Row, turn: Turn) -> None:
        """Keep nothing waiting behind a try that takes long: neither those before it nor those after it."""
        over = [*row.tried(), *unsent(row.take_back())]
        self._lanes.lingers(turn)
        self._lanes.less(turn, len(over))
        self._end(over)

    def _end(self, tries: Sequence[Try]) -> None:
        """These are over; the next transaction stores how they went."""
        self._ended += tries
        self._one_done.set()

    def _store_ended(self) -> None:
        """Begin to store what is over."""
        ended, self._ended = self._ended, []
        if ended:
            background(self._settle(ended), f"delivery {ended[0].delivery.id}", self._tries)

    async def _whole(self, delivery: Delivery) -> Delivery:
        """The same with its body, which was too large to be read with the claim."""
        found = await stubbornly(f"the body of {delivery.id}", lambda: self._store.delivery(delivery.id))
        return attrs.evolve(delivery, body=b"" if found is None else found[1])

    def _over(self, turn: Turn, tried: Sequence[Try]) -> None:
        """Make room, before the outcomes are stored."""
        took = sum([one.took for one in tried])
        well = is_well(tried[-1].receipt) if tried else None
        if self._lanes.over(turn, took, well=well, tries=len(tried)):
            log.warning(
                "%s has failed %d times in a row: nothing is sent there for %g s, and no try is used up",
                turn.lane.name or "a receiver",
                MOST_FAILURES,
                CLOSED_FOR,
            )
        self._one_done.set()

    async def _settle(self, tries: Sequence[Try]) -> None:
        """Store how tries went."""
        if not tries:
            return
        now = self._store.now()
        several = [settled(each, now) for each in tries]
        for each, one in zip(tries, several, strict=True):
            if each.receipt is not TAKEN_BACK:
                self._told(each, one.state)
        await stubbornly(
            f"the outcome of delivery {several[0].id}", lambda: self._store.settle_deliveries(several)
        )
        for each, one in zip(tries, several, strict=True):
            if each.receipt is not TAKEN_BACK:
                self._journal.add(each.delivery, one.state, one.tried, one.next_at)

    def _told(self, each: Try, state: DeliveryState) -> None:
        """Count a try, and write its line for the log."""
        delivery, detail = each.delivery, each.receipt.detail
        self._meter.delivered(delivery.plugin, state.value)
        good = state is DeliveryState.DELIVERED
        if self._tell or not good:
            log.log(
                logging.INFO if good else logging.WARNING,
                "delivery %s, try %d of %d: %s%s",
                delivery.id,
                delivery.number,
                delivery.attempts,
                state.value,
                f": {detail}" if detail else "",
            )

    async def _wait(self) -> None:
        """Until something is due, something was stored, or a try or a closed lane has made room."""
        self._one_done.clear()
        if self._ended:
            return
        seconds = LONGEST_WAIT
        if self._lanes.free > 0:
            share = self._lanes.waited_for()
            next_at = await self._store.next_delivery(share.rooms, share.others)
            if next_at is not None:
                seconds = min(seconds, max(next_at - self._store.now(), 0) / 1000)
            seconds = min([seconds, *self._lanes.resting().values()])
        waits = {
            asyncio.ensure_future(self._store.delivery_due(seconds)),
            asyncio.ensure_future(self._one_done.wait()),
        }
        _, unfinished = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in unfinished:
            wait.cancel()
