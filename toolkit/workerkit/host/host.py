"""The host: one object over the queue, the workers, the ends of jobs, and what happens on the side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence

import attrs

from workerkit.errors import CannotServe
from workerkit.handlers import shown
from workerkit.hooks import Hooks
from workerkit.host.agency import Agency, Plan
from workerkit.host.catalogue import Catalogue
from workerkit.host.deliveries import Deliveries
from workerkit.host.discovery import Discovery
from workerkit.host.ends import Ends
from workerkit.host.events import Events
from workerkit.host.gpus import gpus
from workerkit.host.housekeeping import Housekeeping
from workerkit.host.interrupt import number_of
from workerkit.host.journal import Journal
from workerkit.host.launch import Launch
from workerkit.host.meter import Meter
from workerkit.host.misnamed import misnamed
from workerkit.host.pool import Pool
from workerkit.host.printed import Logbook
from workerkit.host.runs import Runs
from workerkit.host.scratch import Scratch
from workerkit.host.sealing import Sealer
from workerkit.host.sizes import Size, sizes
from workerkit.host.strays import reap_forever
from workerkit.host.tasks import background
from workerkit.host.vault import Vault
from workerkit.host.worker import Worker
from workerkit.job import Result
from workerkit.queue import Record, Store
from workerkit.settings import Settings
from workerkit.wire import PROTOCOL, Descriptor, PluginRef, Start

log = logging.getLogger(__name__)

#: Seconds that deliveries under way have when the host stops.
DELIVERY_GRACE = 5.0


@attrs.frozen
class Found:
    """The target as it is now, and by which settings it shall be served."""

    settings: Settings
    plan: Plan
    #: It has imported the target, which holds these functions.
    worker: Worker
    functions: Sequence[Descriptor]


class Host:
    """Runs jobs until it is stopped. It loads plugins, and never the handler's module."""

    def __init__(
        self,
        *,
        settings: Settings,
        target: str,
        store: Store,
        hooks: Hooks,
        sealer: Sealer,
        worker_plugins: Sequence[PluginRef],
        environment: Mapping[str, str],
        holder: str,
        scratch: Scratch,
        meter: Meter | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.hooks = hooks
        self.sealer = sealer
        self.catalogue = Catalogue(store)
        self.meter = meter or Meter()
        self.ends = Ends(store, hooks, self.meter, tell=settings.logs.jobs)
        self.pools: dict[str, Pool] = {}
        self.vault = Vault(sealer, hooks)
        #: Set when no worker can be started any more, so that there is nothing to do but to end; and why.
        self.gave_up = asyncio.Event()
        self._problem = ""
        #: Of functions that are not served any more, until their last jobs are over.
        self._closing: set[Pool] = set()
        self._holder = holder
        self._scratch = scratch
        self._target = target
        self.printed = Logbook(settings.logs, store.keep_log)
        self._agency = Agency(self._plan(settings, worker_plugins, environment), self.printed)
        #: What has just become of deliveries.
        self.journal = Journal()
        self._deliveries = Deliveries(store, hooks, self.meter, self.journal, tell=settings.logs.jobs)
        self._events = Events(hooks, self._deliveries.send_unstored, store.now)
        self._housekeeping = Housekeeping(store, self.ends, self._all_runs, settings.queue.lease, self._tidy)
        self._tasks: list[asyncio.Task[None]] = []

    def _plan(self, settings: Settings, plugins: Sequence[PluginRef], environment: Mapping[str, str]) -> Plan:
        workers = settings.workers
        return Plan(
            first=Start(
                protocol=PROTOCOL,
                worker_id="",
                target=self._target,
                plugins=list(plugins),
                guard=settings.guard_rules,
                output_limit=settings.limits.output,
                chunk_limit=settings.limits.chunk,
                depth=settings.limits.depth,
                tracebacks=workers.tracebacks,
                stop_signal=number_of(workers.stop_signal),
                scratch=str(self._scratch.path),
            ),
            environment=environment,
            devices=gpus(workers.gpus, environment),
            prewarm=workers.prewarm,
            warm=workers.warm,
        )

    async def open(self, launch: Launch | None = None) -> None:
        """Take over the queue: what an earlier run left goes on, and known endpoints accept jobs.

        The first worker's process is started, for whatever it may be told by `start`, unless it is there
        already: `launch`.
        """
        returned = await self.store.recover(self._holder)
        if returned:
            log.info("jobs of an earlier run that are back in the queue: %d", returned)
        await self.catalogue.load()
        await self._deliveries.open()
        self._tasks = [
            background(self._deliveries.run(), "sending deliveries"),
            background(self._housekeeping.run(), "housekeeping"),
            background(reap_forever(), "waiting for zombies"),
        ]
        await self._agency.begin(launch)

    async def start(self) -> None:
        """Find the functions and hire the workers. Raises `CannotServe` when the target does not load."""
        worker, functions = await self._discover(self._agency.plan)
        await self._register(functions)
        first: Worker | None = worker
        for name, size in self._sizes(self.settings).items():
            pool = self.pools[name] = self._pool(self.catalogue.find(name), size)
            pool.start(first if size.most else None)
            first = None if size.most else first
        if first is not None:
            first.kill("no workers are wanted")

    async def look(
        self, settings: Settings, plugins: Sequence[PluginRef], environment: Mapping[str, str]
    ) -> Found:
        """Import the target as it is now, beside the workers that serve. Cancelling it leaves nothing behind.

        Raises `CannotServe` when it does not load any more.
        """
        plan = self._plan(settings, plugins, environment)
        return Found(settings, plan, *await self._discover(plan))

    async def reload(self, found: Found) -> None:
        """Serve what was found, by new `[workers]`, `[limits]` and plugins of workers.

        Workers are replaced one by one, and no job is disturbed. When there are not all functions that
        the settings name, this raises `SettingsError`, and everything stays as it was.
        """
        settings, plan, worker, functions = found.settings, found.plan, found.worker, found.functions
        try:
            chosen = sizes(settings.workers.count, [function.name for function in functions])
            await self._register(functions)
        except BaseException:
            worker.kill("nothing is reloaded")
            raise
        self._agency.renew(plan)
        self._agency.keep(worker)
        self.settings = settings
        for name in self.pools.keys() - chosen.keys():
            log.warning("%s is no longer served: the target does not hold it", name)
            closing = self._close(self.pools.pop(name), settings.workers.shutdown_grace)
            self._tasks.append(background(closing, f"closing {name}"))
        for name, size in chosen.items():
            self._reload(self.catalogue.find(name), size)

    async def _close(self, pool: Pool, grace: float) -> None:
        """Its jobs are looked after until they are over."""
        self._closing.add(pool)
        await pool.close(grace)
        self._closing.discard(pool)

    def _reload(self, function: Descriptor, size: Size) -> None:
        if function.name in self.pools:
            pool = self.pools[function.name]
            pool.runs.renew(function, self.settings)
            pool.reload(function, size, self.settings.workers)
        else:
            pool = self.pools[function.name] = self._pool(function, size)
            pool.start()

    def _sizes(self, settings: Settings) -> dict[str, Size]:
        return sizes(settings.workers.count, self.catalogue.names)

    def _pool(self, function: Descriptor, size: Size) -> Pool:
        runs = Runs(
            function,
            self.store,
            self.ends,
            self._events,
            self.vault,
            self.settings,
            self._holder,
            self.store.now,
            self.meter,
        )
        return Pool(
            function,
            size,
            runs,
            self._agency,
            self.store,
            self.settings.workers,
            self.meter,
            self._pool_gave_up,
        )

    async def _discover(self, plan: Plan) -> tuple[Worker, list[Descriptor]]:
        """Start a worker and learn from it which functions there are."""
        discovery = Discovery(shown(self._target))
        worker = await self._agency.discover(discovery, plan)
        return worker, await discovery.functions(worker, self.settings.workers.start_timeout)

    async def _register(self, functions: Sequence[Descriptor]) -> None:
        for name in await self.catalogue.discovered(functions):
            waiting = (await self.store.counts(name)).in_queue
            if waiting:
                log.warning(
                    "jobs that wait for %r, which %s does not hold: %d", name, shown(self._target), waiting
                )
        for sentence in misnamed(self.hooks.plugins, self.catalogue.names):
            log.warning("%s", sentence)

    def _pool_gave_up(self) -> None:
        """A pool cannot start workers: there is nothing left to do when no other does any better."""
        wanted = [pool for pool in self.pools.values() if pool.size.most]
        if all(pool.staff.hopeless for pool in wanted) and not self.gave_up.is_set():
            self._problem = wanted[0].hiring.starts.problem
            self.gave_up.set()

    def why_it_gave_up(self) -> CannotServe:
        """What to say of it."""
        return CannotServe(
            f"workers of {shown(self._target)} do not start, and none is left: {self._problem}"
        )

    @property
    def standbys(self) -> int:
        """How many processes have done part of a worker's start."""
        return self._agency.standbys

    def deliveries_resting(self) -> Mapping[str, int]:
        """The lanes to which nothing is sent for now, and until when, in milliseconds since the epoch."""
        return self._deliveries.resting()

    async def end_job(self, record: Record, result: Result, reason: str) -> bool:
        """End a job that may run; False when it has moved on since it was seen in `record`."""
        return await self._housekeeping.end(record, result, reason)

    async def close(self, grace: float, *, hurry: bool = False) -> None:
        """Stop in good order: running jobs have `grace` seconds, then go back to the queue.

        In a `hurry` workers are killed, and `worker_stop` is not run.
        """
        pools = self._all_pools()
        await asyncio.gather(*(pool.close(grace, hurry=hurry) for pool in pools))
        await self._agency.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.printed.close()
        await self._deliveries.close(0 if hurry else DELIVERY_GRACE)

    async def _tidy(self) -> None:
        await self._scratch.tidy(self.store, self._runs_here)

    def _runs_here(self, job: str) -> bool:
        """Whether a worker has a run of this job, also one that is told to stop."""
        workers = [worker for pool in self._all_pools() for worker in pool.staff.workers]
        return any(
            run.record.id == job for worker in workers for run in (*worker.busy.values(), *worker.before)
        )

    def _all_pools(self) -> list[Pool]:
        return [*self.pools.values(), *self._closing]

    def _all_runs(self) -> Iterator[Runs]:
        return (pool.runs for pool in self._all_pools())
