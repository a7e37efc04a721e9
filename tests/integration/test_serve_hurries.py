"""A stop that cannot wait for workers: one that has not started yet, and a second signal."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from waiting import until
from workerkit.testing import Server

HANDLER = """
from workerkit import worker_function

@worker_function
def work(job):
    return 1
"""
SLOW = """
import pathlib, time
from workerkit import hookimpl

class Slow:
    @hookimpl
    def {hook}(self, worker):
        pathlib.Path("{hook}").touch()
        time.sleep(600)
"""
#: Seconds; less than a worker has for `worker_stop`.
SOON = 6.0


def slow(folder: Path, hook: str) -> Server:
    (folder / "slow.py").write_text(SLOW.format(hook=hook))
    return Server(folder, HANDLER, settings='[plugins]\nload = ["slow:Slow"]\n', ready=hook == "worker_stop")


def seconds_to_stop(server: Server) -> float:
    begin = time.monotonic()
    assert server.stop() == 0
    return time.monotonic() - begin


def test_a_worker_that_is_still_starting_holds_no_stop_up(tmp_path: Path) -> None:
    with slow(tmp_path, "worker_start") as server:
        until("it starts", (tmp_path / "worker_start").exists)

        assert seconds_to_stop(server) < SOON


def test_a_second_signal_does_not_wait_for_worker_stop(tmp_path: Path) -> None:
    with slow(tmp_path, "worker_stop") as server:
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        until("it stops", (tmp_path / "worker_stop").exists)

        assert seconds_to_stop(server) < SOON
