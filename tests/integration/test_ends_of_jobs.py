"""Every way in which a job can end: what `/status` says, and the same bytes at the webhook."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from waiting import alive, until
from workerkit.testing import Receiver, Server

HANDLERS = """
import asyncio, os, time
from workerkit import worker_function

@worker_function
def echo(job):
    value = job["input"]
    if isinstance(value, dict) and "fail" in value:
        raise ValueError(value["fail"])
    if isinstance(value, dict) and "error" in value:
        return value
    return {"echo": value}

@worker_function
def block(job):
    open("block.pid", "w").write(str(os.getpid()))
    time.sleep(60)

@worker_function
async def wait(job):
    open("wait.pid", "w").write(str(os.getpid()))
    if job["input"] != "quick":
        await asyncio.sleep(60)
    return os.getpid()

@worker_function
def count(job):
    for n in range(job["input"]):
        yield {"n": n}

@worker_function
def storm(job):
    for n in range(job["input"]):
        job.progress(n)
        yield n

@worker_function
def die(job):
    os._exit(7)

@worker_function
def crash(job):
    import ctypes
    ctypes.string_at(0)

@worker_function
def odd(job):
    loop = []
    loop.append(loop)
    return {"set": {1}, "nan": float("nan"), "loop": loop, "deep": [{"x": {2}}]}[job["input"]]
"""
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("ends"), HANDLERS) as server:
        yield server


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def submit(server: Server, endpoint: str, value: Any, **body: Any) -> str:
    status, answer = server.post(f"/v2/{endpoint}/run", {"input": value, **body})
    assert (status, answer["status"]) == (200, "IN_QUEUE")
    return str(answer["id"])


def ended(server: Server, endpoint: str, id: str) -> dict[str, Any]:
    status, answer = server.get(f"/v2/{endpoint}/status-sync/{id}?wait=30000")
    assert status == 200
    assert answer["status"] in ENDED
    return dict(answer)


def running(server: Server, endpoint: str, id: str) -> bool:
    return bool(server.get(f"/v2/{endpoint}/status/{id}")[1]["status"] == "IN_PROGRESS")


def same_bytes(server: Server, receiver: Receiver, endpoint: str, id: str, path: str) -> dict[str, Any]:
    """The webhook of a job, after a look that its body is what `/status` answers, byte for byte."""
    [received] = receiver.wait(1, path)
    response = server.http.request("GET", f"{server.url}/v2/{endpoint}/status/{id}")
    assert received.body == response.data
    return dict(json.loads(received.body))


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


def test_a_running_sync_handler_is_cancelled_at_once_and_its_process_replaced(
    server: Server, receiver: Receiver
) -> None:
    id = submit(server, "block", None, webhook=receiver.url + "/cancelled")
    until("the job runs", lambda: running(server, "block", id) and (server.folder / "block.pid").exists())
    pid = until("the pid", lambda: (server.folder / "block.pid").read_text())

    before = time.monotonic()
    status, answer = server.post(f"/v2/block/cancel/{id}")

    assert (status, answer["status"]) == (200, "CANCELLED")
    assert time.monotonic() - before < 2
    assert same_bytes(server, receiver, "block", id, "/cancelled")["status"] == "CANCELLED"
    until("the process is gone", lambda: not alive(int(pid)))
    until("another is ready", lambda: server.get("/v2/block/health")[1]["workers"]["idle"] == 1)


def test_a_running_async_handler_is_cancelled_and_its_process_stays(server: Server) -> None:
    id = submit(server, "wait", "long")
    until("the job runs", lambda: running(server, "wait", id) and (server.folder / "wait.pid").exists())
    pid = until("the pid", lambda: (server.folder / "wait.pid").read_text())

    assert server.post(f"/v2/wait/cancel/{id}")[1]["status"] == "CANCELLED"

    status, answer = server.post("/v2/wait/runsync", {"input": "quick"})
    assert (status, answer["output"]) == (200, int(pid))
    assert ended(server, "wait", id)["status"] == "CANCELLED"


def test_a_job_that_waits_is_cancelled_and_purged_with_its_webhook(
    server: Server, receiver: Receiver
) -> None:
    running_id = submit(server, "block", None)
    until("the job runs", lambda: running(server, "block", running_id))
    waiting = [submit(server, "block", n, webhook=f"{receiver.url}/purged-{n}") for n in range(3)]

    assert server.post(f"/v2/block/cancel/{waiting[0]}")[1]["status"] == "CANCELLED"
    assert server.post("/v2/block/purge-queue")[1] == {"removed": 2, "status": "completed"}

    for n, id in enumerate(waiting):
        assert same_bytes(server, receiver, "block", id, f"/purged-{n}")["status"] == "CANCELLED"
    assert running(server, "block", running_id)
    assert server.post(f"/v2/block/cancel/{running_id}")[0] == 200


def test_an_ended_job_cannot_be_cancelled_and_a_cancelled_one_can_again(server: Server) -> None:
    done = server.post("/v2/echo/runsync", {"input": 1})[1]["id"]
    status, answer = server.post(f"/v2/echo/cancel/{done}")
    assert (status, answer["code"]) == (409, "already_ended")

    id = submit(server, "wait", "long")
    assert server.post(f"/v2/wait/cancel/{id}")[0] == 200
    assert server.post(f"/v2/wait/cancel/{id}")[1] == {"id": id, "status": "CANCELLED"}


@pytest.mark.parametrize("endpoint", ["block", "wait"])
def test_a_job_that_runs_too_long_is_timed_out_and_its_slot_comes_back(
    server: Server, receiver: Receiver, endpoint: str
) -> None:
    path = f"/timeout-{endpoint}"
    id = submit(server, endpoint, "long", webhook=receiver.url + path, policy={"executionTimeout": 5000})

    answer = ended(server, endpoint, id)

    assert answer["status"] == "TIMED_OUT"
    assert "execution timeout of 5000 ms" in answer["error"]
    assert 5000 <= answer["executionTime"] < 9000
    assert same_bytes(server, receiver, endpoint, id, path)["status"] == "TIMED_OUT"
    until("a slot is free", lambda: server.get(f"/v2/{endpoint}/health")[1]["workers"]["idle"] == 1)


def test_a_job_past_its_ttl_expires_in_the_queue(server: Server, receiver: Receiver) -> None:
    running_id = submit(server, "block", None)
    id = submit(server, "block", None, webhook=receiver.url + "/expired", policy={"ttl": 10_000})

    answer = ended(server, "block", id)

    assert (answer["status"], answer["error"]) == ("TIMED_OUT", "expired")
    assert same_bytes(server, receiver, "block", id, "/expired")["status"] == "TIMED_OUT"
    assert server.post(f"/v2/block/cancel/{running_id}")[0] == 200


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
