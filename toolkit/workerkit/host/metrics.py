"""`/metrics`: what the meter has counted, and the levels of this moment, for Prometheus.

Counting is plain Python on the event loop, and prometheus-client only writes the result down: its own
counters would go to the files of `PROMETHEUS_MULTIPROC_DIR`, which is set for what a handler runs.
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import TYPE_CHECKING

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

from workerkit.host.backlog import backlog
from workerkit.host.health import census
from workerkit.host.meter import Meter
from workerkit.job import Status
from workerkit.queue import Blame

if TYPE_CHECKING:
    from workerkit.host.host import Host
    from workerkit.host.pool import Pool

#: Seconds: from a no-op to an hour of video.
SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
#: What is a cause of refreshes, and how many of them are a label of their own: any plugin has causes,
#: and a handler may say whatever it likes.
CAUSE, MOST_CAUSES = re.compile(r"([a-z][a-z0-9_]{0,30}):"), 20
FREE_TEXT, ONE_TOO_MANY = "job", "other"
#: Counters that are shown from the first scrape on, since a rate needs to see their 0.
ENDS = tuple(status.value for status in Status if status.ended)
BLAMES = (Blame.NONE.value, Blame.CRASH.value, Blame.FAILURE.value)
PLACES = ("output", "error", "chunk", "progress", "notes", "refresh")
OUTCOMES = ("delivered", "pending", "held", "dead", "sent", "dropped")


class Spread:
    """The numbers of a histogram."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value under the first bound that it does not exceed."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus wants them: each with all that are below it."""
        bounds = [*map(floatToGoString, self.bounds), "+Inf"]
        return list(zip(bounds, accumulate(self.counts), strict=True))


@attrs.define(eq=False)
class Counts:
    """What has happened at one endpoint."""

    ended: Counter[str] = attrs.field(factory=lambda: Counter(dict.fromkeys(ENDS, 0)))
    returned: Counter[str] = attrs.field(factory=lambda: Counter(dict.fromkeys(BLAMES, 0)))
    refreshed: Counter[str] = attrs.field(factory=Counter)
    masked: Counter[str] = attrs.field(factory=lambda: Counter(dict.fromkeys(PLACES, 0)))
    delay: Spread = attrs.field(factory=lambda: Spread(SECONDS))
    run: Spread = attrs.field(factory=lambda: Spread(SECONDS))
    crashes: int = 0
    failures: int = 0
    stale: int = 0


@attrs.frozen
class Levels:
    """How an endpoint is at this moment."""

    waiting: int
    running: int
    #: Seconds that the first in line has waited.
    delay: float
    workers: Mapping[str, int]


class PrometheusMeter(Meter):
    """Counts in memory, on the host's event loop; a job costs about a microsecond."""

    def __init__(self) -> None:
        self._at: defaultdict[str, Counts] = defaultdict(Counts)
        self._causes: set[str] = set()
        self._deliveries: defaultdict[str, Counter[str]] = defaultdict(
            lambda: Counter(dict.fromkeys(OUTCOMES, 0))
        )
        self._batches = Spread(BATCHES)
        self._version = version("workerkit")
        self._process = ProcessCollector(registry=None)

    def job_began(self, endpoint: str, delay: int) -> None:
        """See `Meter`."""
        self._at[endpoint].delay.add(max(delay, 0) / 1000)

    def job_ended(self, endpoint: str, status: str, execution_time: int | None) -> None:
        """See `Meter`."""
        counts = self._at[endpoint]
        counts.ended[status] += 1
        if execution_time is not None:
            counts.run.add(execution_time / 1000)

    def job_returned(self, endpoint: str, blame: str) -> None:
        """See `Meter`."""
        self._at[endpoint].returned[blame] += 1

    def worker_refreshed(self, endpoint: str, reason: str) -> None:
        """See `Meter`."""
        self._at[endpoint].refreshed[self._cause(reason)] += 1

    def _cause(self, reason: str) -> str:
        """A label for a reason; however many reasons there are, the labels are few."""
        found = CAUSE.match(reason)
        if found is None:
            return FREE_TEXT
        if found[1] not in self._causes and len(self._causes) == MOST_CAUSES:
            return ONE_TOO_MANY
        self._causes.add(found[1])
        return found[1]

    def worker_died(self, endpoint: str) -> None:
        """See `Meter`."""
        self._at[endpoint].crashes += 1

    def start_failed(self, endpoint: str) -> None:
        """See `Meter`."""
        self._at[endpoint].failures += 1

    def stale(self, endpoint: str) -> None:
        """See `Meter`."""
        self._at[endpoint].stale += 1

    def secrets_masked(self, endpoint: str, place: str, count: int) -> None:
        """See `Meter`."""
        self._at[endpoint].masked[place] += count

    def delivered(self, plugin: str, outcome: str) -> None:
        """See `Meter`."""
        self._deliveries[plugin][outcome] += 1

    def batch(self, operations: int) -> None:
        """See `Meter`."""
        self._batches.add(operations)

    async def shown(self, host: Host, accept: str) -> tuple[bytes, str]:
        """See `Meter`."""
        levels = {name: await _levels(host, name) for name in host.catalogue.names}
        encode, kind = choose_encoder(accept)
        registry = CollectorRegistry()  # one for each scrape, so that two at a time do not mix
        shown = [*self.counted(levels), *_shown(levels, host.standbys), *await backlog(host)]
        registry.register(Collected(shown))
        return await asyncio.to_thread(encode, registry), kind

    def counted(self, endpoints: Iterable[str] = ()) -> Iterator[Metric]:
        """All that was counted, with zeros for `endpoints` where nothing has happened yet."""
        for name in endpoints:
            self._at.setdefault(name, Counts())
        at = self._at.items()
        yield _table("jobs", "Jobs that have ended", "status", {n: c.ended for n, c in at})
        yield _table(
            "job_returns", "Runs that went back to the queue", "blame", {n: c.returned for n, c in at}
        )
        yield _table(
            "worker_refreshes", "Workers replaced on purpose", "reason", {n: c.refreshed for n, c in at}
        )
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
        yield _table("deliveries", "Tries of deliveries", "outcome", self._deliveries, of="plugin")
        commits = "Operations in one commit"
        yield HistogramMetricFamily(
            "workerkit_commit_batch_size", commits, self._batches.buckets(), self._batches.total
        )
        yield InfoMetricFamily("workerkit", "The version that runs", {"version": self._version})
        yield from self._process.collect()


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
        family.add_metric([endpoint], spread.buckets(), spread.total)
    return family


def _gauges(name: str, what: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"workerkit_{name}", what, labels=["endpoint"])
    for endpoint, value in values.items():
        family.add_metric([endpoint], value)
    return family
