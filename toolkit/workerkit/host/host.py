"""The host: one object over the queue, the workers, the ends of jobs, and what happens on the side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence

from workerkit.errors import TargetError
from workerkit.handlers import shown
from workerkit.hooks import Hooks
from workerkit.host.catalogue import Catalogue
from workerkit.host.deliveries import Deliveries
from workerkit.host.ends import Ends
from workerkit.host.housekeeping import Housekeeping
from workerkit.host.pool import Agency, Pool
from workerkit.host.runs import Runs
from workerkit.host.sealing import Sealer
from workerkit.host.sizes import sizes
from workerkit.host.tasks import background
from workerkit.host.vault import Vault
from workerkit.host.worker import Worker
from workerkit.queue import Store
from workerkit.settings import Settings
from workerkit.wire import PROTOCOL, Chunk, Descriptor, JobEnd, PluginRef, Progress, Start

log = logging.getLogger(__name__)

#: Seconds that deliveries under way have when the host stops.
DELIVERY_GRACE = 5.0


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
    ) -> None:
        self.settings = settings
        self.store = store
        self.hooks = hooks
        self.sealer = sealer
        self.catalogue = Catalogue(store)
        self.ends = Ends(store, hooks)
        self.pools: dict[str, Pool] = {}
        self.vault = Vault(sealer, hooks)
        self._holder = holder
        first = Start(
            protocol=PROTOCOL,
            worker_id="",
            target=target,
            plugins=list(worker_plugins),
            output_limit=settings.limits.output,
            chunk_limit=settings.limits.chunk,
            depth=settings.limits.depth,
            tracebacks=settings.workers.tracebacks,
        )
        self._agency = Agency(first, environment)
        self._deliveries = Deliveries(store, hooks)
        self._housekeeping = Housekeeping(store, self.ends, self._all_runs, settings.queue.lease)
        self._tasks: list[asyncio.Task[None]] = []
        self._target = shown(target)

    async def open(self) -> None:
        """Take over the queue: what an earlier run left goes on, and known endpoints accept jobs."""
        returned = await self.store.recover(self._holder)
        if returned:
            log.info("jobs of an earlier run that are back in the queue: %d", returned)
        await self.catalogue.load()
        await self._deliveries.hold_leftovers()
        self._tasks = [
            background(self._deliveries.run(), "sending deliveries"),
            background(self._housekeeping.run(), "housekeeping"),
        ]

    async def start(self) -> None:
        """Find the functions and hire the workers.

        Raises `TargetError` when the target cannot be loaded.
        """
        discovered = await self._discover()
        count = sizes(self.settings.workers.count, self.catalogue.names)
        self.pools = {
            function.name: self._pool(function, count[function.name]) for function in self.catalogue.functions
        }
        first: Worker | None = discovered
        for pool in self.pools.values():
            adopts = pool.size > 0
            pool.start(first if adopts else None)
            first = None if adopts else first
        if first is not None:
            first.kill("no workers are wanted")

    def _pool(self, function: Descriptor, size: int) -> Pool:
        runs = Runs(function, self.store, self.ends, self.vault, self.settings, self._holder, self.store.now)
        return Pool(function, size, runs, self._agency, self.settings.workers)

    async def _discover(self) -> Worker:
        """Start a worker and learn from it which functions there are."""
        discovery = _Discovery()
        worker = await self._agency.hire(discovery)
        timeout = self.settings.workers.start_timeout
        try:
            functions = await asyncio.wait_for(discovery.found, timeout)
        except asyncio.TimeoutError:
            worker.kill("it took too long to load the target")
            raise TargetError(
                f"{self._target} was not imported within workers.start_timeout, {timeout:g} s"
            ) from None
        for name in await self.catalogue.discovered(functions):
            waiting = (await self.store.counts(name)).in_queue
            if waiting:
                log.warning("jobs that wait for %r, which %s does not hold: %d", name, self._target, waiting)
        return worker

    def stop_run(self, id: str, attempt: int, reason: str) -> None:
        """Stop a run whose job has ended otherwise."""
        self._housekeeping.stop(id, attempt, reason)

    async def close(self, grace: float) -> None:
        """Stop in good order: running jobs have `grace` seconds, then go back to the queue."""
        await asyncio.gather(*(pool.close(grace) for pool in self.pools.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._deliveries.close(DELIVERY_GRACE)

    def _all_runs(self) -> Iterator[Runs]:
        return (pool.runs for pool in self.pools.values())


class _Discovery:
    """Owns the first worker until it has said which functions there are."""

    def __init__(self) -> None:
        self.found: asyncio.Future[list[Descriptor]] = asyncio.get_running_loop().create_future()

    def on_hello(self, worker: Worker, functions: list[Descriptor]) -> None:
        if not self.found.done():
            self.found.set_result(functions)

    def on_death(self, worker: Worker) -> None:
        if not self.found.done():
            self.found.set_exception(
                TargetError(worker.unfit or f"the worker {worker.process.how_it_ended()}")
            )

    def on_ready(self, worker: Worker) -> None: ...
    def on_chunk(self, worker: Worker, frame: Chunk) -> None: ...
    def on_progress(self, worker: Worker, frame: Progress) -> None: ...
    def on_end(self, worker: Worker, frame: JobEnd) -> None: ...
