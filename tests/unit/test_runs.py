"""What a host does with the end of a run, against a real queue; its workers have no process here."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from runs_scene import PATIENCE, Scene, play
from workerkit.host.ends import cancelled
from workerkit.states import Status
from workerkit.wire import Chunk, Descriptor, Hide


def test_a_refresh_is_begun_before_the_end_is_stored_and_finished_after_it(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id = await scene.begun()
        scene.end(id, refresh="flag: the output asked for it")
        assert scene.boss.told == [("flag: the output asked for it", 1)]
        assert scene.worker.busy == {}
        assert scene.runs.held == [(id, 1)], "the lease would end before the end is stored"

        await scene.boss.wait(2)
        assert scene.boss.told[1] == ("settled", 0)
        assert scene.runs.held == []
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
