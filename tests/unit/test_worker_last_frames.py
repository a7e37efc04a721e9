"""What a worker said last before it died: all of it is heard, or jobs that have ended would run again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from runs_scene import NoProcess
from workerkit.host.owner import Owner
from workerkit.host.printed import Logbook
from workerkit.host.worker import Worker
from workerkit.settings import LogsSettings
from workerkit.states import Status
from workerkit.wire import JobEnd, News, Recall, RunJob, Untouched, pack

PATIENCE = 20.0
ENDS = [JobEnd(0, id, 1, Status.COMPLETED) for id in "abc"]


class Killed(NoProcess):
    """In the place of a process that has been killed: what it wrote is still on the wire."""

    def __init__(self) -> None:
        self.wire, theirs = socket.socketpair()
        self.wire.setblocking(False)
        self.ended = asyncio.get_running_loop().create_future()
        self._theirs = theirs

    def dies(self) -> None:
        self._theirs.sendall(b"".join(map(pack, ENDS)))
        self._theirs.close()

    def how_it_ended(self) -> str:
        return "was killed by SIGKILL"


class Deaf(NoProcess):
    """In the place of a process whose wire is somebody's who speaks for it."""

    def __init__(self) -> None:
        self.killed = False

    def kill(self) -> None:
        self.killed = True


class Ear(Owner):
    """Hears of a worker and of its runs."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.dead = asyncio.Event()

    def on_end(self, worker: Worker, frame: JobEnd) -> None:
        self.told.append(frame.id)
        worker.send(RunJob(0, "next", 1, b"1"))

    def on_untouched(self, worker: Worker, frame: Untouched) -> None:
        raise AssertionError("nobody says that")

    def heard(self) -> None:
        """Nothing follows from it here."""

    def on_news(self, frame: News) -> None:
        raise AssertionError("nobody says that")

    def on_death(self, worker: Worker) -> None:
        self.told.append("death")
        self.dead.set()


async def cannot_be_written_to(worker: Worker, process: Killed) -> None:
    process.dies()
    worker.send(Recall())
    await asyncio.sleep(0)


async def is_not_read_from(worker: Worker, process: Killed) -> None:
    worker.pause()
    process.dies()


async def is_read_from(worker: Worker, process: Killed) -> None:
    process.dies()


@pytest.mark.parametrize("state", [cannot_be_written_to, is_not_read_from, is_read_from])
def test_all_that_it_said_is_heard_before_its_death(
    state: Callable[[Worker, Killed], Coroutine[Any, Any, None]],
) -> None:
    async def main() -> list[str]:
        ear, process = Ear(), Killed()
        worker = Worker("worker", ear, Logbook(LogsSettings()))
        worker.listener = ear
        await worker.watch(process)
        await state(worker, process)
        process.ended.set_result(-9)
        await asyncio.wait_for(ear.dead.wait(), PATIENCE)
        assert worker.leaving
        return ear.told

    assert asyncio.run(main()) == ["a", "b", "c", "death"]


@pytest.mark.parametrize("status", ["GOOD", 7])
def test_one_that_reports_an_end_of_no_kind_is_killed_and_what_it_said_before_counts(status: Any) -> None:
    ear, process = Ear(), Deaf()
    worker = Worker("worker", ear, Logbook(LogsSettings()))
    worker.listener, worker.process = ear, process
    worker.data_received(pack(ENDS[0]) + pack(JobEnd(0, "d", 1, status)))

    assert ear.told == ["a"]
    assert process.killed
    assert worker.fault.startswith("sent what is no frame")
