"""What is counted, and under which names."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from workerkit.host.metrics import PrometheusMeter


def samples(meter: PrometheusMeter) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(generate_latest(meter.registry).decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


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


def test_refreshes_are_counted_by_cause_and_free_text_is_one_label() -> None:
    meter = PrometheusMeter()
    for reason in ("max_jobs: 100 jobs", "max_jobs: 7 jobs", "my own words", "user 123: done", "flag: asked"):
        meter.worker_refreshed("render", reason)
    found = samples(meter)

    counted = {labels: n for (name, labels), n in found.items() if name == "workerkit_worker_refreshes_total"}
    assert counted == {("render", "max_jobs"): 2, ("render", "job"): 2, ("render", "flag"): 1}


def test_two_meters_share_nothing() -> None:
    one, other = PrometheusMeter(), PrometheusMeter()
    one.stale("render")

    assert ("workerkit_stale_frames_total", ("render",)) in samples(one)
    assert ("workerkit_stale_frames_total", ("render",)) not in samples(other)
