"""One timer for all runs: each is told of once, when its time is over, and not when it ended before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from supplying import PATIENCE, a_worker
from workerkit.host.overtime import Overtime
from workerkit.host.run import Run
from workerkit.job import Policy, Request
from workerkit.queue import Record
from workerkit.states import Status


class Watched:
    """Runs, and those whose time is over, in that order."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.late: list[str] = []
        self.times: list[tuple[str, float]] = []
        self.fault: Exception | None = None
        self._more = asyncio.Event()
        self.overtime = Overtime(self.runs, self._tell)

    def add(self, id: str, seconds: float) -> None:
        record = Record(id=id, endpoint="render", status=Status.IN_PROGRESS, attempt=1, input=b"1")
        request = Request(id=id, endpoint="render", raw_input=b"1", policy=Policy(), submitted_at=0)
        self.runs[id] = Run(record, request, a_worker(), 0.0)
        self.overtime.watch(self.runs[id], seconds)

    def _tell(self, run: Run) -> None:
        self.late.append(run.record.id)
        self.times.append((run.record.id, asyncio.get_running_loop().time()))
        self._more.set()
        if self.fault is not None and len(self.late) == 1:
            raise self.fault

    async def wait(self, count: int) -> list[str]:
        while len(self.late) < count:
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), PATIENCE)
        return self.late


def played(scenario: Callable[[Watched], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(Watched())

    asyncio.run(main())


def test_each_is_told_of_once_in_the_order_of_their_times() -> None:
    async def scenario(watched: Watched) -> None:
        for id, seconds in (("c", 0.12), ("a", 0.02), ("never", 3600), ("b", 0.07), ("now", -1)):
            watched.add(id, seconds)

        assert await watched.wait(4) == ["now", "a", "b", "c"]
        assert list(watched.runs) == ["c", "a", "never", "b", "now"], "who ends them is not the clock"

    played(scenario)


def test_what_ended_before_its_time_is_not_told_of_and_keeps_no_other_waiting() -> None:
    async def scenario(watched: Watched) -> None:
        watched.add("ended", 0.02)
        watched.add("late", 0.06)
        del watched.runs["ended"]

        assert await watched.wait(1) == ["late"]

    played(scenario)


def test_one_that_comes_when_all_others_are_over_is_told_of() -> None:
    async def scenario(watched: Watched) -> None:
        watched.add("first", 0.01)
        await watched.wait(1)
        watched.runs.clear()
        watched.add("second", 0.01)

        assert await watched.wait(2) == ["first", "second"]

    played(scenario)


def test_nobody_is_told_of_before_its_time_and_a_fault_keeps_no_other_waiting() -> None:
    async def scenario(watched: Watched) -> None:
        loop = asyncio.get_running_loop()
        faults: list[object] = []
        loop.set_exception_handler(lambda loop, context: faults.append(context["exception"]))
        watched.fault = RuntimeError("of the first")
        due = {}
        for number in range(20):
            seconds = 0.02 + number / 1000
            due[str(number)] = loop.time() + seconds
            watched.add(str(number), seconds)
        await watched.wait(20)

        assert [id for id, moment in watched.times if moment < due[id]] == []
        assert faults == [watched.fault]

    played(scenario)
