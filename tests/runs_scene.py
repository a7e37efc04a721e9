"""The runs of one function in a host, against a real queue; its workers have no process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from supplying import a_store, a_worker
from workerkit.bridge import Bridge
from workerkit.delivery import Delivery
from workerkit.hooks import Hooks
from workerkit.host.ends import Ends
from workerkit.host.events import Events
from workerkit.host.meter import Meter
from workerkit.host.process import WorkerProcess
from workerkit.host.runs import Runs
from workerkit.host.sealing import Sealer
from workerkit.host.supply import Slot
from workerkit.host.vault import Vault
from workerkit.host.worker import Worker
from workerkit.queue.sqlite import SQLiteStore
from workerkit.settings import Settings
from workerkit.states import Status
from workerkit.testing.queue_contracts import submission
from workerkit.wire import Descriptor, JobEnd

PATIENCE = 20.0
S = TypeVar("S", bound="Scene")


class Counting(Meter):
    """What was counted."""

    def __init__(self) -> None:
        self.counted: list[str] = []
        self._more = asyncio.Event()

    def job_began(self, endpoint: str, delay: int) -> None:
        assert 0 <= delay < 60_000
        self._count("began")

    def job_returned(self, endpoint: str, blame: str) -> None:
        self._count(f"returned: {blame}")

    def stale(self, endpoint: str) -> None:
        self._count("stale")

    def _count(self, what: str) -> None:
        self.counted.append(what)
        self._more.set()

    async def wait(self, what: str) -> None:
        while what not in self.counted:
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), PATIENCE)


class Boss:
    """An employer that keeps its workers, and knows the order of what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self._more = asyncio.Event()

    def replace(self, worker: Worker, reason: str) -> None:
        worker.leaving = True
        self.told.append((reason, worker.unsettled))

    def settled(self, worker: Worker) -> None:
        self.told.append(("settled", worker.unsettled))
        self._more.set()

    def needs_fresh(self) -> None:
        self.told.append(("needs fresh", 0))

    async def wait(self, count: int) -> None:
        while len(self.told) < count:
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), PATIENCE)


class NoProcess(WorkerProcess):
    """In the place of a process, for a worker that prints nothing and is told nothing."""

    def __init__(self) -> None:
        """Nothing is started."""

    def kill(self) -> None:
        """There is nothing to end."""


async def nothing_is_sent(delivery: Delivery) -> bool:
    raise AssertionError("no plugin asks for anything")


class Scene:
    """Runs of one function, and a worker that runs what is submitted."""

    supplying: asyncio.Task[None]

    def __init__(self, store: SQLiteStore, function: Descriptor) -> None:
        hooks = Hooks([], Bridge())
        self.store, self.meter, self.boss, self.settings = store, Counting(), Boss(), Settings()
        self.ends = Ends(store, hooks)
        vault = Vault(Sealer([]), hooks)
        events = Events(hooks, nothing_is_sent, store.now)
        self.runs = Runs(
            function, store, self.ends, events, vault, self.settings, "host", store.now, self.meter
        )
        self.runs.employer = self.boss
        self.worker = a_worker(function.concurrency)
        self.worker.process = NoProcess()

    async def begun(self) -> str:
        """A job that runs in slot 0."""
        self.runs.supply.offer(Slot(self.worker, 0))
        job = submission()
        await self.store.submit([job])
        await self.meter.wait("began")
        await self.store.progress("nobody", 1, b"0")  # is stored after the claim
        return job.id

    def end(self, id: str, status: Status = Status.COMPLETED, **more: object) -> None:
        frame = JobEnd(0, id, 1, status, output=b"1", **more)  # type: ignore[arg-type]
        self.runs.on_end(self.worker, frame)
        self.runs.heard()

    async def status(self, id: str) -> str:
        view = await self.store.view(id)
        assert view is not None
        return view.status.value


def play(
    folder: Path, scenario: Callable[[Scene], Awaitable[None]], function: Descriptor | None = None
) -> None:
    staged(folder, Scene, scenario, function or Descriptor("render", "function", concurrency=2))


def staged(
    folder: Path,
    kind: type[S],
    scenario: Callable[[S], Awaitable[None]],
    function: Descriptor,
    make: Callable[[Path], SQLiteStore] = a_store,
) -> None:
    async def run() -> None:
        store = make(folder / "queue.db")
        await store.open()
        stage = kind(store, function)
        stage.supplying = asyncio.create_task(stage.runs.supply.run())
        try:
            await scenario(stage)
        finally:
            stage.supplying.cancel()
            await asyncio.wait({stage.supplying})
            await stage.runs.supply.drained()
            await store.close()

    asyncio.run(run())
