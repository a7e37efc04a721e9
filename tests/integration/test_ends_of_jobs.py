"""How a job ends by itself: what `/status` says, and the same bytes at the webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ends import HANDLERS, ended, same_bytes, submit
from workerkit.testing import Receiver, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("ends"), HANDLERS) as server:
        yield server


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_a_completed_job_answers_its_output_and_its_times(server: Server) -> None:
    status, answer = server.post("/v2/echo/runsync", {"input": [1, "två"]})

    assert status == 200
    assert answer["status"] == "COMPLETED"
    assert answer["output"] == {"echo": [1, "två"]}
    assert answer["id"].startswith("sync-")
    assert answer["delayTime"] >= 0
    assert answer["executionTime"] >= 0
    assert answer["workerId"].startswith("worker-")


@pytest.mark.parametrize(
    ("endpoint", "value", "status"),
    [
        ("echo", "x", "COMPLETED"),
        ("echo", {"fail": "no"}, "FAILED"),
        ("count", 3, "COMPLETED"),
        ("die", None, "FAILED"),
    ],
)
def test_a_webhook_carries_the_bytes_of_status(
    server: Server, receiver: Receiver, endpoint: str, value: Any, status: str
) -> None:
    path = f"/{endpoint}-{status}"
    id = submit(server, endpoint, value, webhook=receiver.url + path)

    assert ended(server, endpoint, id)["status"] == status
    assert same_bytes(server, receiver, endpoint, id, path)["status"] == status


def test_a_handler_that_raises_gives_runpods_error_keys(server: Server) -> None:
    answer = server.post("/v2/echo/runsync", {"input": {"fail": "too wet"}})[1]

    error = json.loads(answer["error"])
    assert answer["status"] == "FAILED"
    assert error["error_message"] == "too wet"
    assert "ValueError" in error["error_type"]
    assert "handler.py" in error["error_traceback"]
    assert error["worker_id"] == answer["workerId"]


def test_a_dict_with_an_error_fails_and_keeps_the_rest(server: Server) -> None:
    answer = server.post("/v2/echo/runsync", {"input": {"error": "bad prompt", "seed": 7}})[1]

    assert (answer["status"], answer["error"], answer["output"]) == ("FAILED", "bad prompt", {"seed": 7})


@pytest.mark.parametrize(
    ("endpoint", "how"), [("die", "exited with code 7"), ("crash", "was killed by SIGSEGV")]
)
def test_a_job_whose_worker_dies_is_started_again_and_then_says_how_it_died(
    server: Server, endpoint: str, how: str
) -> None:
    answer = ended(server, endpoint, submit(server, endpoint, None))

    error = json.loads(answer["error"])
    assert (answer["status"], answer["retries"]) == ("FAILED", 2)
    assert error["error_type"] == "WorkerDied"
    assert how in error["error_message"]
    assert "3 times" in error["error_message"]


def test_a_segfault_leaves_its_stack_in_the_error(server: Server) -> None:
    error = json.loads(ended(server, "crash", submit(server, "crash", None))["error"])

    assert "string_at" in error["error_traceback"]


@pytest.mark.parametrize(
    ("value", "culprit"),
    [
        ("set", "output is of type set"),
        ("nan", "output is nan"),
        ("loop", "output[0] contains itself"),
        ("deep", "output[0].x is of type set"),
    ],
)
def test_an_output_that_json_cannot_hold_fails_with_its_path(
    server: Server, value: str, culprit: str
) -> None:
    answer = server.post("/v2/odd/runsync", {"input": value})[1]

    assert answer["status"] == "FAILED"
    assert culprit in answer["error"]
    assert server.post("/v2/echo/runsync", {"input": 1})[1]["status"] == "COMPLETED"


def test_a_generators_chunks_are_streamed_once_and_collected(server: Server) -> None:
    id = submit(server, "count", 4)
    got: list[Any] = []
    while True:
        status, answer = server.get(f"/v2/count/stream/{id}")
        assert status == 200
        got += [item["output"] for item in answer["stream"]]
        if answer["status"] == "COMPLETED" and not answer["stream"]:
            break

    assert got == [{"n": n} for n in range(4)]
    assert ended(server, "count", id)["output"] == got


def test_a_failed_job_is_retried_under_its_id_and_a_completed_one_is_not(server: Server) -> None:
    id = submit(server, "echo", {"fail": "again"})
    assert ended(server, "echo", id)["status"] == "FAILED"

    assert server.post(f"/v2/echo/retry/{id}")[1] == {"id": id, "status": "IN_QUEUE"}
    answer = ended(server, "echo", id)
    assert (answer["status"], "retries" in answer) == ("FAILED", False)

    done = server.post("/v2/echo/runsync", {"input": 1})[1]["id"]
    status, answer = server.post(f"/v2/echo/retry/{done}")
    assert (status, answer["code"]) == (409, "not_retryable")


def test_health_counts_every_end(server: Server) -> None:
    before = server.get("/v2/echo/health")[1]["jobs"]
    server.post("/v2/echo/runsync", {"input": 1})
    server.post("/v2/echo/runsync", {"input": {"fail": "x"}})

    status, after = server.get("/v2/echo/health")
    assert status == 200
    assert after["jobs"]["completed"] == before["completed"] + 1
    assert after["jobs"]["failed"] == before["failed"] + 1
    assert (after["jobs"]["inQueue"], after["jobs"]["inProgress"]) == (0, 0)
    assert set(after["workers"]) == {"idle", "initializing", "ready", "running", "throttled", "unhealthy"}


def test_a_storm_of_chunks_and_progress_is_stored_in_order(server: Server) -> None:
    id = submit(server, "storm", 20_000)

    answer = ended(server, "storm", id)

    assert answer["status"] == "COMPLETED"
    assert answer["output"] == list(range(20_000))
