"""`/metrics`: what the meter has counted, and the levels of this moment, for Prometheus."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from workerkit.host.meter import Meter

if TYPE_CHECKING:
    from workerkit.host.host import Host

#: Seconds: from a no-op to an hour of video.
SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
#: Causes of refreshes that are a label of their own; a handler may say whatever it likes.
CAUSES = frozenset(
    [
        "flag",
        "always",
        "max_jobs",
        "max_rss",
        "max_age",
        "on_errors",
        "reload",
        "isolation",
        "interrupted",
        "stopped",
    ]
)


class PrometheusMeter(Meter):
    """Counts in a registry of its own. Labels are looked up once, so that a job costs microseconds."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        e = ["endpoint"]

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"workerkit_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"workerkit_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...] = SECONDS) -> Histogram:
            return Histogram(f"workerkit_{name}", what, e, registry=registry, buckets=buckets)

        self._ended = counter("jobs", "Jobs that have ended", "endpoint", "status")
        self._delay = histogram("job_delay_seconds", "From the submit of a job to the start of a run")
        self._run = histogram("job_run_seconds", "How long the run took with which a job ended")
        self._returned = counter("job_returns", "Runs that went back to the queue", "endpoint", "blame")
        self._stale = counter("stale_frames", "Reports of runs whose jobs had moved on", *e)
        self._refreshes = counter("worker_refreshes", "Workers replaced on purpose", "endpoint", "reason")
        self._crashes = counter("worker_crashes", "Workers that ended on their own", *e)
        self._failures = counter("worker_start_failures", "Workers that did not become ready", *e)
        self._deliveries = counter("deliveries", "Tries of deliveries", "plugin", "outcome")
        self._batches = Histogram(
            "workerkit_commit_batch_size", "Operations in one commit", registry=registry, buckets=BATCHES
        )
        self._length = gauge("queue_length", "Jobs that wait", *e)
        self._waiting = gauge("queue_delay_seconds", "How long the first job in line has waited", *e)
        self._running = gauge("jobs_running", "Jobs that run", *e)
        self._workers = gauge("workers", "Workers by state", "endpoint", "state")
        self._standbys = gauge("standbys", "Processes that have done part of a worker's start")
        gauge("info", "The version that runs", "version").labels(version("workerkit")).set(1)
        self._label = lru_cache(4096)(lambda family, *labels: family.labels(*labels))

    def job_began(self, endpoint: str, delay: int) -> None:
        """See `Meter`."""
        self._label(self._delay, endpoint).observe(max(delay, 0) / 1000)

    def job_ended(self, endpoint: str, status: str, execution_time: int | None) -> None:
        """See `Meter`."""
        self._label(self._ended, endpoint, status).inc()
        if execution_time is not None:
            self._label(self._run, endpoint).observe(execution_time / 1000)

    def job_returned(self, endpoint: str, blame: str) -> None:
        """See `Meter`."""
        self._label(self._returned, endpoint, blame).inc()

    def worker_refreshed(self, endpoint: str, reason: str) -> None:
        """See `Meter`."""
        cause = reason.partition(":")[0]
        self._label(self._refreshes, endpoint, cause if cause in CAUSES else "job").inc()

    def worker_died(self, endpoint: str) -> None:
        """See `Meter`."""
        self._label(self._crashes, endpoint).inc()

    def start_failed(self, endpoint: str) -> None:
        """See `Meter`."""
        self._label(self._failures, endpoint).inc()

    def stale(self, endpoint: str) -> None:
        """See `Meter`."""
        self._label(self._stale, endpoint).inc()

    def delivered(self, plugin: str, outcome: str) -> None:
        """See `Meter`."""
        self._label(self._deliveries, plugin, outcome).inc()

    def batch(self, operations: int) -> None:
        """See `Meter`."""
        self._batches.observe(operations)

    async def shown(self, host: Host, accept: str) -> tuple[bytes, str]:
        """See `Meter`."""
        for level in (self._length, self._waiting, self._running, self._workers):
            level.clear()
        for name in host.catalogue.names:
            await self._look(host, name)
        self._standbys.set(host.standbys)
        encode, kind = choose_encoder(accept)
        return encode(self.registry), kind

    async def _look(self, host: Host, endpoint: str) -> None:
        counts = await host.store.counts(endpoint)
        since = await host.store.waiting(endpoint, 0)
        self._length.labels(endpoint).set(counts.in_queue)
        self._running.labels(endpoint).set(counts.in_progress)
        waited = 0 if since is None else max(host.store.now() - since, 0)
        self._waiting.labels(endpoint).set(waited / 1000)
        pool = host.pools.get(endpoint)
        for state, number in pool.census().items() if pool else ():
            self._workers.labels(endpoint, state).set(number)
