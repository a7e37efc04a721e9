"""Runs of one worker that end at the same time: none of them loses another one's end, or keeps it waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from runs_scene import PATIENCE, Scene, staged
from workerkit.errors import QueueError
from workerkit.host.ends import cancelled
from workerkit.host.supply import Slot
from workerkit.queue import Blame, End
from workerkit.queue.sqlite import SQLiteStore
from workerkit.states import Status
from workerkit.testing.queue_contracts import KEEP, LEASE, submission
from workerkit.wire import Descriptor, JobEnd, pack


class Choosy(SQLiteStore):
    """Refuses some ends, for a reason that is a queue's or not."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, lease_ms=LEASE, keep_ms=KEEP, queue_length=100, holder="host")
        self.refused: dict[str, Exception] = {}
        self.tried = asyncio.Event()

    async def finish(self, ends: Sequence[End]) -> list[bool]:
        for end in ends:
            if end.id in self.refused:
                self.tried.set()
                raise self.refused[end.id]
        return await super().finish(ends)


class Several(Scene):
    """A worker with several slots, and a queue that is choosy."""

    store: Choosy

    async def begun_in(self, number: int) -> str:
        """A job that runs in a slot, its claim being stored."""
        self.meter.counted.clear()
        self.runs.supply.offer(Slot(self.worker, number))
        job = submission()
        await self.store.submit([job])
        await self.meter.wait("began")
        await self.store.progress("nobody", 1, b"0")  # is stored after the claim
        return job.id

    def end_together(self, *ids: str) -> None:
        for number, id in enumerate(ids):
            self.runs.on_end(self.worker, JobEnd(number, id, 1, Status.COMPLETED, output=b"1"))
        self.runs.heard()

    async def ended(self, id: str, status: str) -> None:
        with self.store.watch(id) as watch:
            while await self.status(id) != status:
                assert await watch.changed(PATIENCE)


def played(folder: Path, scenario: Callable[[Several], Awaitable[None]]) -> None:
    staged(folder, Several, scenario, Descriptor("render", "function", concurrency=3), Choosy)


def test_an_end_that_fails_in_no_way_of_a_queue_takes_no_other_along(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    culprit: list[str] = []

    async def scenario(scene: Several) -> None:
        ids = [await scene.begun_in(number) for number in range(3)]
        culprit.append(ids[1])
        scene.store.refused[ids[1]] = ValueError("this end makes no sense")
        scene.end_together(*ids)

        await scene.boss.wait(3)
        assert [await scene.status(id) for id in ids] == ["COMPLETED", "IN_PROGRESS", "COMPLETED"]
        assert scene.runs.held == []
        assert scene.worker.unsettled == 0

    played(tmp_path, scenario)
    [message] = [message for message in caplog.messages if "failed" in message]
    assert message == f"the end of job {culprit[0]} has failed"


def test_leases_are_kept_while_the_queue_refuses_and_a_cancel_meanwhile_counts(tmp_path: Path) -> None:
    async def scenario(scene: Several) -> None:
        ids = [await scene.begun_in(number) for number in range(2)]
        scene.store.refused = dict.fromkeys(ids, QueueError("the disk is full"))
        scene.end_together(*ids)
        await asyncio.wait_for(scene.store.tried.wait(), PATIENCE)
        assert sorted(scene.runs.held) == sorted((id, 1) for id in ids)

        del scene.store.refused[ids[1]]
        record = await scene.store.record(ids[1])
        assert record is not None
        end = cancelled(record, scene.store.now())
        assert await scene.ends.end(record, end)
        scene.store.refused.clear()
        await scene.boss.wait(2)
        assert [await scene.status(id) for id in ids] == ["COMPLETED", "CANCELLED"]
        assert scene.meter.counted.count("stale") == 1
        assert (scene.runs.held, scene.worker.unsettled) == ([], 0)

    played(tmp_path, scenario)


def test_of_runs_that_end_together_one_whose_job_has_ended_is_stored_no_more(tmp_path: Path) -> None:
    async def scenario(scene: Several) -> None:
        ids = [await scene.begun_in(number) for number in range(2)]
        record = await scene.store.record(ids[0])
        assert record is not None
        assert await scene.ends.end(record, cancelled(record, scene.store.now()))
        run = scene.runs.find(ids[0], 1)
        assert run is not None
        run.over = True
        scene.end_together(*ids)

        await scene.boss.wait(2)
        assert [await scene.status(id) for id in ids] == ["CANCELLED", "COMPLETED"]
        assert scene.meter.counted.count("stale") == 1

    played(tmp_path, scenario)


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0])
def test_a_worker_that_says_nonsense_of_how_long_a_run_took_does_no_harm(
    tmp_path: Path, seconds: float
) -> None:
    async def scenario(scene: Several) -> None:
        ids = [await scene.begun_in(number) for number in range(2)]
        scene.worker.listener = scene.runs
        for number, (id, took) in enumerate(zip(ids, (seconds, 0.001), strict=True)):
            scene.worker.data_received(pack(JobEnd(number, id, 1, Status.COMPLETED, b"1", seconds=took)))

        for id in ids:
            await scene.ended(id, "COMPLETED")
        assert scene.worker.fault == ""

    played(tmp_path, scenario)


def test_a_run_keeps_its_deadline_when_its_job_is_run_again_here(tmp_path: Path) -> None:
    """Its lease ran out, and the next attempt has come to the same host."""

    async def scenario(scene: Several) -> None:
        id = await scene.begun_in(0)
        first = scene.runs.find(id, 1)
        assert first is not None
        assert await scene.store.release(id, 1, Blame.NONE)
        scene.meter.counted.clear()
        scene.runs.supply.offer(Slot(scene.worker, 1))
        await scene.meter.wait("began")

        second = scene.runs.find(id, 2)
        assert second is not None
        assert scene.runs.find(id, 1) is first
        assert scene.runs.held == [(id, 1), (id, 2)]

    played(tmp_path, scenario)
