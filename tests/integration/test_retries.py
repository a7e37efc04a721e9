"""Jobs whose handler raised: run again after a while, as often as the function says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from waiting import until
from workerkit.testing import Receiver, Server

HANDLERS = """
import time
from workerkit import JobFailed, Retry, worker_function

def noted(job):
    with open(f"runs-{job['input']}", "a") as file:
        file.write(f"{time.time()}\\n")
    return job.attempt

@worker_function(retries=3, retry_delay=0.3)
def third(job):
    if noted(job) < 3:
        raise ValueError(f"attempt {job.attempt}")
    return job.attempt

@worker_function(retries=1, retry_delay=0.05)
def never(job):
    raise ValueError(f"attempt {noted(job)}")

@worker_function
def once(job):
    raise ValueError(f"attempt {noted(job)}")

@worker_function(retries=3, retry_delay=0.05)
def verdict(job):
    raise JobFailed(f"attempt {noted(job)}")

@worker_function(retry_delay=0.05)
def ask(job):
    noted(job)
    raise Retry("the model is still loading")

@worker_function
def later(job):
    if noted(job) == 1:
        raise Retry("busy", after=1.5)
    return job.attempt

@worker_function
def much_later(job):
    noted(job)
    raise Retry("the provider is down", after=60)

@worker_function(retries=12, retry_delay=0.01)
def thirteenth(job):
    if noted(job) < 6:
        raise ValueError("not yet")
    return job.attempt

@worker_function(retries=1, retry_delay=0.05)
def stream(job):
    yield f"{job.attempt}-a"
    yield f"{job.attempt}-b"
    if job.attempt == 1:
        raise ValueError("half way")
    yield f"{job.attempt}-c"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("retries"), HANDLERS) as server:
        yield server


def runs(server: Server, name: str) -> list[float]:
    path = server.folder / f"runs-{name}"
    return [float(line) for line in path.read_text().splitlines()] if path.exists() else []


def status(server: Server, endpoint: str, id: str) -> dict[str, Any]:
    return dict(server.get(f"/v2/{endpoint}/status/{id}")[1])


def wait_for_failure(server: Server, endpoint: str, id: str, name: str) -> None:
    """Until the first run has begun and the job is back in the queue."""
    until(
        "the first run has failed",
        lambda: runs(server, name) and status(server, endpoint, id)["status"] == "IN_QUEUE",
    )


def test_a_handler_that_raises_runs_again_after_waits_that_grow(server: Server) -> None:
    answer = server.run("third", "third")

    assert (answer["status"], answer["output"], answer["retries"]) == ("COMPLETED", 3, 2)
    first, second = (after - before for before, after in pairwise(runs(server, "third")))
    assert 0.24 <= first < 0.24 + 2
    assert 0.48 <= second < 0.72 + 2
    assert f"job {answer['id']} of third has failed (ValueError at handler.py:" in server.log()
    assert "retry 2 of 3" in server.log()


def test_when_its_retries_are_used_up_a_job_fails_with_its_last_error_and_says_so_once(
    server: Server,
) -> None:
    with Receiver() as receiver:
        answer = server.run("never", "never", webhook=receiver.url + "/end")
        [told] = receiver.wait(1, "/end")

    assert answer["status"] == "FAILED"
    assert json.loads(answer["error"])["error_message"] == "attempt 2"
    assert len(runs(server, "never")) == 2
    assert json.loads(told.body)["id"] == answer["id"]


@pytest.mark.parametrize("endpoint", ["once", "verdict"])
def test_without_retries_and_after_job_failed_there_is_one_run(server: Server, endpoint: str) -> None:
    answer = server.run(endpoint, endpoint)

    assert answer["status"] == "FAILED"
    assert "attempt 1" in answer["error"]
    assert len(runs(server, endpoint)) == 1


def test_a_handler_that_asks_for_another_run_gets_three_and_its_message_is_the_error(server: Server) -> None:
    answer = server.run("ask", "ask")

    assert (answer["status"], answer["error"]) == ("FAILED", "the model is still loading")
    assert len(runs(server, "ask")) == 4


def test_it_runs_again_when_it_asked_to_and_waits_in_the_queue_until_then(server: Server) -> None:
    id = server.submit("later", "later")
    wait_for_failure(server, "later", id, "later")
    assert server.run("third", "meanwhile")["status"] == "COMPLETED"

    assert server.wait("later", id)["output"] == 2
    [wait] = (after - before for before, after in pairwise(runs(server, "later")))
    assert 1.5 <= wait < 3.5


def test_a_job_that_waits_for_another_run_can_be_cancelled(server: Server) -> None:
    id = server.submit("much_later", "cancelled")
    wait_for_failure(server, "much_later", id, "cancelled")

    assert server.post(f"/v2/much_later/cancel/{id}")[1]["status"] == "CANCELLED"
    assert status(server, "much_later", id)["status"] == "CANCELLED"


def test_a_job_whose_ttl_ends_before_the_next_run_fails_now_and_does_not_expire(server: Server) -> None:
    answer = server.run("much_later", "ttl", policy={"ttl": 10_000})

    assert (answer["status"], answer["error"]) == ("FAILED", "the provider is down")
    assert len(runs(server, "ttl")) == 1


def test_retries_are_no_crashes_and_may_be_more_than_those(server: Server) -> None:
    answer = server.run("thirteenth", "many")

    assert (answer["status"], answer["output"]) == ("COMPLETED", 6)


def test_what_the_failed_run_had_yielded_is_not_in_the_output(server: Server) -> None:
    answer = server.run("stream", "chunks")

    assert (answer["status"], answer["output"]) == ("COMPLETED", ["2-a", "2-b", "2-c"])


def test_a_host_that_is_killed_meanwhile_starts_the_next_run_no_earlier(server: Server) -> None:
    id = server.submit("later", "killed")
    wait_for_failure(server, "later", id, "killed")
    server.kill()
    server.start()

    assert server.wait("later", id)["output"] == 2
    [wait] = (after - before for before, after in pairwise(runs(server, "killed")))
    assert wait >= 1.5
