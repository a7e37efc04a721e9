"""The composition root: settings in, one running application out."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import os
import secrets
import socket
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import attrs

from workerkit.bridge import Bridge
from workerkit.environment import worker_environment
from workerkit.errors import QueueError, SettingsError, WorkerkitError
from workerkit.handlers import shown
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit.host.host import Host
from workerkit.host.intake import Intake
from workerkit.host.jobs import Jobs
from workerkit.host.launch import Launch
from workerkit.host.leftovers import end_leftovers, marks
from workerkit.host.metrics import PrometheusMeter
from workerkit.host.scratch import Scratch
from workerkit.host.sealing import Sealer
from workerkit.host.strays import become_subreaper
from workerkit.loading import load_plugins, worker_refs
from workerkit.location import file_of
from workerkit.opening import identity, publish, rival_on, store_of
from workerkit.reloading import Reloading
from workerkit.rereading import check_counts, without_effect
from workerkit.server.listen import bind
from workerkit.settings import Settings
from workerkit.signals import stop_signals
from workerkit.target import check_file
from workerkit.wire import Descriptor

log = logging.getLogger(__name__)

#: A waiting thread gets the interpreter after this many seconds. The default of 5 ms would be added
#: to a commit whenever the event loop is busy.
SWITCH_INTERVAL = 0.0005
#: Objects that come between two looks for garbage in cycles, of which the host makes next to none.
GARBAGE = (10_000, 20, 50)


@attrs.frozen
class Started:
    """What start-up tells the person who typed the command.

    `url` is good on this machine; `everywhere` says that others reach the server at its other
    addresses, `needs_key` that every caller must send a key. `workers` counts them by function.
    """

    url: str
    everywhere: bool
    needs_key: bool
    functions: Sequence[Descriptor]
    workers: Mapping[str, int]
    plugins: Sequence[LoadedPlugin]
    queue: str
    source: str


class App:
    """`workerkit serve`: host, API and workers in one process tree."""

    def __init__(
        self,
        settings: Settings,
        target: str,
        on_start: Callable[[Started], None],
        read_again: Callable[[], Settings] | None = None,
        launch: Launch | None = None,
    ) -> None:
        self._settings = settings
        self._read_again = read_again or (lambda: settings)
        self._target = target
        self._on_start = on_start
        #: The first worker's process, which has been started ahead.
        self._launch = launch
        self._holder = uuid.uuid4().hex

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; SIGHUP reads code and settings again.

        Raises a `WorkerkitError` for whatever stops the start, and `CannotServe` when workers that
        served do not start any more.
        """
        sys.setswitchinterval(SWITCH_INTERVAL)
        become_subreaper()
        settings, bridge = self._settings, Bridge()
        check_file(self._target)
        check_counts(settings)
        plugins = load_plugins(settings)
        hooks = Hooks(plugins, bridge)
        for sentence in (*hooks.retired, *without_effect(settings)):
            log.warning("%s", sentence)
        with _bound(settings) as listening:
            meter = PrometheusMeter()
            store = store_of(settings, hooks, self._holder, meter.batch)
            # In a thread: while the queue waits for its disk, and after the first worker was told what to load.
            server = asyncio.ensure_future(asyncio.to_thread(import_module, "workerkit.server.serving"))
            await store.open()
            await self._end_leftovers()
            sealer = Sealer.from_settings(settings.queue, file_of(settings.queue.url))
            scratch = _scratch(settings)
            host = Host(
                settings=settings,
                target=self._target,
                store=store,
                hooks=hooks,
                sealer=sealer,
                worker_plugins=worker_refs(plugins),
                environment=self._environment(),
                holder=self._holder,
                scratch=scratch,
                meter=meter,
            )
            try:
                await host.open(self._launch)
                await server
                gc.freeze()  # what is there now stays
                gc.set_threshold(*GARBAGE)
                gc.enable()
                await self._serve(host, Intake(hooks, sealer, settings), listening)
            finally:
                scratch.close()
                await store.close()
                bridge.close()

    def _environment(self) -> dict[str, str]:
        return worker_environment() | marks(file_of(self._settings.queue.url))

    async def _end_leftovers(self) -> None:
        """The queue is ours; before its jobs run again, what an earlier host could not end any more is ended."""
        queue = file_of(self._settings.queue.url)
        if queue is not None and (left := await asyncio.to_thread(end_leftovers, queue)):
            log.warning("processes that jobs of an earlier run had left, and that were killed: %d", left)

    async def _serve(self, host: Host, intake: Intake, listening: socket.socket) -> None:
        """The API answers while workers load."""
        from workerkit.server import Api, serve

        token, stop_api = secrets.token_urlsafe(32), asyncio.Event()
        url, everywhere = _address(listening)
        reloading = Reloading(host, self._target, self._settings, self._read_again, self._environment)
        with stop_signals(reloading.ask) as (stop, hurry):
            jobs = Jobs(host, intake)
            api = Api(jobs, self._settings, token)
            starting = asyncio.create_task(host.start())
            serving = asyncio.create_task(serve(api, listening, self._settings, stop_api, hurry))
            publish(host.store, url, token)
            log.info("process %d listens on %s, and loads %s", os.getpid(), url, shown(self._target))
            started = False
            try:
                if started := await _before(starting, stop, serving):
                    self._announce(host, url, everywhere)
                    reloading.start()
                    await _before(asyncio.create_task(host.gave_up.wait()), stop, serving)
                    _say_what_runs(host, host.settings.workers.shutdown_grace)
            finally:
                jobs.stopping = True
                await reloading.close()
                await self._close(host, hurry)
                stop_api.set()
                await serving
            if started:
                await _say_what_waits(host)
            if host.gave_up.is_set():
                raise host.why_it_gave_up()

    def _announce(self, host: Host, url: str, everywhere: bool) -> None:
        settings = self._settings
        self._on_start(
            Started(
                url=url,
                everywhere=everywhere,
                needs_key=bool(settings.server.keys),
                functions=host.catalogue.functions,
                workers={name: pool.size.most for name, pool in host.pools.items()},
                plugins=host.hooks.plugins,
                queue=settings.queue.url,
                source=settings.provenance,
            )
        )

    async def _close(self, host: Host, hurry: asyncio.Event) -> None:
        """Within the grace, or at once when a second signal comes."""
        closing = asyncio.create_task(host.close(host.settings.workers.shutdown_grace))
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait({closing, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not closing.done():
            closing.cancel()
            await asyncio.wait({closing})
            closing = asyncio.create_task(host.close(0, hurry=True))
        await closing


async def _before(working: asyncio.Task[Any], stop: asyncio.Event, serving: asyncio.Task[None]) -> bool:
    """Let it work unless a stop comes first or the API ends; True when it was done."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopped, serving}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
        return False
    working.result()
    return True


def _bound(settings: Settings) -> socket.socket:
    """The listening socket; a port that this queue's own server has is told apart from others."""
    try:
        return bind(settings.server)
    except SettingsError as error:
        rival = rival_on(settings.queue, settings.server.port)
        raise (error if rival is None else rival) from error.__cause__


def _scratch(settings: Settings) -> Scratch:
    """The folder for the jobs' own. Where there is none by default, only a job that asks for one fails."""
    scratch = Scratch(identity(settings.queue), settings.workers.scratch)
    try:
        scratch.open()
    except WorkerkitError as error:
        if settings.workers.scratch:
            raise
        log.warning("no job can have a folder of its own: %s", error)
    return scratch


def _say_what_runs(host: Host, grace: float) -> None:
    running = sum(len(worker.busy) for pool in host.pools.values() for worker in pool.staff.workers)
    if running:
        have = "1 running job has" if running == 1 else f"{running} running jobs have"
        them = "it" if running == 1 else "them"
        log.info("stopping: %s %g s; Ctrl-C again to put %s back into the queue now", have, grace, them)


async def _say_what_waits(host: Host) -> None:
    waiting = 0
    try:
        for name in await host.store.endpoints():
            waiting += (await host.store.counts(name)).in_queue
    except QueueError as error:
        log.warning("stopped; how many jobs wait is not known: %s", error)
        return
    log.info("stopped; %s in the queue", "1 job waits" if waiting == 1 else f"{waiting} jobs wait")


def _address(listening: socket.socket) -> tuple[str, bool]:
    """A url that can be called from this machine, and whether all its other addresses serve too."""
    host, port = listening.getsockname()[:2]
    everywhere = ipaddress.ip_address(host.partition("%")[0]).is_unspecified
    if everywhere:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", everywhere
