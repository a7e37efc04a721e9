"""What is counted, and under which names."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

import pytest

from workerkit.bridge import Bridge
from workerkit.hooks import Hooks
from workerkit.host.ends import Ends, cancelled
from workerkit.host.exposition import counted
from workerkit.host.metrics import MOST_CAUSES, SECONDS, PrometheusMeter
from workerkit.queue import Submission
from workerkit.queue.sqlite import SQLiteStore

Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(meter: PrometheusMeter, endpoints: Iterable[str] = ()) -> Samples:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in counted(meter, endpoints)
        for sample in family.samples
    }


def refreshes(meter: PrometheusMeter) -> dict[str, float]:
    found = samples(meter).items()
    return {labels[1]: n for (name, labels), n in found if name == "workerkit_worker_refreshes_total"}


def test_jobs_are_counted_by_end_and_timed() -> None:
    meter = PrometheusMeter()
    meter.job_began("render", 250)
    meter.job_ended("render", "COMPLETED", 2000)
    meter.job_ended("render", "CANCELLED", None)
    found = samples(meter)

    assert found["workerkit_jobs_total", ("render", "COMPLETED")] == 1
    assert found["workerkit_jobs_total", ("render", "CANCELLED")] == 1
    assert found["workerkit_job_delay_seconds_sum", ("render",)] == 0.25
    assert found["workerkit_job_run_seconds_sum", ("render",)] == 2
    assert found["workerkit_job_run_seconds_count", ("render",)] == 1


def test_a_time_is_in_every_bucket_that_it_does_not_exceed() -> None:
    meter = PrometheusMeter()
    for milliseconds in (0, 1, 2, 10, 4_000_000):
        meter.job_ended("render", "COMPLETED", milliseconds)
    found = samples(meter)
    bucket = {
        le: found["workerkit_job_run_seconds_bucket", ("render", le)] for le in ("0.001", "0.005", "0.01")
    }

    assert bucket == {"0.001": 2, "0.005": 3, "0.01": 4}
    assert found["workerkit_job_run_seconds_bucket", ("render", "3600.0")] == 4
    assert found["workerkit_job_run_seconds_bucket", ("render", "+Inf")] == 5
    assert SECONDS[-1] == 3600


def test_an_endpoint_where_nothing_has_happened_has_zeros_that_a_rate_can_start_from() -> None:
    found = samples(PrometheusMeter(), ["render"])

    for status in ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"):
        assert found["workerkit_jobs_total", ("render", status)] == 0
    assert found["workerkit_worker_crashes_total", ("render",)] == 0
    assert found["workerkit_job_returns_total", ("render", "crash")] == 0
    assert found["workerkit_job_run_seconds_count", ("render",)] == 0


def test_refreshes_are_counted_by_cause_whoever_has_it_and_free_text_is_one_label() -> None:
    meter = PrometheusMeter()
    for reason in (
        "max_jobs: 100 jobs",
        "max_jobs: 7 jobs",
        "vram: a plugin's own",
        "my words",
        "user 123: done",
    ):
        meter.worker_refreshed("render", reason)

    assert refreshes(meter) == {"max_jobs": 2, "vram": 1, "job": 2}


def test_a_handler_with_a_new_cause_each_time_does_not_make_labels_without_end() -> None:
    meter = PrometheusMeter()
    for number in range(1000):
        meter.worker_refreshed("render", f"cause{number}: again")
    meter.worker_refreshed("render", "cause0: one that is known")

    counted = refreshes(meter)
    assert len(counted) == MOST_CAUSES + 1
    assert (counted["cause0"], counted["other"]) == (2, 1000 - MOST_CAUSES)


def test_deliveries_are_counted_by_plugin_and_outcome() -> None:
    meter = PrometheusMeter()
    meter.delivered("webhook", "pending")
    meter.delivered("webhook", "delivered")
    found = samples(meter)

    assert found["workerkit_deliveries_total", ("webhook", "pending")] == 1
    assert found["workerkit_deliveries_total", ("webhook", "delivered")] == 1
    assert found["workerkit_deliveries_total", ("webhook", "dead")] == 0


def test_masked_secrets_are_counted_by_the_place_where_they_were() -> None:
    meter = PrometheusMeter()
    meter.secrets_masked("render", "output", 2)
    meter.secrets_masked("render", "output", 1)
    found = samples(meter)

    assert found["workerkit_secrets_masked_total", ("render", "output")] == 3
    assert found["workerkit_secrets_masked_total", ("render", "chunk")] == 0


def test_two_meters_share_nothing() -> None:
    one, other = PrometheusMeter(), PrometheusMeter()
    one.stale("render")

    assert ("workerkit_stale_frames_total", ("render",)) in samples(one)
    assert ("workerkit_stale_frames_total", ("render",)) not in samples(other)


def test_a_job_that_two_cancel_at_the_same_time_is_counted_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "workerkit.host.ends")
    meter = PrometheusMeter()

    async def cancel_twice() -> list[bool]:
        store = SQLiteStore(
            tmp_path / "queue.db", lease_ms=60_000, keep_ms=60_000, queue_length=9, holder="h"
        )
        await store.open()
        bridge = Bridge()
        try:
            ends = Ends(store, Hooks([], bridge), meter, tell=True)
            await store.submit([Submission(id="twin", endpoint="render", input=b"1")])
            record = await store.record("twin")
            assert record is not None
            result = cancelled(record, store.now())
            return list(await asyncio.gather(ends.end(record, result), ends.end(record, result)))
        finally:
            bridge.close()
            await store.close()

    assert asyncio.run(cancel_twice()) == [True, True]
    assert samples(meter)["workerkit_jobs_total", ("render", "CANCELLED")] == 1
    assert [record.getMessage() for record in caplog.records] == [
        "job twin of render is CANCELLED (attempt 0, - ms, no worker)"
    ]
    assert vars(caplog.records[0])["job"] == "twin"
