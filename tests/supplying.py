"""What the tests of supply share: a queue, workers, and what was given out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from workerkit.host.owner import Owner
from workerkit.host.printed import Logbook
from workerkit.host.supply import Slot, Supply
from workerkit.host.worker import Worker
from workerkit.queue import Claim
from workerkit.queue.sqlite import SQLiteStore
from workerkit.settings import LogsSettings
from workerkit.testing.queue_contracts import KEEP, LEASE

PATIENCE = 20.0


class Begun:
    """What a supply gave out, and a way to wait for it."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Slot, Claim]] = []
        self._more = asyncio.Event()

    def __call__(self, slot: Slot, claim: Claim) -> bool:
        self.jobs.append((slot, claim))
        slot.worker.begun += 1
        self._more.set()
        return True

    async def wait(self, count: int) -> list[str]:
        while len(self.jobs) < count:
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), PATIENCE)
        return [claim.record.id for _, claim in self.jobs]


class Asked:
    """How often a worker was asked for in which no job has run."""

    def __init__(self) -> None:
        self.times = 0
        self._more = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self._more.set()

    async def again(self) -> None:
        self._more.clear()
        await asyncio.wait_for(self._more.wait(), PATIENCE)


def a_worker(slots: int = 1, *, fresh: bool = False) -> Worker:
    """A worker that is ready; it needs no process, since nothing is sent to it."""
    worker = Worker("worker", Owner(), Logbook(LogsSettings(tail=0), keep_nothing))
    worker.ready = True
    worker.slots = worker.opened = slots
    worker.begun = 0 if fresh else 1
    return worker


async def keep_nothing(id: str, attempt: int, text: bytes) -> bool:
    return True


def a_store(path: Path) -> SQLiteStore:
    return SQLiteStore(path, lease_ms=LEASE, keep_ms=KEEP, queue_length=10_000, holder="host")


def slot() -> Slot:
    return Slot(a_worker(), 0)


def play(
    folder: Path,
    scenario: Callable[[SQLiteStore, Supply, Begun], Awaitable[None]],
    asked: Asked | None = None,
) -> None:
    async def run() -> None:
        store = a_store(folder / "queue.db")
        await store.open()
        begun = Begun()
        supply = Supply("render", store, "host", begun, lambda claim: None, asked or Asked())
        running = asyncio.create_task(supply.run())
        try:
            await scenario(store, supply, begun)
        finally:
            running.cancel()
            await asyncio.wait({running})
            await supply.drained()
            await store.close()

    asyncio.run(run())
