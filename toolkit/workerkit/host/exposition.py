"""`/metrics`: what the meter has counted, and the levels of this moment, as Prometheus reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

import attrs
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from workerkit import __version__
from workerkit.host.backlog import backlog
from workerkit.host.health import census
from workerkit.host.host import Host
from workerkit.host.metrics import Counts, PrometheusMeter, Spread
from workerkit.host.pool import Pool


@attrs.frozen
class Levels:
    """How an endpoint is at this moment."""

    waiting: int
    running: int
    #: Seconds that the first in line has waited.
    delay: float
    workers: Mapping[str, int]


async def exposed(meter: PrometheusMeter, host: Host, accept: str) -> tuple[bytes, str]:
    """All that was counted and the levels of `host`, in a form that `accept` names; its content type."""
    levels = {name: await _levels(host, name) for name in host.catalogue.names}
    encode, kind = choose_encoder(accept)
    registry = CollectorRegistry()  # one for each scrape, so that two at a time do not mix
    shown = [*counted(meter, levels), *_shown(levels, host.standbys), *await backlog(host)]
    registry.register(Collected(shown))
    return await asyncio.to_thread(encode, registry), kind


def counted(meter: PrometheusMeter, endpoints: Iterable[str] = ()) -> Iterator[Metric]:
    """All that was counted, with zeros for `endpoints` where nothing has happened yet."""
    for name in endpoints:
        meter.at.setdefault(name, Counts())
    at = meter.at.items()
    yield _table("jobs", "Jobs that have ended", "status", {n: c.ended for n, c in at})
    yield _table("job_returns", "Runs that went back to the queue", "blame", {n: c.returned for n, c in at})
    yield _table("worker_refreshes", "Workers replaced on purpose", "reason", {n: c.refreshed for n, c in at})
    yield _table("secrets_masked", "Secrets that came out of runs", "place", {n: c.masked for n, c in at})
    yield _column("worker_crashes", "Workers that ended on their own", {n: c.crashes for n, c in at})
    yield _column(
        "worker_start_failures", "Workers that did not become ready", {n: c.failures for n, c in at}
    )
    yield _column("stale_frames", "Reports of runs whose jobs had moved on", {n: c.stale for n, c in at})
    yield _spreads(
        "job_delay_seconds", "From a job's submit to the start of a run", {n: c.delay for n, c in at}
    )
    yield _spreads(
        "job_run_seconds", "How long the run took with which a job ended", {n: c.run for n, c in at}
    )
    yield _table("deliveries", "Tries of deliveries", "outcome", meter.deliveries, of="plugin")
    commits = "Operations in one commit"
    yield HistogramMetricFamily(
        "workerkit_commit_batch_size", commits, _buckets(meter.batches), meter.batches.total
    )
    yield InfoMetricFamily("workerkit", "The version that runs", {"version": __version__})
    yield from ProcessCollector(registry=None).collect()


@attrs.frozen(eq=False)
class Collected:
    """Families as a registry takes them."""

    families: Sequence[Metric]

    def collect(self) -> Sequence[Metric]:
        """What prometheus-client asks for."""
        return self.families


async def _levels(host: Host, endpoint: str) -> Levels:
    counts = await host.store.counts(endpoint)
    since = await host.store.waiting(endpoint, 0)
    waited = 0 if since is None else max(host.store.now() - since, 0)
    pool = host.pools.get(endpoint)
    return Levels(counts.in_queue, counts.in_progress, waited / 1000, _states(pool) if pool else {})


def _states(pool: Pool) -> dict[str, int]:
    """Each worker in one state, so that they can be added up; `/health` has RunPod's, which overlap."""
    counted = census(pool)
    coming = sum(worker.understudy and not worker.leaving for worker in pool.staff.workers)
    return {
        "initializing": counted["initializing"] + coming,
        "idle": counted["idle"],
        "running": counted["running"],
        "leaving": sum(worker.leaving for worker in pool.staff.workers),
        "unhealthy": counted["unhealthy"],
    }


def _shown(levels: Mapping[str, Levels], standbys: int) -> Iterator[Metric]:
    at = levels.items()
    yield _gauges("queue_length", "Jobs that wait", {n: level.waiting for n, level in at})
    yield _gauges("queue_delay_seconds", "How long the first in line has waited", {n: v.delay for n, v in at})
    yield _gauges("jobs_running", "Jobs that run", {n: level.running for n, level in at})
    workers = GaugeMetricFamily("workerkit_workers", "Workers by state", labels=["endpoint", "state"])
    for name, level in at:
        for state, number in level.workers.items():
            workers.add_metric([name, state], number)
    yield workers
    yield GaugeMetricFamily(
        "workerkit_standbys", "Processes that have done part of a worker's start", standbys
    )


def _table(
    name: str, what: str, label: str, rows: Mapping[str, Mapping[str, int]], of: str = "endpoint"
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"workerkit_{name}", what, labels=[of, label])
    for row, counts in rows.items():
        for value, count in counts.items():
            family.add_metric([row, value], count)
    return family


def _column(name: str, what: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"workerkit_{name}", what, labels=["endpoint"])
    for endpoint, count in counts.items():
        family.add_metric([endpoint], count)
    return family


def _spreads(name: str, what: str, spreads: Mapping[str, Spread]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"workerkit_{name}", what, labels=["endpoint"])
    for endpoint, spread in spreads.items():
        family.add_metric([endpoint], _buckets(spread), spread.total)
    return family


def _gauges(name: str, what: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"workerkit_{name}", what, labels=["endpoint"])
    for endpoint, value in values.items():
        family.add_metric([endpoint], value)
    return family


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    """As Prometheus wants them: each with all that are below it."""
    bounds = [*map(floatToGoString, spread.bounds), "+Inf"]
    return list(zip(bounds, accumulate(spread.counts), strict=True))
