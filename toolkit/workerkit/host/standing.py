"""How a worker stands: how far it has got, and what it has to do."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Container
from typing import TYPE_CHECKING

from workerkit.host.output import WorkerOutput
from workerkit.host.owner import Listener
from workerkit.host.printed import Logbook
from workerkit.host.run import Run
from workerkit.queue import Record
from workerkit.wire import Descriptor

if TYPE_CHECKING:
    from workerkit.host.agency import Plan
    from workerkit.host.worker import Worker


class Standing:
    """What is known of one worker."""

    def __init__(self, id: str, book: Logbook) -> None:
        self.id = id
        self.output = WorkerOutput(id, book)
        self.listener: Listener | None = None
        self.endpoint = ""
        self.ready = False
        self.was_ready = False
        #: It was asked to end in good order.
        self.drained = False
        #: Set when it takes nothing more: it is being refreshed, drained or killed.
        self.leaving = False
        #: Set when it takes nothing more, and goes when it is its turn to be refreshed.
        self.retiring = False
        #: Why the host killed it; empty when it was not the host.
        self.killed_for = ""
        #: What it did wrong that it had to be killed for.
        self.fault = ""
        #: Why it cannot serve, in its own words; and whether another try may do.
        self.unfit = ""
        self.passing = False
        #: By what it was told what to load, and what it found there; in which round of starts that was.
        self.plan: Plan | None = None
        self.round = 0
        self.functions: list[Descriptor] | None = None
        #: The GPU that it has, and the worker that it takes over from.
        self.device: str | None = None
        self.predecessor: Worker | None = None
        #: How many jobs it takes at a time, and whether that changes; how many of its slots have been
        #: opened, and how many runs have begun in it.
        self.slots = 0
        self.elastic = False
        self.opened = 0
        self.begun = 0
        #: Runs that are over, and whose ends are not stored yet.
        self.unsettled = 0
        #: When it last had nothing to do, in seconds of the monotonic clock.
        self.idle_since = 0.0
        #: Slots in use, by number; and runs that were sent before it is their turn, in that order.
        self.busy: dict[int, Run] = {}
        self.before: deque[Run] = deque()
        #: Its death has been reported to whoever owned it then.
        self.gone = False

    @property
    def idle(self) -> bool:
        """Whether it is ready, and has nothing to do or to say."""
        return self.ready and not self.busy and not self.unsettled

    @property
    def single(self) -> bool:
        """Whether it runs one job at a time, now and later."""
        return self.slots == 1 and not self.elastic

    @property
    def understudy(self) -> bool:
        """Whether it gets ready to take over from one that still goes on."""
        before = self.predecessor
        return before is not None and not before.leaving and not before.gone

    @property
    def fresh(self) -> bool:
        """Whether it can take jobs and none has run in it."""
        return self.ready and not self.begun and not self.retiring

    @property
    def serves(self) -> bool:
        """Whether it can take jobs, or has some."""
        return self.ready and (bool(self.busy) or not (self.retiring or self.leaving))

    @property
    def full(self) -> bool:
        """Whether it has a job in every slot."""
        return len(self.busy) >= self.slots > 0

    @property
    def waits(self) -> bool:
        """Whether it has loaded, and cannot start before a job is over in the one that it takes over from."""
        before = self.predecessor
        loaded = self.functions is not None and not self.slots
        return loaded and before is not None and before.leaving and bool(before.busy)

    def take(self, number: int, run: Run) -> bool:
        """Let a slot run a job; False when that is not its turn yet."""
        self.output.expect(run)
        if number in self.busy:
            self.before.append(run)
            return False
        self._turn(number, run)
        return True

    def next_turn(self, number: int) -> Run | None:
        """The run that a slot goes on with."""
        run = self.before.popleft() if self.before else None
        if run is not None:
            self._turn(number, run)
        return run

    def _turn(self, number: int, run: Run) -> None:
        self.begun += 1
        self.output.began(run, alone=not self.busy, only=self.slots == 1)
        self.busy[number] = run

    def drop(self, keys: Container[tuple[str, int]]) -> tuple[list[Run], list[int]]:
        """The runs with these ids and attempts have not begun, and will not: which, in order, and whose slots
        are free for that, since it was their turn."""
        numbers = [number for number, run in self.busy.items() if run.key in keys]
        runs = [self.busy.pop(number) for number in numbers]
        runs += [run for run in self.before if run.key in keys]
        self.before = deque(run for run in self.before if run.key not in keys)
        for run in runs:
            self.output.dropped(run)
        return runs, numbers

    def has(self, record: Record) -> bool:
        """Whether a run of this job is here, be it its turn or not."""
        return any(run.record is record for run in (*self.busy.values(), *self.before))

    def left(self, run: Run) -> None:
        """A run is over; what it printed may still be on its way."""
        self.output.ended(run)
        if not self.busy:
            self.idle_since = time.monotonic()
