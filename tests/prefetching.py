"""What the tests of the prefetch share: workers whose frames are read, and a function of very short jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs

from runs_scene import PATIENCE, NoProcess, Scene, staged
from supplying import a_worker
from workerkit.host.supply import Slot
from workerkit.host.worker import Worker
from workerkit.states import Status
from workerkit.testing.queue_contracts import submission
from workerkit.wire import (
    Descriptor,
    Frame,
    JobEnd,
    Recall,
    RunJob,
    Stop,
    ToWorker,
    Unpacker,
    Untouched,
    decode_to_worker,
)

F = TypeVar("F", bound=Frame)
QUICK = 0.000_02
PLAIN = Descriptor("render", "function")


class Wire(asyncio.Transport):
    """The host's end of a worker's wire: keeps what is written, frame by frame."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[ToWorker] = []
        self._unpacker = Unpacker()
        self._more = asyncio.Event()

    def write(self, data: Any) -> None:
        self.frames += [decode_to_worker(body) for body in self._unpacker.feed(data)]
        self._more.set()

    def is_closing(self) -> bool:
        return False

    def of(self, kind: type[F]) -> list[F]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    async def wait(self, kind: type[F], count: int = 1) -> list[F]:
        while len(self.of(kind)) < count:
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), PATIENCE)
        return self.of(kind)


@attrs.frozen
class Hand:
    """A worker, and what it was sent."""

    worker: Worker
    wire: Wire

    @property
    def jobs(self) -> list[str]:
        """The ids of the jobs that it was given, in that order."""
        return [frame.id for frame in self.wire.of(RunJob)]

    @property
    def recalls(self) -> int:
        return len(self.wire.of(Recall))

    @property
    def stops(self) -> list[str]:
        return [frame.id for frame in self.wire.of(Stop)]

    @property
    def here(self) -> tuple[list[str], list[str]]:
        """The jobs that it runs, and those that wait behind, as the host sees it."""
        return [run.record.id for run in self.worker.busy.values()], [
            run.record.id for run in self.worker.before
        ]


class Stage(Scene):
    """A scene in which jobs are known to be very short."""

    def hand(self, function: Descriptor = PLAIN, *, fresh: bool = False) -> Hand:
        """A worker that serves the function, and that nothing was offered of yet."""
        worker, wire = a_worker(fresh=fresh), Wire()
        worker.process = NoProcess()
        worker.functions = [function]
        worker.connection_made(wire)
        worker.assign(function.name, function.concurrency)
        worker.opened = worker.slots
        return Hand(worker, wire)

    def free(self, hand: Hand) -> None:
        for number in range(hand.worker.slots):
            self.runs.supply.offer(Slot(hand.worker, number))

    def are_quick(self) -> None:
        for _ in range(60):
            self.runs.supply.took(QUICK, QUICK)

    async def submitted(self, count: int, **changes: Any) -> list[str]:
        jobs = [submission(**changes) for _ in range(count)]
        await self.store.submit(jobs)
        return [job.id for job in jobs]

    async def filled(self, count: int) -> tuple[Hand, list[str]]:
        """A worker with one job that it runs and the others behind it, all claimed for good."""
        self.are_quick()
        hand, ids = self.hand(), await self.submitted(count)
        self.free(hand)
        await hand.wire.wait(RunJob, count)
        await self.store.progress("nobody", 1, b"0")  # is stored after the claims
        assert hand.here == (ids[:1], ids[1:])
        return hand, ids

    def ended(self, hand: Hand, id: str, status: Status = Status.COMPLETED, **more: Any) -> None:
        frame = JobEnd(0, id, 1, status, output=b"1", seconds=QUICK, **more)
        self.runs.on_end(hand.worker, frame)
        self.runs.heard()

    def untouched(self, hand: Hand, *ids: str) -> None:
        self.runs.on_untouched(hand.worker, Untouched([(id, 1) for id in ids]))
        self.runs.heard()

    async def returned(self, *ids: str) -> None:
        """Jobs are in the queue again, and it counts as no start of them."""
        for id in ids:
            with self.store.watch(id) as watch:
                while await self.status(id) != "IN_QUEUE":
                    assert await watch.changed(PATIENCE)
            record = await self.store.record(id)
            assert record is not None
            assert (record.restarts, record.attempt) == (0, 1)


def play(folder: Path, scenario: Callable[[Stage], Awaitable[None]], function: Descriptor = PLAIN) -> None:
    staged(folder, Stage, scenario, function)
