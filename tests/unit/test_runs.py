"""What a host does with the end of a run, against a real queue; its workers have no process here."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from supplying import a_store, a_worker
from workerkit.bridge import Bridge
from workerkit.delivery import Delivery
from workerkit.hooks import Hooks
from workerkit.host.ends import Ends, cancelled
from workerkit.host.events import Events
from workerkit.host.meter import Meter
from workerkit.host.process import WorkerProcess
from workerkit.host.runs import Runs
from workerkit.host.sealing import Sealer
from workerkit.host.supply import Slot
from workerkit.host.vault import Vault
from workerkit.host.worker import Worker
from workerkit.job import Status
from workerkit.queue.sqlite import SQLiteStore
from workerkit.settings import Settings
from workerkit.testing.queue_contracts import submission
from workerkit.wire import Chunk, Descriptor, Hide, JobEnd

PATIENCE = 20.0


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


async def nothing_is_sent(delivery: Delivery) -> bool:
    raise AssertionError("no plugin asks for anything")


class Scene:
    """Runs of one function, and a worker that runs what is submitted."""

    def __init__(self, store: SQLiteStore, function: Descriptor) -> None:
        hooks = Hooks([], Bridge())
        self.store, self.meter, self.boss, self.settings = store, Counting(), Boss(), Settings()
        self.ends = Ends(store, hooks)
        vault = Vault(Sealer([]), hooks)
        events = Events(hooks, nothing_is_sent, store.now)
        self.runs = Runs(
            function, store, self.ends, events, vault, self.settings, "host", store.now, self.meter
        )
        self.runs.work_for(self.boss)
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
        frame = JobEnd(0, id, 1, status.value, output=b"1", **more)  # type: ignore[arg-type]
        self.runs.on_end(self.worker, frame)

    async def status(self, id: str) -> str:
        view = await self.store.view(id)
        assert view is not None
        return view.status.value


def play(
    folder: Path, scenario: Callable[[Scene], Awaitable[None]], function: Descriptor | None = None
) -> None:
    async def run() -> None:
        store = a_store(folder / "queue.db")
        await store.open()
        scene = Scene(store, function or Descriptor("render", "function", concurrency=2))
        running = asyncio.create_task(scene.runs.supply.run())
        try:
            await scenario(scene)
        finally:
            running.cancel()
            await asyncio.wait({running})
            await scene.runs.supply.drained()
            await store.close()

    asyncio.run(run())


def test_a_refresh_is_begun_before_the_end_is_stored_and_finished_after_it(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id = await scene.begun()
        scene.end(id, refresh="flag: the output asked for it")
        assert scene.boss.told == [("flag: the output asked for it", 1)]
        assert scene.worker.busy == {}
        assert scene.runs.held == []

        await scene.boss.wait(2)
        assert scene.boss.told[1] == ("settled", 0)
        assert await scene.status(id) == "COMPLETED"

    play(tmp_path, scenario)


def test_what_a_run_reports_of_a_job_that_was_cancelled_is_dropped_and_counted(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id = await scene.begun()
        record = await scene.store.record(id)
        assert record is not None
        assert await scene.ends.end(record, cancelled(record, scene.store.now()))
        scene.runs.stop(id, 1, "it was cancelled")
        assert scene.boss.told == [("interrupted: a job was stopped in it", 0)]
        scene.end(id)

        await scene.meter.wait("stale")
        await scene.boss.wait(2)
        assert await scene.status(id) == "CANCELLED"

    play(tmp_path, scenario)


def test_a_result_behind_a_cancel_that_the_host_has_not_heard_of_is_refused_and_counted(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        id = await scene.begun()
        record = await scene.store.record(id)
        assert record is not None
        assert await scene.ends.end(record, cancelled(record, scene.store.now()))
        scene.end(id)

        await scene.meter.wait("stale")
        assert await scene.status(id) == "CANCELLED"

    play(tmp_path, scenario)


def test_the_answer_to_a_stop_is_not_too_late(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id = await scene.begun()
        scene.runs.stop(id, 1, "it was cancelled")
        scene.end(id, Status.CANCELLED, interrupted=True)

        await scene.boss.wait(2)
        assert scene.boss.told == [("interrupted: a job was stopped in it", 1), ("settled", 0)]
        assert scene.meter.counted == ["began"]

    play(tmp_path, scenario, Descriptor("render", "function"))


def test_a_plain_handler_of_an_elastic_function_cannot_be_told_to_stop(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id = await scene.begun()
        scene.runs.stop(id, 1, "it was cancelled")
        assert scene.boss.told == [("interrupted: a job was stopped in it", 0)]

    play(tmp_path, scenario, Descriptor("render", "function", elastic=True))


def test_a_run_with_too_much_output_is_stopped_and_kept_while_the_queue_refuses_writes(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        id = await scene.begun()
        with closing(sqlite3.connect(tmp_path / "queue.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            scene.runs.on_news(Chunk(id, 1, 0, bytes(scene.settings.limits.output + 1)))
            assert scene.boss.told == [("interrupted: a job was stopped in it", 0)]
            assert scene.runs.held == [(id, 1)], "its lease would end before the job does"

        with scene.store.watch(id) as watch:
            assert await watch.changed(PATIENCE)
        assert await scene.status(id) == "FAILED"
        await scene.runs.give_back()
        assert scene.runs.held == []

    play(tmp_path, scenario, Descriptor("render", "generator", concurrency=2))


def test_a_chunk_that_waits_is_stored_before_a_cancel_and_masked_after_all_when_that_comes_to_nothing(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        id = await scene.begun()
        scene.worker.output.hide(Hide(id, 1, 0, "open sesame"))
        scene.runs.on_news(Chunk(id, 1, 0, b'"open "'))
        assert await scene.store.chunks(id, 1) == []
        await scene.runs.settle(id, 1)
        assert await scene.store.chunks(id, 1) == [b'"open "']

        scene.runs.on_news(Chunk(id, 1, 1, b'"sesame"'))
        scene.end(id, chunks=2)
        await scene.boss.wait(1)
        assert await scene.store.take_chunks(id, 10, 1000) == [b'"***"', b'""']

    play(tmp_path, scenario, Descriptor("render", "generator"))


def test_a_worker_that_dies_while_the_host_stops_is_not_to_blame(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id = await scene.begun()
        await scene.runs.wait_idle(0)
        scene.runs.lost(scene.worker)

        await scene.meter.wait("returned: none")
        record = await scene.store.record(id)
        assert record is not None
        assert (record.status, record.crashes, record.returns) == ("IN_QUEUE", 0, 1)

    play(tmp_path, scenario, Descriptor("render", "function", max_starts=1))


def test_a_run_that_failed_goes_back_and_is_counted(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id = await scene.begun()
        scene.end(id, Status.FAILED, error="no", retry="failed")
        await scene.meter.wait("returned: failure")

        record = await scene.store.record(id)
        assert record is not None
        assert (record.status, record.failures, record.crashes) == ("IN_QUEUE", 1, 0)
        assert scene.runs.held == []

    play(tmp_path, scenario, Descriptor("render", "function", retries=1, retry_delay=60_000))
