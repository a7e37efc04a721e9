"""The workers of one function: hired, ready, refreshed one by one, replaced when they die."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from workerkit.host.agency import Agency
from workerkit.host.hiring import Hiring, expect, may_start, to_open
from workerkit.host.meter import Meter
from workerkit.host.refreshing import RELOAD, Refreshing
from workerkit.host.runs import Runs
from workerkit.host.scaling import Scaling
from workerkit.host.sizes import Size
from workerkit.host.supply import Slot
from workerkit.host.tasks import background
from workerkit.host.worker import Owner, Worker
from workerkit.queue import Store
from workerkit.settings import WorkersSettings
from workerkit.wire import Descriptor, Refresh, Resize

log = logging.getLogger(__name__)


class Pool(Owner):
    """Keeps as many workers of one function alive as are wanted, within its size.

    Those that are leaving do not count: a refresh never makes a pool smaller or larger.
    """

    def __init__(
        self,
        function: Descriptor,
        size: Size,
        runs: Runs,
        agency: Agency,
        store: Store,
        settings: WorkersSettings,
        meter: Meter,
        gave_up: Callable[[], None],
    ) -> None:
        self.function = function
        self.size = size
        self.runs = runs
        self.workers: set[Worker] = set()
        self.wanted = size.least
        self.hiring = Hiring(function.name, self, agency, meter, self._adopt, self._not_hired)
        self._agency = agency
        self._settings = settings
        self._meter = meter
        self._gave_up = gave_up
        self._supplying: asyncio.Task[None] | None = None
        self._scaling = Scaling(function.name, self, store)
        self._refreshing = Refreshing(function.name, self, meter)
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()
        runs.work_for(self)

    @property
    def staying(self) -> list[Worker]:
        """Workers that are not leaving."""
        return [worker for worker in self.workers if not worker.leaving and not worker.understudy]

    @property
    def ready(self) -> int:
        """How many workers can take jobs, or have some."""
        return sum(worker.ready for worker in self.staying)

    @property
    def starting(self) -> int:
        """How many workers are on their way."""
        return sum(not worker.ready for worker in self.staying) + self.hiring.count

    @property
    def coming(self) -> int:
        """Slots of workers that are on their way."""
        return self.starting * self.function.concurrency

    def start(self, first: Worker | None = None) -> None:
        """Begin to take jobs, with `first` as a worker that has loaded the target already."""
        self._supplying = background(self.runs.supply.run(), f"taking jobs of {self.function.name}")
        if first is not None and not first.gone:
            self.wanted = max(self.wanted, 1)
            first.owner = self
            self._adopt(first)
        self._fill()
        self._scaling.over(self.size, self._settings)

    def reload(self, function: Descriptor, size: Size, settings: WorkersSettings) -> None:
        """Serve by a new descriptor and new settings; the workers are replaced one by one."""
        self.function, self.size, self._settings = function, size, settings
        self.wanted = min(max(self.wanted, size.least), size.most)
        self.hiring.starts.succeeded()
        for worker in self.staying[self.wanted :]:
            self.let_go(worker)
        for worker in self.staying:
            self._refreshing.ask(worker, RELOAD)
        self._fill()
        self._scaling.over(self.size, self._settings)
        self._refreshing.next_turn()

    def grow(self) -> None:
        """One worker more."""
        self.wanted += 1
        log.info("%s: jobs wait, so there will be %d workers", self.function.name, self.wanted)
        self._fill()

    def shrink(self, worker: Worker) -> None:
        """One worker less: this one, which has nothing to do."""
        self.wanted -= 1
        log.info("%s has nothing to do and goes; of %s stay %d", worker.id, self.function.name, self.wanted)
        self.let_go(worker)

    # Hiring: a worker is adopted, assigned when it may start, and its slots are opened when it is ready.

    def _fill(self) -> None:
        """Hire until there are enough."""
        missing = self.wanted - len(self.staying)
        if not self._settings.overlap:
            missing -= len(self.hiring.left)
        self.hiring.hire(missing)

    def _adopt(self, worker: Worker) -> None:
        if len(self.staying) >= self.wanted and not worker.understudy:  # fewer are wanted since it was hired
            self._agency.keep(worker)
            return
        self.workers.add(worker)
        self._empty.clear()
        worker.listener = self.runs
        expect(worker, self._settings.start_timeout)
        if worker.gone:  # a standby that died as it was taken
            self.on_death(worker)
        elif worker.functions is not None:
            self.on_hello(worker, worker.functions)
        else:
            self._assign(worker)

    def _not_hired(self, predecessor: Worker | None) -> None:
        """The process could not be made."""
        if predecessor is not None:
            self._refreshing.not_taken_over(predecessor, self.hiring.starts.pause)
        self._fill()

    def _assign(self, worker: Worker) -> None:
        if not worker.slots and may_start(worker, overlap=self._settings.overlap):
            worker.assign(self.function.name, self.function.concurrency)
            expect(worker, self._settings.start_timeout)

    def on_hello(self, worker: Worker, functions: list[Descriptor]) -> None:
        """It has imported the target; the function must still be there."""
        if self.function.name not in {function.name for function in functions}:
            worker.unfit = f"the target holds no function {self.function.name!r} any more"
            worker.kill("it cannot serve")
            return
        if worker.understudy and worker.predecessor is not None:
            self._refreshing.taken_over(worker.predecessor)
            self.let_go(worker.predecessor)
        self._assign(worker)
        if not worker.slots:
            expect(worker, None)

    def on_ready(self, worker: Worker) -> None:
        """Its slots are open."""
        self.hiring.starts.succeeded()
        expect(worker, None)
        log.info("%s is ready for %s (pid %d)", worker.id, self.function.name, worker.process.pid)
        self._open(worker)
        self._fill()
        self._refreshing.next_turn()
        self._agency.refill()

    def _open(self, worker: Worker) -> None:
        for number in to_open(worker):
            self.runs.supply.offer(Slot(worker, number))

    # Replacing.

    @property
    def replacing(self) -> int:
        """How many leave, with nobody on the way who takes over."""
        understudies = sum(worker.understudy for worker in self.workers)
        return len(self.hiring.left) + self.hiring.rehearsing + understudies

    def on_refresh(self, worker: Worker, frame: Refresh) -> None:
        """It asks to be replaced when it is its turn."""
        if worker in self.workers and not worker.leaving:
            self._refreshing.ask(worker, frame.reason, last=frame.last)

    def replace(self, worker: Worker, reason: str) -> None:
        """Have another take over from it at once. Jobs in its other slots have a while to end."""
        self._refreshing.at_once(worker, reason, self._settings.refresh_grace)

    def needs_fresh(self) -> None:
        """A job that crashed a worker waits for one in which none has run."""
        if not self.wanted:  # it shrank while they waited
            self.grow()
        self._refreshing.make_fresh(self.runs.supply.lonely)

    def prepare(self, worker: Worker) -> None:
        """Hire one that takes over from it; until that is about to, it goes on."""
        if self._settings.overlap:
            self.hiring.understudy(worker)
        else:
            self._refreshing.taken_over(worker)
            self.succeed(worker)

    def succeed(self, worker: Worker) -> None:
        """Let it go, and hire one that takes over from it."""
        self.hiring.left.append(worker)
        self.let_go(worker)
        self._fill()

    def let_go(self, worker: Worker) -> None:
        """It takes nothing more, and ends once its jobs are over and their ends are stored."""
        worker.leaving = True
        self._refreshing.forget(worker)
        self.runs.supply.withdraw(worker)
        if worker.was_ready:
            self.settled(worker)
        else:
            worker.drained = True
            worker.kill("it is not needed any more")
        for understudy in [other for other in self.workers if other.predecessor is worker]:
            if len(self.staying) > self.wanted:
                self.let_go(understudy)

    def settled(self, worker: Worker) -> None:
        """The end of one of its runs is stored."""
        if worker.leaving and not worker.busy and not worker.unsettled and not worker.drained:
            worker.drain()
        for successor in self.workers if worker.leaving else ():
            if successor.predecessor is worker:
                self._open(successor)

    # What workers say while they run.

    def on_resize(self, worker: Worker, frame: Resize) -> None:
        """It runs another number of jobs at a time from now on."""
        log.info("%s runs %d jobs at a time", worker.id, frame.slots)
        worker.slots = frame.slots
        if frame.slots < worker.opened:
            worker.opened = frame.slots
            self.runs.supply.withdraw(worker, frame.slots)
        self._open(worker)

    def on_death(self, worker: Worker) -> None:
        """A worker is gone: its jobs are seen to, and another takes its place."""
        self.workers.discard(worker)
        self._refreshing.forget(worker)
        self.hiring.forget(worker)
        self.runs.supply.withdraw(worker)
        expect(worker, None)
        self._say_how(worker)
        if worker.understudy and worker.predecessor is not None:
            self._refreshing.not_taken_over(worker.predecessor, max(self.hiring.starts.pause, 1.0))
        self.runs.lost(worker)
        for successor in self.workers:
            if successor.predecessor is worker:
                successor.predecessor = None
                self._assign(successor)
                self._open(successor)
        self._fill()
        self._refreshing.next_turn()
        if not self.workers:
            self._empty.set()

    def _say_how(self, worker: Worker) -> None:
        """A worker has ended: of its own, or as it was told."""
        if worker.drained or self._closing:
            return
        if worker.was_ready:
            log.warning("%s %s", worker.id, worker.how_it_ended)
            if not worker.killed_for:
                self._meter.worker_died(self.function.name)
        else:
            why = worker.unfit or worker.how_it_ended
            self.hiring.failed(why, passing=worker.passing, who=worker.id)
        if self.hiring.starts.hopeless and not self.ready:
            self._gave_up()

    async def close(self, grace: float) -> None:
        """Take no more jobs, let those that run end within `grace` seconds, then let the workers go."""
        self._closing = True
        self._scaling.close()
        if self._supplying is not None:
            self._supplying.cancel()
            await asyncio.wait({self._supplying})
        await self.runs.wait_idle(grace)
        await self.runs.give_back()
        self.hiring.close()
        for worker in list(self.workers):
            if not worker.drained:
                worker.drain()
        await self._empty.wait()
