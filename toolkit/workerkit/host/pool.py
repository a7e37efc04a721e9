"""The workers of one function: hired, ready, refreshed one by one, replaced when they die."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workerkit.host import telling
from workerkit.host.agency import Agency
from workerkit.host.hiring import Hiring, expect, may_start, to_open
from workerkit.host.meter import Meter
from workerkit.host.owner import Owner
from workerkit.host.refreshing import Refreshing
from workerkit.host.runs import Runs
from workerkit.host.scaling import Scaling
from workerkit.host.sizes import Size
from workerkit.host.staff import Staff
from workerkit.host.supply import Slot
from workerkit.host.tasks import background
from workerkit.host.worker import Worker
from workerkit.queue import Store
from workerkit.settings import WorkersSettings
from workerkit.wire import Descriptor, Refresh, Resize


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
        self.wanted = size.least
        #: Whether it serves, or would but for a refresh.
        self.up = False
        self.hiring = Hiring(function.name, self, agency, meter, self._adopt, self._not_hired)
        self.staff = Staff(self.hiring)
        self._agency = agency
        self._settings = settings
        self._meter = meter
        self._gave_up = gave_up
        self._supplying: asyncio.Task[None] | None = None
        self._scaling = Scaling(function.name, self, self.staff, store)
        self._refreshing = Refreshing(function.name, self, self.staff, meter)
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()
        runs.employer = self

    @property
    def coming(self) -> int:
        """Slots of workers that are on their way, less those of workers that jobs will have for themselves."""
        return (self.staff.starting - self.runs.supply.lonely) * self.function.concurrency

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
        for worker in self.staff.staying[self.wanted :]:
            self.let_go(worker)
        for worker in [*self.staff.workers]:
            if self._agency.outdated(worker) and not worker.leaving:
                self._refreshing.renew(worker)
        self._fill()
        self._scaling.over(self.size, self._settings)
        self._refreshing.next_turn()

    def grow(self) -> None:
        """One worker more."""
        self.wanted += 1
        telling.grows(self.function.name, self.wanted)
        self._fill()

    def shrink(self, worker: Worker) -> None:
        """One worker less: this one, which has nothing to do."""
        self.wanted -= 1
        telling.shrinks(worker, self.wanted)
        self.let_go(worker)

    # Hiring: a worker is adopted, assigned when it may start, and its slots are opened when it is ready.

    def _fill(self) -> None:
        """Hire until there are enough."""
        missing = self.wanted - len(self.staff.staying)
        if not self._settings.overlap:
            missing -= len(self.hiring.left)
        self.hiring.hire(missing)

    def _adopt(self, worker: Worker) -> None:
        surplus = len(self.staff.staying) >= self.wanted  # fewer are wanted since it was hired
        if surplus and not worker.understudy:
            self._agency.keep(worker)
            return
        self.staff.workers.add(worker)
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
            self.staff.wants_successor(predecessor)
        self._fill()

    def _assign(self, worker: Worker) -> None:
        if not worker.slots and may_start(worker, overlap=self._settings.overlap):
            worker.assign(self.function.name, self.function.concurrency)
            expect(worker, self._settings.start_timeout)

    def on_hello(self, worker: Worker, functions: list[Descriptor]) -> None:
        """It has imported the target; the function must still be there."""
        if worker.leaving:
            return
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
        self._refreshing.next_turn()

    def on_ready(self, worker: Worker) -> None:
        """Its slots are open."""
        self.hiring.starts.succeeded()
        self.up = True
        expect(worker, None)
        telling.is_ready(worker)
        self._open(worker)
        self._fill()
        self._refreshing.next_turn()
        self._agency.is_ready()

    def _open(self, worker: Worker) -> None:
        for number in to_open(worker):
            self.runs.supply.offer(Slot(worker, number))

    # Replacing.

    def on_refresh(self, worker: Worker, frame: Refresh) -> None:
        """It asks to be replaced when it is its turn."""
        if worker in self.staff.workers and not worker.leaving:
            self._refreshing.ask(worker, worker.output.clean(frame.reason), last=frame.last)

    def replace(self, worker: Worker, reason: str) -> None:
        """Have another take over from it at once. Jobs in its other slots have a while to end."""
        self._refreshing.at_once(worker, reason, self._settings.refresh_grace)

    def needs_fresh(self) -> None:
        """A job that crashed a worker waits for one in which none has run."""
        supply = self.runs.supply
        self._scaling.wait_alone(supply.lonely_for)
        self._refreshing.make_fresh(supply.lonely)

    def retire(self, worker: Worker) -> None:
        """It takes nothing more, and stays until it is its turn to be replaced."""
        worker.retiring, worker.opened = True, 0
        self.runs.supply.withdraw(worker)

    def prepare(self, worker: Worker) -> None:
        """Hire one that takes over from it; until that is about to, it goes on."""
        if self._settings.overlap:
            self.hiring.understudy(worker)
        else:
            self._refreshing.taken_over(worker)
            self.succeed(worker)

    def succeed(self, worker: Worker) -> None:
        """Let it go, and hire one that takes over from it."""
        self.let_go(worker)
        self.staff.wants_successor(worker)
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
        for understudy in self.staff.successors(worker):
            if len(self.staff.staying) > self.wanted:
                self.let_go(understudy)

    def settled(self, worker: Worker) -> None:
        """The end of one of its runs is stored."""
        if worker.leaving and not worker.busy and not worker.unsettled and not worker.drained:
            worker.drain()
        for successor in self.staff.successors(worker) if worker.leaving else ():
            self._open(successor)

    # What workers say while they run.

    def on_resize(self, worker: Worker, frame: Resize) -> None:
        """It runs another number of jobs at a time from now on."""
        telling.resized(worker, frame.slots)
        worker.slots = frame.slots
        if frame.slots < worker.opened:
            worker.opened = frame.slots
            self.runs.supply.withdraw(worker, frame.slots)
        self._open(worker)

    def on_death(self, worker: Worker) -> None:
        """A worker is gone: its jobs are seen to, and another takes its place."""
        self._refreshing.forget(worker)
        self.runs.supply.withdraw(worker)
        expect(worker, None)
        self._say_how(worker)
        if worker.understudy and worker.predecessor is not None:
            self._refreshing.not_taken_over(worker.predecessor, max(self.hiring.starts.pause, 1.0))
        heirs = self.staff.lost(worker)
        self.runs.lost(worker)
        for heir in heirs:
            self._assign(heir)
            self._open(heir)
        self._fill()
        self._refreshing.next_turn()
        if not self.staff.workers:
            self._empty.set()

    def _say_how(self, worker: Worker) -> None:
        """A worker has ended: of its own, or as it was told."""
        if worker.drained or self._closing:
            return
        if worker.was_ready:
            telling.has_died(worker)
            if not worker.killed_for:
                self._meter.worker_died(self.function.name)
                self.up = bool(self.staff.ready)
        else:
            why = worker.why_not_ready()
            self.hiring.failed(why, worker.round, passing=worker.passing, who=worker.id)
        if self.staff.hopeless:
            self._gave_up()

    async def close(self, grace: float, *, hurry: bool = False) -> None:
        """Take no more jobs, let those that run end within `grace` seconds, then let the workers go.

        In a `hurry` they are killed, and `worker_stop` is not run.
        """
        self._closing = True
        self._scaling.close()
        self.hiring.close()
        if self._supplying is not None:
            self._supplying.cancel()
            await asyncio.wait({self._supplying})
        await self.runs.wait_idle(grace)
        await self.runs.give_back()
        for worker in [*self.staff.workers]:
            if hurry or not worker.was_ready:
                worker.kill("the host is stopping")
            elif not worker.drained:
                worker.drain()
        await self._empty.wait()
