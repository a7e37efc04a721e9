"""Where workers come from: new processes, and standbys that have done part of the start ahead."""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

import attrs
import msgspec

from workerkit.host.gpus import VISIBLE
from workerkit.host.launch import Launch
from workerkit.host.owner import Owner
from workerkit.host.printed import Logbook
from workerkit.host.starts import Starts
from workerkit.host.tasks import background
from workerkit.host.worker import Worker
from workerkit.wire import Descriptor, Start

log = logging.getLogger(__name__)

#: A standby is made once the worker that took the last one is ready, or after so many seconds. Then its first
#: job, which may have waited for it, has so many to itself: to start a process takes a while.
REFILL_AFTER, FIRST_JOB = 2.0, 0.05


@attrs.frozen(kw_only=True)
class Plan:
    """What workers are told at their start. `devices` are GPUs, which workers get one of each."""

    first: Start
    environment: Mapping[str, str] = attrs.field(repr=False)
    devices: Sequence[str] = ()
    #: See `WorkersSettings`.
    prewarm: str = "toolkit"
    warm: int = 1

    @property
    def shares_out(self) -> bool:
        """Whether a worker that has imported the target may have the wrong one of several GPUs."""
        return len(self.devices) > 1

    @property
    def imports_ahead(self) -> bool:
        """Whether a standby imports the target."""
        return self.prewarm == "module" and not self.shares_out

    @property
    def standbys(self) -> int:
        """How many are kept."""
        return 0 if self.prewarm == "off" else self.warm


class Agency:
    """Starts worker processes for all pools, and keeps standbys for whoever needs a worker next."""

    def __init__(self, plan: Plan, book: Logbook) -> None:
        self.plan = plan
        self._book = book
        #: Started ahead, for the first that is to `discover`.
        self.first: Worker | None = None
        self._standbys: deque[Worker] = deque()
        self._bench = _Bench(self)
        #: How many living workers have each GPU.
        self._devices: Counter[str] = Counter()
        self._launching = 0
        self._starts = Starts()
        self._refilling: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def begin(self, launch: Launch | None = None) -> None:
        """Start the process that `discover` will take first: it loads while the rest of the host comes up.

        `launch` is one that has been started, and is taken if it has the plan's environment.
        """
        with suppress(OSError):  # `discover` tries again, and says what is wrong
            self.first = await self._launch(self._bench, self.plan, launch)
            self._tell(self.first, self.plan)

    async def hire(self, owner: Owner, device: str | None = None) -> Worker:
        """A worker process that loads the target, a standby if there is one; `owner` hears of it.

        `device` is the GPU that it gets; without one that is there, that which the fewest have.
        """
        worker = self._take()
        if worker is None:
            worker = await self._launch(owner, self.plan)
        worker.owner = owner
        if worker.plan is None:
            self._tell(worker, self.plan, device)
        self._refill_after(REFILL_AFTER)
        return worker

    async def discover(self, owner: Owner, plan: Plan) -> Worker:
        """A new worker process that loads the target by a plan which may not be that of the others."""
        worker, self.first = self.first, None
        if worker is None:
            worker = await self._launch(owner, plan)
            self._tell(worker, plan)
        worker.owner = owner
        if worker.gone:  # it was heard of by nobody who minds
            owner.on_death(worker)
        return worker

    def outdated(self, worker: Worker) -> bool:
        """Whether what it was told to load has been reloaded since."""
        return worker.plan is not self.plan

    def keep(self, worker: Worker) -> None:
        """Make a standby of a worker that has imported the target and has nothing to serve."""
        worker.owner = self._bench
        useful = self.plan.standbys and not self.plan.shares_out and not self.outdated(worker)
        if worker.gone or self._closing or not useful:
            worker.kill("nobody needs it")
        else:
            self._standbys.appendleft(worker)

    def renew(self, plan: Plan) -> None:
        """Start workers by another plan from now on; standbys of the old one go."""
        self.plan = plan
        for worker in self._standbys:
            worker.kill("it was started for what has been reloaded since")
        self._standbys.clear()
        self._refill_after(REFILL_AFTER)

    def is_ready(self) -> None:
        """A worker that somebody waited for is there."""
        if self._refilling is not None:
            self._refilling.cancel()
            self._refilling = None
        self._refill_after(FIRST_JOB)

    def _refill(self) -> None:
        """Make standbys, as many as are missing."""
        self._refilling = None
        if self._closing:
            return
        for _ in range(self.plan.standbys - len(self._standbys) - self._launching):
            self._launching += 1
            background(self._make(), "making a standby", self._tasks)

    async def close(self) -> None:
        """Let the standbys go."""
        self._closing = True
        if self._refilling is not None:
            self._refilling.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        standbys = [*self._standbys, *([self.first] if self.first else [])]
        self._standbys.clear()
        for worker in standbys:
            worker.kill("the host is stopping")
        await asyncio.gather(*(worker.process.ended for worker in standbys))

    @property
    def standbys(self) -> int:
        """How many there are now."""
        return len(self._standbys)

    def _take(self) -> Worker | None:
        while self._standbys:
            worker = self._standbys.popleft()
            if not worker.leaving:
                return worker
        return None

    async def _make(self) -> None:
        plan = self.plan
        try:
            worker = await self._launch(self._bench, plan)
        finally:
            self._launching -= 1
        if plan is not self.plan or self._closing:
            worker.kill("it is a standby for what has been reloaded since")
            return
        if plan.imports_ahead:
            self._tell(worker, plan)
        self._standbys.append(worker)

    async def _launch(self, owner: Owner, plan: Plan, launch: Launch | None = None) -> Worker:
        worker = Worker(f"worker-{uuid.uuid4().hex[:8]}", owner, self._book)
        there = launch if launch is not None and launch.environment == plan.environment else None
        launching = asyncio.ensure_future(worker.launch(plan.environment, there))
        try:
            await asyncio.shield(launching)
        except asyncio.CancelledError:  # a process that is being started must not be left behind
            await asyncio.wait({launching})
            if launching.exception() is None:
                worker.kill("nobody needs it any more")
            raise
        return worker

    def _tell(self, worker: Worker, plan: Plan, device: str | None = None) -> None:
        """Say what it shall load."""
        worker.plan, environ = plan, {}
        if plan.devices:
            fits = device if device in plan.devices else None
            chosen = fits or min(plan.devices, key=lambda known: self._devices[known])
            worker.device = environ[VISIBLE] = chosen
            self._devices[chosen] += 1
            worker.process.ended.add_done_callback(lambda _: self._devices.subtract([chosen]))
        tag = secrets.token_hex(8)
        worker.begin(msgspec.structs.replace(plan.first, worker_id=worker.id, environ=environ, tag=tag))

    def _refill_after(self, seconds: float) -> None:
        if self._refilling is None and not self._closing and self.plan.standbys:
            self._refilling = asyncio.get_running_loop().call_later(seconds, self._refill)

    def lost(self, worker: Worker) -> None:
        """A standby has died, of itself: the target does not load, or somebody killed it."""
        if worker not in self._standbys:
            return
        self._standbys.remove(worker)
        if self._starts.failed(worker.why_not_ready(), self._starts.round, passing=False):
            log.warning("standby %s is gone: %s", worker.id, self._starts.problem)
        self._refill_after(self._starts.pause)

    def imported(self) -> None:
        """A standby has imported the target."""
        self._starts.succeeded()


class _Bench(Owner):
    """Owns standbys until somebody takes them."""

    def __init__(self, agency: Agency) -> None:
        self._agency = agency

    def on_hello(self, worker: Worker, functions: list[Descriptor]) -> None:
        self._agency.imported()

    def on_death(self, worker: Worker) -> None:
        self._agency.lost(worker)
