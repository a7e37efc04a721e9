"""The first worker's process is started ahead, while the rest of the host comes up."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from waiting import alive, until
from workerkit.environment import worker_environment
from workerkit.errors import CannotServe
from workerkit.host.agency import Agency, Plan
from workerkit.host.discovery import Discovery
from workerkit.host.launch import ahead as ahead_of
from workerkit.host.printed import Logbook
from workerkit.host.process import WorkerProcess
from workerkit.settings import LogsSettings
from workerkit.wire import PROTOCOL, Start

HANDLER = "from workerkit import worker_function\n\n@worker_function\ndef hello(job):\n    return 1\n"
Play = Callable[[Agency], Coroutine[Any, Any, None]]


def played(folder: Path, play: Play, environment: dict[str, str] | None = None) -> None:
    """An agency for a handler in `folder`, after `play`; it is closed then."""
    (folder / "handler.py").write_text(HANDLER)
    target = str(folder / "handler.py")
    limits = {"output_limit": 1000, "chunk_limit": 1000, "depth": 10}
    first = Start(protocol=PROTOCOL, worker_id="", target=target, plugins=[], **limits)

    async def main() -> None:
        plan = Plan(first=first, environment=environment or worker_environment())
        agency = Agency(plan, Logbook(LogsSettings()))
        try:
            await play(agency)
        finally:
            await agency.close()

    asyncio.run(main())


async def discovered(agency: Agency) -> int:
    """The process that has found the one function."""
    discovery = Discovery("handler.py")
    worker = await agency.discover(discovery, agency.plan)
    [function] = await discovery.functions(worker, 30)
    assert function.name == "hello"
    worker.kill("the test is over")
    await worker.process.ended
    return worker.process.pid


async def ahead(agency: Agency) -> WorkerProcess:
    """The process that was started ahead."""
    await agency.begin()
    assert agency.first is not None
    return agency.first.process


def test_it_is_the_one_that_finds_the_functions(tmp_path: Path) -> None:
    async def play(agency: Agency) -> None:
        first = await ahead(agency)

        assert await discovered(agency) == first.pid
        assert await discovered(agency) != first.pid

    played(tmp_path, play)


def test_it_loads_before_it_is_asked_for(tmp_path: Path) -> None:
    async def play(agency: Agency) -> None:
        await ahead(agency)
        first = agency.first
        assert first is not None
        await asyncio.to_thread(until, "it has loaded", lambda: first.functions is not None)

        await discovered(agency)

    played(tmp_path, play)


def test_of_one_that_has_died_meanwhile_it_is_told_how(tmp_path: Path) -> None:
    async def play(agency: Agency) -> None:
        first = await ahead(agency)
        os.kill(first.pid, signal.SIGKILL)
        await first.ended

        with pytest.raises(CannotServe, match=r"was killed by SIGKILL while it imported handler\.py"):
            await discovered(agency)
        await discovered(agency)

    played(tmp_path, play)


def test_one_that_is_there_already_is_taken(tmp_path: Path) -> None:
    with ahead_of(f"sqlite:///{tmp_path}/queue.db") as launch:
        assert launch is not None

        async def play(agency: Agency) -> None:
            await agency.begin(launch)
            assert agency.first is not None
            assert agency.first.process.pid == launch.process.pid
            await discovered(agency)

        played(tmp_path, play, dict(launch.environment))


def test_one_that_has_another_environment_is_not_taken_and_ends(tmp_path: Path) -> None:
    with ahead_of(f"sqlite:///{tmp_path}/queue.db") as launch:
        assert launch is not None

        async def play(agency: Agency) -> None:
            await agency.begin(launch)
            assert await discovered(agency) != launch.process.pid

        played(tmp_path, play, {**launch.environment, "SET_BY": "a plugin"})
        assert alive(launch.process.pid)
    assert not alive(launch.process.pid)


@pytest.mark.parametrize(
    "queue",
    ["sqlite:///folder/that/is/to/be/made/queue.db", "sqlite:///%00/queue.db", "queue.db", "sqlite:///"],
)
def test_there_is_none_for_a_queue_that_cannot_be_named_yet(queue: str) -> None:
    with ahead_of(queue) as launch:
        assert launch is None


def test_one_that_nobody_asked_for_ends_with_its_agency(tmp_path: Path) -> None:
    pids: list[int] = []

    async def play(agency: Agency) -> None:
        pids.append((await ahead(agency)).pid)
        assert alive(pids[0])

    played(tmp_path, play)
    assert not alive(pids[0])


def test_one_that_cannot_be_started_is_told_of_when_it_is_asked_for(tmp_path: Path) -> None:
    async def play(agency: Agency) -> None:
        await agency.begin()
        assert agency.first is None
        with pytest.raises(OSError, match="Argument list too long"):
            await discovered(agency)

    played(tmp_path, play, {**worker_environment(), "TOO_MUCH": "x" * 10_000_000})
