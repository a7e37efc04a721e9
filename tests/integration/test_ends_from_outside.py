"""How a job is ended: cancelled, purged, timed out and expired, with the same bytes at the webhook."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ends import HANDLERS, ended, running, same_bytes, submit
from waiting import alive, until
from workerkit.testing import Receiver, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("ends"), HANDLERS) as server:
        yield server


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


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
