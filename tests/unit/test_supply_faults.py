"""What is no `QueueError` comes from a plugin's queue or from a mistake; a pool goes on with its work all the same."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any, cast

import pytest

from supplying import PATIENCE, Begun, a_store, a_worker, slot
from workerkit.errors import QueueError
from workerkit.host.scaling import Scaling
from workerkit.host.sizes import Size
from workerkit.host.staff import Staff
from workerkit.host.supply import Slot, Supply
from workerkit.queue import Claim
from workerkit.queue.sqlite import SQLiteStore
from workerkit.settings import WorkersSettings
from workerkit.testing.queue_contracts import KEEP, LEASE, submission


class Faulty(SQLiteStore):
    """A queue that fails once at either question, in a way that is not a queue's, and once makes no sense."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, lease_ms=LEASE, keep_ms=KEEP, queue_length=100, holder="host")
        self._faults = {"claim", "waiting", "claims"}

    def _fail_once(self, what: str) -> None:
        if what in self._faults:
            self._faults.remove(what)
            raise RuntimeError(f"{what} failed")

    async def claim(self, *arguments: Any) -> list[Claim]:
        self._fail_once("claim")
        if "claims" in self._faults:
            self._faults.remove("claims")
            return cast("list[Claim]", None)
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
        supply = Supply("render", store, "host", begun, lambda claim: None, lambda: None)
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
    assert [message.partition(" ")[0] for message in caplog.messages] == ["taking", "taking", "job"]


def test_claims_that_could_not_be_stored_are_told_of_whether_given_out_or_not(tmp_path: Path) -> None:
    """One transaction brings several, and its end is heard of once."""

    async def run() -> list[list[str]]:
        store, begun, lost = a_store(tmp_path / "queue.db"), Begun(), list[str]()
        feed = Unstored(store)
        await store.open()
        supply = Supply(
            "render", feed, "host", begun, lambda claim: lost.append(claim.record.id), lambda: None
        )
        for _ in range(60):
            supply.took(0.000_1, 0.000_1)
        jobs = [submission() for _ in range(3)]
        await store.submit(jobs)
        running = asyncio.create_task(supply.run())
        supply.offer(slot())
        given = [*await begun.wait(1)]
        feed.committed.set_exception(QueueError("the disk is full"))
        await asyncio.sleep(0)
        supply.offer(slot())
        running.cancel()
        await asyncio.wait({running})
        await store.close()
        return [given, [claim.record.id for _, claim in begun.jobs], lost, [job.id for job in jobs]]

    given, begun, lost, jobs = asyncio.run(run())
    assert given == begun == jobs[:1], "what was lost is not given out"
    assert lost == jobs


class Unstored:
    """Hands jobs over, and stores none of its claims."""

    def __init__(self, store: SQLiteStore) -> None:
        self.committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._store = store

    async def claim(self, *arguments: Any) -> list[Claim]:
        claims = await self._store.claim(*arguments)
        return [Claim(claim.record, self.committed) for claim in claims]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


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
