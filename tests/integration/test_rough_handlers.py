"""Handlers that do what they should not: the job may fail, its neighbours and the worker's next jobs must not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from waiting import until
from workerkit.testing import Server

HANDLERS = """
import asyncio, atexit, os, sys, time
from workerkit import worker_function

@worker_function(max_starts=1)
def fork(job):
    wanted = job["input"]
    if wanted["fork"]:
        if os.fork() == 0:
            if wanted["fork"] == "exit":
                sys.exit(0)
            if wanted["fork"] == "raise":
                raise RuntimeError("in the child")
        else:
            os.wait()
    return wanted["who"]

@worker_function
async def loop(job):
    if job["input"] == "stop":
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.01)
    return "went on"

class Odd:
    def __str__(self):
        raise KeyboardInterrupt

class OddError(Exception):
    __str__ = Odd.__str__

@worker_function(concurrency=3, max_starts=1)
def slots(job):
    how = job["input"]
    if how == "close":
        os.closerange(3, 4096)
    if how == "refresh":
        job.refresh_reason = Odd()
    if how == "notes":
        job.notes = [1]
    if how == "text":
        raise OddError
    if how == "exit":
        sys.exit("enough")
    return how

@worker_function
def late(job):
    def at_exit():
        time.sleep(1.5)
        open("at-exit", "w").close()
    atexit.register(at_exit)
    return {"refresh_worker": True}

@worker_function
def endless(job):
    while True:
        yield "x" * 500_000
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = "[limits]\noutput = 5_000_000\n"
    with Server(tmp_path_factory.mktemp("rough"), HANDLERS, settings=settings) as server:
        yield server


def run(server: Server, endpoint: str, value: Any) -> dict[str, Any]:
    status, answer = server.post(f"/v2/{endpoint}/runsync?wait=30000", {"input": value})
    assert status == 200
    return dict(answer)


@pytest.mark.parametrize("how", ["return", "raise", "exit"])
def test_a_forked_child_never_answers_for_a_job(server: Server, how: str) -> None:
    assert run(server, "fork", {"fork": how, "who": "alice"})["output"] == "alice"
    for who in ("bob", "carol"):
        answer = run(server, "fork", {"fork": "", "who": who})
        assert (answer["status"], answer["output"]) == ("COMPLETED", who)


def test_a_handler_that_stops_the_event_loop_stops_no_later_job(server: Server) -> None:
    run(server, "loop", "stop")

    assert [run(server, "loop", "on").get("output") for _ in range(3)] == ["went on"] * 3


@pytest.mark.parametrize("how", ["close", "refresh", "notes", "text", "exit"])
def test_a_slot_that_breaks_is_noticed(server: Server, how: str) -> None:
    answer = run(server, "slots", how)

    assert answer["status"] == "FAILED"
    assert [run(server, "slots", n)["output"] for n in range(6)] == list(range(6))


def test_exit_handlers_of_a_refreshed_worker_have_their_time(server: Server) -> None:
    assert run(server, "late", None)["status"] == "COMPLETED"

    until("the exit handler has run", (server.folder / "at-exit").exists)
    assert "is killed" not in server.log().partition("late")[2]


def test_a_generator_without_end_fails_at_the_limit_of_its_output(server: Server) -> None:
    answer = run(server, "endless", None)

    assert answer["status"] == "FAILED"
    assert "limits.output" in answer["error"]
    assert "aggregate=False" in answer["error"]
    until("its worker is replaced", lambda: server.get("/v2/endless/health")[1]["workers"]["idle"] == 1)


def test_the_error_of_a_worker_that_broke_says_how(server: Server) -> None:
    error = json.loads(run(server, "slots", "close")["error"])

    assert error["error_type"] == "WorkerDied"
