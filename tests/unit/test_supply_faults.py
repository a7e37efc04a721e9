"""What is no `QueueError` comes from a plugin's queue or from a mistake; a pool goes on with its work all the same."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any, cast

import pytest

from supplying import PATIENCE, Begun, a_worker, slot
from workerkit.host.scaling import Scaling
from workerkit.host.sizes import Size
from workerkit.host.staff import Staff
from workerkit.host.supply import Slot, Supply
from workerkit.queue import Claim
from workerkit.queue.sqlite import SQLiteStore
from workerkit.settings import WorkersSettings
from workerkit.testing.queue_contracts import KEEP, LEASE, submission


class Faulty(SQLiteStore):
    """A queue that fails once at either question, in a way that is not a queue's."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, lease_ms=LEASE, keep_ms=KEEP, queue_length=100, holder="host")
        self._faults = {"claim", "waiting"}

    def _fail_once(self, what: str) -> None:
        if what in self._faults:
            self._faults.remove(what)
            raise RuntimeError(f"{what} failed")

    async def claim(self, *arguments: Any) -> list[Claim]:
        self._fail_once("claim")
        return await super().claim(*arguments)

    async def waiting(self, *arguments: Any) -> int | None:
        self._fail_once("waiting")
        return await super().waiting(*arguments)


class Failing(Begun):
    """Begins nothing at the first time."""

    def __init__(self) -> None:
        super().__init__()
        self._times = itertools.count()

    def __call__(self, slot: Slot, claim: Claim) -> bool:
        if next(self._times) == 0:
            raise ValueError("not to be made sense of")
        return super().__call__(slot, claim)


def test_a_pool_goes_on_taking_jobs_after_whatever_has_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        store, begun = Faulty(tmp_path / "queue.db"), Failing()
        await store.open()
        supply = Supply("render", store, "host", begun, lambda: None)
        running = asyncio.create_task(supply.run())
        job = submission()
        await store.submit([job])
        supply.offer(slot())
        assert await begun.wait(1) == [job.id]
        [(_, claim)] = begun.jobs
        assert (claim.record.attempt, claim.record.returns) == (2, 1)
        running.cancel()
        await asyncio.wait({running})
        await store.close()

    asyncio.run(run())
    assert [message.partition(" ")[0] for message in caplog.messages] == ["taking", "job"]


class Growing:
    """A pool that fails once when it is to shrink, and one of its workers has nothing to do."""

    def __init__(self) -> None:
        self.wanted = self.coming = 0
        self.staying = [a_worker()]
        self.shrunk = asyncio.Event()
        self._times = itertools.count()

    def grow(self) -> None:
        self.wanted += 1

    def shrink(self, worker: object) -> None:
        if next(self._times) == 0:
            raise RuntimeError("shrink failed")
        self.wanted -= 1
        self.shrunk.set()


def test_a_pool_goes_on_growing_and_shrinking_after_whatever_has_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        store, pool = Faulty(tmp_path / "queue.db"), Growing()
        await store.open()
        await store.submit([submission()])
        scaling = Scaling("render", pool, cast(Staff, pool), store)
        scaling.over(Size(0, 2), WorkersSettings(idle_timeout=0.05))
        await asyncio.wait_for(pool.shrunk.wait(), PATIENCE)
        scaling.close()
        await store.close()

    asyncio.run(run())
    assert caplog.messages.count("render: scaling has failed, and goes on") == 2
