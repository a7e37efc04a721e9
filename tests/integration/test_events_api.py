"""`/v2/{endpoint}/events`: the ends of jobs in order, for whoever was away."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workerkit.server.serving import GRACE
from workerkit.testing import Receiver, Server

HANDLER = """
from pathlib import Path
from workerkit import worker_function

@worker_function
def echo(job):
    return job["input"]

@worker_function
def fragile(job):
    if not Path("well").exists():
        raise ValueError("not well")
    return "well"

@worker_function
def quiet(job):
    return None
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("events"), HANDLER) as server:
        yield server


def events(server: Server, endpoint: str, query: str = "", **headers: str) -> dict[str, Any]:
    status, answer = server.get(f"/v2/{endpoint}/events{query}", **headers)
    assert status == 200, answer
    return dict(answer)


def last(server: Server, endpoint: str) -> str:
    """The cursor behind all that there is."""
    return str(events(server, endpoint, "?limit=1000")["cursor"])


def ids(page: dict[str, Any]) -> list[str]:
    return [event["job"]["id"] for event in page["events"]]


def test_ends_are_told_in_order_page_by_page_with_the_bytes_of_status(server: Server) -> None:
    cursor = last(server, "echo")
    ended = [server.run("echo", number)["id"] for number in range(5)]

    pages = []
    while not pages or pages[-1]["more"]:
        pages.append(events(server, "echo", f"?after={cursor}&limit=2"))
        cursor = pages[-1]["cursor"]

    assert [len(page["events"]) for page in pages] == [2, 2, 1]
    assert [id for page in pages for id in ids(page)] == ended
    for event in pages[0]["events"]:
        assert event["id"] == f"msg_{event['job']['id']}_1"
        assert event["job"]["status"] == "COMPLETED"
        assert abs(event["timestamp"] / 1000 - time.time()) < 60
    assert pages[0]["events"][-1]["cursor"] == pages[0]["cursor"]
    raw = server.http.request("GET", f"{server.url}/v2/echo/events?after={pages[0]['cursor']}").data
    assert server.http.request("GET", f"{server.url}/v2/echo/status/{ended[2]}").data in raw


def test_behind_the_last_one_there_is_nothing_and_the_cursor_stays(server: Server) -> None:
    cursor = last(server, "echo")

    assert events(server, "echo", f"?after={cursor}") == {"events": [], "cursor": cursor, "more": False}
    first = events(server, "quiet")
    assert first == {"events": [], "cursor": events(server, "quiet", "?after=")["cursor"], "more": False}
    assert events(server, "quiet", f"?after={first['cursor']}") == first


def test_one_endpoint_does_not_tell_of_another(server: Server) -> None:
    cursor = last(server, "echo")
    server.run("fragile")

    assert events(server, "echo", f"?after={cursor}")["events"] == []


def test_a_wait_ends_when_a_job_does(server: Server) -> None:
    cursor = last(server, "echo")
    heard: list[dict[str, Any]] = []
    waiting = threading.Thread(
        target=lambda: heard.append(events(server, "echo", f"?after={cursor}&wait=60000"))
    )
    waiting.start()

    id = server.submit("echo", "wake up")
    waiting.join(30)

    assert ids(heard[0]) == [id]


def test_a_wait_for_nothing_ends_in_time(server: Server) -> None:
    began = time.monotonic()

    assert events(server, "quiet", "?wait=300")["events"] == []
    assert 0.25 < time.monotonic() - began < 20


def test_a_job_that_is_retried_is_told_again_at_its_new_end(server: Server) -> None:
    cursor = last(server, "fragile")
    first, second = server.run("fragile")["id"], server.run("fragile")["id"]
    page = events(server, "fragile", f"?after={cursor}")
    assert ids(page) == [first, second]

    (server.folder / "well").touch()
    try:
        assert server.post(f"/v2/fragile/retry/{first}")[0] == 200
        assert server.wait("fragile", first)["status"] == "COMPLETED"
    finally:
        (server.folder / "well").unlink()

    [again] = events(server, "fragile", f"?after={page['cursor']}")["events"]
    assert (again["id"], again["job"]["status"]) == (
        f"msg_{first}_3",
        "COMPLETED",
    )  # a retry counts, and its run
    assert ids(events(server, "fragile", f"?after={cursor}")) == [second, first]


def test_a_receiver_that_was_down_finds_what_its_webhooks_would_have_said(tmp_path: Path) -> None:
    settings = "[plugin.webhook]\nattempts = 1\n"
    with Receiver(503) as receiver, Server(tmp_path, HANDLER, settings=settings) as server:
        missed = [server.submit("echo", number, webhook=receiver.url) for number in range(3)]
        told = {request.headers["webhook-id"]: request.body for request in receiver.wait(3)}
        page = events(server, "echo")

    assert set(ids(page)) == set(missed)
    assert {event["id"]: event["job"] for event in page["events"]} == {
        id: json.loads(body) for id, body in told.items()
    }


def test_cursors_are_good_after_a_restart_and_go_on_growing(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        before = server.run("echo", 1)["id"]
        page = events(server, "echo")
        server.kill()
        server.start()

        assert events(server, "echo") == page
        after = server.run("echo", 2)["id"]
        assert ids(events(server, "echo")) == [before, after]
        assert ids(events(server, "echo", f"?after={page['cursor']}")) == [after]


def test_a_cursor_of_a_queue_that_was_made_anew_is_refused_and_not_followed_in_silence(
    tmp_path: Path,
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    with Server(tmp_path / "old", HANDLER) as old:
        for number in range(3):
            old.run("echo", number)
        cursor = last(old, "echo")
        assert events(old, "echo", f"?after={cursor}")["events"] == []
    with Server(tmp_path / "new", HANDLER) as new:
        new.run("echo", 3)
        status, answer = new.get(f"/v2/echo/events?after={cursor}&wait=60000")

    assert (status, answer["code"]) == (400, "bad_cursor")
    assert "begin again without after" in answer["error"]


def test_a_stop_answers_whoever_waits(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as waiting:
            waiting.sendall(b"GET /v2/echo/events?wait=60000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert server.get("/healthz")[0] == 200  # so that the other was read before
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < GRACE
            answer = b"".join(iter(lambda: waiting.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b'{"events":[],"cursor":"echo.0","more":false}')


@pytest.mark.parametrize(
    ("path", "status", "code", "sentence"),
    [
        (
            "echo/events?after=5",
            400,
            "bad_cursor",
            "after is '5', which is no cursor of 'echo'; give one that",
        ),
        ("echo/events?after=quiet.1", 400, "bad_cursor", "leave it out to begin with the oldest"),
        ("echo/events?after=echo.x", 400, "bad_cursor", "no cursor of 'echo'"),
        (
            "echo/events?after=echo.99999",
            400,
            "bad_cursor",
            "of 'echo' have ended in this queue: the cursor is another queue's",
        ),
        ("quiet/events?after=quiet.1", 400, "bad_cursor", "only 0 jobs of 'quiet' have ended"),
        ("echo/events?limit=0", 400, "bad_query", "limit is '0'; it must be a whole number from 1 to 1000"),
        ("ech/events", 404, "unknown_endpoint", "Did you mean 'echo'?"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(
    server: Server, path: str, status: int, code: str, sentence: str
) -> None:
    answer = server.get(f"/v2/{path}")

    assert (answer[0], answer[1]["code"]) == (status, code)
    assert sentence in answer[1]["error"]


def test_a_large_page_is_bounded_in_bytes_and_nothing_is_left_out(server: Server) -> None:
    cursor = last(server, "echo")
    large = "x" * 3_000_000
    ended = [server.run("echo", large)["id"] for _ in range(4)]

    first = events(server, "echo", f"?after={cursor}")
    second = events(server, "echo", f"?after={first['cursor']}")

    assert (len(first["events"]), first["more"]) == (2, True)
    assert (len(second["events"]), second["more"]) == (2, False)
    assert ids(first) + ids(second) == ended


def test_a_key_reads_only_the_events_of_its_own_endpoints(tmp_path: Path) -> None:
    def key(name: str, more: str) -> str:
        return f"[server.keys.{name}]\nsha256 = '{hashlib.sha256(name.encode()).hexdigest()}'\n{more}\n"

    settings = (
        key("mine", 'endpoints = ["echo"]')
        + key("worker", 'role = "worker"')
        + key("boss", 'role = "operator"')
    )
    with Server(tmp_path, HANDLER, settings=settings, headers={"Authorization": "mine"}) as server:
        server.run("echo", 1)
        assert len(events(server, "echo")["events"]) == 1
        other = server.get("/v2/quiet/events")
        none = server.get("/v2/echo/events", Authorization="")
        worker = server.get("/v2/echo/events", Authorization="worker")
        assert len(events(server, "echo", Authorization="boss")["events"]) == 1

    assert (other[0], other[1]["code"]) == (403, "wrong_endpoint")
    assert (none[0], worker[0]) == (401, 403)
