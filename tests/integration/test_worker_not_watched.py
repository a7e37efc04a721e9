"""A worker that the host has started and cannot watch, for want of descriptors."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from waiting import until
from workerkit.host.launch import _start
from workerkit.host.owner import Owner
from workerkit.host.printed import Logbook
from workerkit.host.worker import Worker
from workerkit.settings import LogsSettings


class Crowded(asyncio.SelectorEventLoop):
    """No descriptor is left by the time that the process is there."""

    def run_in_executor(self, *arguments: Any) -> Any:
        future = super().run_in_executor(*arguments)
        future.add_done_callback(lambda _: limit_descriptors(3))
        return future


def limit_descriptors(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def children() -> str:
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True
    )
    return found.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_it_is_ended_and_nothing_of_it_stays_open() -> None:
    limit, before = resource.getrlimit(resource.RLIMIT_NOFILE)[0], len(os.listdir("/proc/self/fd"))
    loop = Crowded()
    try:
        with pytest.raises(OSError, match="Too many open files"):
            loop.run_until_complete(Worker("w", Owner(), Logbook(LogsSettings())).launch(os.environ))
    finally:
        limit_descriptors(limit)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    until("it has ended", lambda: "workerkit.worker" not in children())
    until("no descriptor is left", lambda: len(os.listdir("/proc/self/fd")) <= before)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no pipe is armed")
def test_one_whose_death_pipe_cannot_be_armed_is_ended(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    # What is opened so can be handed over, and nothing can be set for it.
    death = os.open(tmp_path, os.O_PATH)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            _start([sys.executable, "-c", "import time; time.sleep(600)"], os.environ, writing, death)
    finally:
        os.close(writing)
        os.close(death)

    with open(reading, "rb") as pipe:
        assert pipe.read() == b""  # it comes to an end, so nobody holds the other one
    assert "time.sleep(600)" not in children()
