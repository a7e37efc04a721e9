"""Jobs that are cancelled while they run: whatever the handler does, and whoever runs beside it."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from waiting import alive, until
from workerkit.testing import Server

HANDLERS = """
import asyncio, os, time
from workerkit import JobCancelled, worker_function

def begun(job):
    with open("pid-" + job["input"] + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename("pid-" + job["input"] + ".new", "pid-" + job["input"])

@worker_function
def loop(job):
    begun(job)
    if job["input"] == "quick":
        return os.getpid()
    try:
        while True:
            pass
    except JobCancelled:
        open("cleaned-up", "w").write(str(time.time()))
        raise

@worker_function
def sleep(job):
    begun(job)
    if job["input"] != "quick":
        time.sleep(60)
    return os.getpid()

@worker_function
def stream(job):
    begun(job)
    yield os.getpid()
    if job["input"] != "quick":
        while True:
            time.sleep(0.01)
            yield "more"

@worker_function
def swallow(job):
    begun(job)
    while job["input"] != "quick":
        try:
            time.sleep(60)
        except BaseException:
            pass
    return os.getpid()

@worker_function
def busy_in_c(job):
    begun(job)
    if job["input"] != "quick":
        sum(range(10 ** 12))
    return os.getpid()

@worker_function
async def stubborn(job):
    begun(job)
    while job["input"] != "quick":
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
    return os.getpid()

@worker_function(concurrency=2)
def threads(job):
    begun(job)
    while not os.path.exists("go-" + job["input"]):
        time.sleep(0.01)
    return os.getpid()
"""
GRACE = 1.0
SETTINGS = f"[workers]\nstop_grace = {GRACE}\nmax_starts = 1\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("stopping"), HANDLERS, settings=SETTINGS) as server:
        yield server


def began(server: Server, endpoint: str, name: str) -> tuple[str, int]:
    """A job that runs, and its process."""
    id = server.submit(endpoint, name)
    path = server.folder / f"pid-{name}"
    return id, int(until(f"{name} runs", lambda: path.exists() and path.read_text()))


def cancel(server: Server, endpoint: str, id: str) -> float:
    """When the answer was there, which does not wait for the handler."""
    before = time.monotonic()
    status, answer = server.post(f"/v2/{endpoint}/cancel/{id}")
    assert (status, answer["status"]) == (200, "CANCELLED")
    assert time.monotonic() - before < 2
    return before


def next_run(server: Server, endpoint: str) -> Any:
    answer = server.run(endpoint, "quick")
    assert answer["status"] == "COMPLETED"
    return answer["output"]


@pytest.mark.parametrize("endpoint", ["loop", "sleep", "stream"])
def test_a_plain_handler_is_interrupted_at_once_and_its_process_replaced(
    server: Server, endpoint: str
) -> None:
    id, pid = began(server, endpoint, f"long-{endpoint}")
    before = cancel(server, endpoint, id)
    until("the process has gone", lambda: not alive(pid))
    took = time.monotonic() - before

    print(f"\n{endpoint}: from /cancel to the end of its process {took * 1000:.0f} ms")
    assert took < GRACE, "it was killed, and not interrupted"
    assert next_run(server, endpoint) != pid
    assert "is refreshed: interrupted: a job was stopped in it" in server.log()


def test_it_may_clean_up(server: Server) -> None:
    id, _ = began(server, "loop", "tidy")
    (server.folder / "cleaned-up").unlink(missing_ok=True)
    cancel(server, "loop", id)

    until("it has cleaned up", (server.folder / "cleaned-up").exists)
    assert server.wait("loop", id)["status"] == "CANCELLED"


@pytest.mark.parametrize("endpoint", ["swallow", "busy_in_c", "stubborn"])
def test_a_handler_that_does_not_stop_is_killed_after_the_grace(server: Server, endpoint: str) -> None:
    id, pid = began(server, endpoint, f"long-{endpoint}")
    before = cancel(server, endpoint, id)
    until("the process has gone", lambda: not alive(pid))
    took = time.monotonic() - before

    print(f"\n{endpoint}: from /cancel to the end of its process {took * 1000:.0f} ms")
    assert GRACE <= took < GRACE + 1.5
    assert server.wait(endpoint, id)["status"] == "CANCELLED"
    assert next_run(server, endpoint) != pid


def test_a_worker_that_stands_still_is_killed_after_the_grace(server: Server) -> None:
    id, pid = began(server, "sleep", "still")
    os.kill(pid, signal.SIGSTOP)
    before = cancel(server, "sleep", id)
    until("the process has gone", lambda: not alive(pid))

    assert time.monotonic() - before < GRACE + 1.5
    assert next_run(server, "sleep") != pid


def test_a_neighbour_of_a_thread_that_cannot_be_stopped_runs_again_without_blame(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, settings=SETTINGS, arguments=["--workers", "threads=1"]) as server:
        id, pid = began(server, "threads", "stopped")
        neighbour, same = began(server, "threads", "neighbour")
        assert same == pid
        before = cancel(server, "threads", id)
        until("the process has gone", lambda: not alive(pid))
        took = time.monotonic() - before
        (tmp_path / "go-neighbour").touch()
        answer = server.wait("threads", neighbour)

        assert GRACE <= took < GRACE + 1.5
        assert (answer["status"], answer["retries"]) == ("COMPLETED", 1)
        assert answer["output"] != pid


def test_a_thread_that_ends_within_the_grace_leaves_its_neighbour_alone(tmp_path: Path) -> None:
    settings = "[workers]\nstop_grace = 20\n"
    with Server(tmp_path, HANDLERS, settings=settings, arguments=["--workers", "threads=1"]) as server:
        id, pid = began(server, "threads", "stopped")
        neighbour, _ = began(server, "threads", "neighbour")
        cancel(server, "threads", id)
        (tmp_path / "go-stopped").touch()
        other, new = began(server, "threads", "other")
        assert new != pid, "the worker was not replaced"
        (tmp_path / "go-neighbour").touch()
        (tmp_path / "go-other").touch()

        answer = server.wait("threads", neighbour)
        assert (answer["status"], answer["output"], answer.get("retries")) == ("COMPLETED", pid, None)
        assert server.wait("threads", other)["output"] == new
        assert server.wait("threads", id)["status"] == "CANCELLED"
        until("the old process has gone", lambda: not alive(pid))


def test_without_a_signal_a_plain_handler_ends_with_its_process(tmp_path: Path) -> None:
    settings = f'[workers]\nstop_grace = {GRACE}\nstop_signal = ""\ncount = "sleep=1"\n'
    with Server(tmp_path, HANDLERS, settings=settings) as server:
        id, pid = began(server, "sleep", "long")
        before = cancel(server, "sleep", id)
        until("the process has gone", lambda: not alive(pid))

        assert GRACE <= time.monotonic() - before < GRACE + 1.5
        assert next_run(server, "sleep") != pid


def test_a_handler_whose_time_is_over_is_stopped_while_the_queue_refuses_writes(server: Server) -> None:
    with closing(sqlite3.connect(server.folder / ".workerkit/queue.db", isolation_level=None)) as other:
        id = server.submit("sleep", "overtime", policy={"executionTimeout": 5000})
        path = server.folder / "pid-overtime"
        pid = int(until("it runs", lambda: path.exists() and path.read_text()))
        until(
            "its start is stored", lambda: server.get(f"/v2/sleep/status/{id}")[1]["status"] == "IN_PROGRESS"
        )
        other.execute("BEGIN IMMEDIATE")
        until("the process has gone", lambda: not alive(pid), 5 + GRACE + 1.5)
        other.execute("ROLLBACK")

    answer = server.wait("sleep", id)
    assert (answer["status"], answer.get("retries")) == ("TIMED_OUT", None)
