"""The operators' routes for deliveries: looking, and sending again one or many."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from waiting import until
from workerkit.testing import Receiver, Server

HANDLER = """
from workerkit import worker_function

@worker_function
def echo(job):
    return job["input"]

@worker_function
def other(job):
    return "other"
"""
#: Every try is the last, so that what is refused is dead at once.
ONCE = "[plugin.webhook]\nattempts = 1\n"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(503) as receiver:
        yield receiver


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, HANDLER, settings=ONCE) as server:
        yield server


def rows(server: Server, query: str = "") -> list[dict[str, Any]]:
    status, answer = server.get(f"/deliveries{query}")
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["deliveries"]
    return found


def settled(server: Server, count: int, query: str = "?state=dead") -> list[dict[str, Any]]:
    """Those deliveries, once there are so many."""
    until(f"{count} deliveries {query}", lambda: len(rows(server, query)) >= count)
    return rows(server, query)


def test_a_delivery_is_shown_with_each_of_its_tries_and_its_body(tmp_path: Path) -> None:
    settings = "[plugin.webhook]\nattempts = 3\nretry_delay = 0.05\n"
    with Receiver([503, 500, 200]) as receiver, Server(tmp_path, HANDLER, settings=settings) as server:
        id = server.submit("echo", "hello", webhook=f"{receiver.url}/hook?token=hunter2")
        [row] = settled(server, 1, "?state=delivered")
        status, shown = server.get(f"/deliveries/{row['id']}")
        raw = server.http.request("GET", f"{server.url}/v2/echo/status/{id}").data.decode()

    assert status == 200
    assert shown["delivery"] == row
    assert (row["job"], row["endpoint"], row["plugin"]) == (id, "echo", "webhook")
    assert row["target"] == f"{receiver.url}/hook?…"
    assert shown["body"] == raw
    tries = shown["attempts"]
    assert [one["number"] for one in tries] == [1, 2, 3]
    assert [one["status"] for one in tries] == [503, 500, 200]
    assert [one["outcome"] for one in tries] == ["retry", "retry", "delivered"]
    assert [one["detail"] for one in tries] == ["answered 503", "answered 500", "answered 200"]
    assert {one["address"] for one in tries} == {receiver.url.removeprefix("http://")}
    assert all(0 <= one["took"] < 20_000 and abs(one["at"] / 1000 - time.time()) < 60 for one in tries)
    assert [one["at"] for one in tries] == sorted(one["at"] for one in tries)


def test_the_query_of_a_url_is_shown_nowhere(server: Server, receiver: Receiver) -> None:
    id = server.submit("echo", webhook=f"{receiver.url}/hook?token=hunter2")
    server.submit("echo", webhook="http://127.0.0.1:9/hook?token=hunter2")
    for row in settled(server, 2):
        assert "hunter2" not in str(server.get(f"/deliveries/{row['id']}"))

    assert "hunter2" not in str(rows(server)) + str(server.get(f"/jobs/{id}"))
    assert "hunter2" not in str(server.get("/deliveries/attempts?after=0")) + server.log()


def test_each_filter_finds_what_it_says(server: Server, receiver: Receiver) -> None:
    begun = int(time.time() * 1000) - 5000
    with Receiver(200) as good:
        bad = server.run("echo", webhook=receiver.url)["id"]
        well = server.run("other", webhook=f"{good.url}/hook?a=1")["id"]
        settled(server, 1, "?state=dead")
        settled(server, 1, "?state=delivered")

        def jobs(query: str) -> list[str]:
            return [row["job"] for row in rows(server, query)]

        assert jobs("") == [well, bad]
        assert jobs("?state=dead") == [bad]
        assert jobs(f"?job={well}") == [well]
        assert jobs("?endpoint=other") == [well]
        assert jobs("?plugin=webhook") == [well, bad]
        assert jobs("?plugin=s3") == []
        assert jobs(f"?host={good.url.removeprefix('http://')}") == [well]
        assert jobs(f"?host={receiver.url}/any/path") == [bad]
        assert (
            jobs(f"?since={begun}") == jobs("?since=2h") == jobs("?since=2020-01-01T00:00:00Z") == [well, bad]
        )
        assert jobs(f"?until={begun}") == jobs("?since=2100-01-01") == []
        assert jobs("?state=dead&endpoint=other") == []
        first, second = rows(server, "?limit=1"), rows(server)
        assert rows(server, f"?after={first[-1]['seq']}") == second[1:]
        assert server.get("/deliveries?limit=1")[1]["after"] == first[-1]["seq"]
        assert server.get("/deliveries?limit=2")[1]["after"] is None


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("?state=ded", None, 400, "state: 'ded' is not known; did you mean 'dead'?"),
        ("?hosts=a", None, 400, "'hosts' is no filter here; did you mean 'host'?"),
        ("?since=yesterday", None, 400, "since: 'yesterday' is no time; write an age such as 30m, 2h or 7d"),
        ("?since=1h&until=2h", None, 400, "until is not later than since"),
        ("?endpoint=ecko", None, 400, "the queue holds no function 'ecko'; did you mean 'echo'?"),
        (
            "?plugin=webhok",
            None,
            400,
            "no plugin 'webhok' is active, and none of that name has left deliveries; did",
        ),
        ("?plugin=webhok", None, 400, "did you mean 'webhook'?"),
        (
            "?job=nope",
            None,
            400,
            "there is no job 'nope', and no delivery of one; `workerkit jobs list` shows",
        ),
        ("?job=", None, 400, "job is ''; it must be text, and not empty"),
        ("?host=http://", None, 400, "host "),
        (
            "/msg_x",
            None,
            404,
            "there is no delivery 'msg_x'; `workerkit deliveries list` shows those there are",
        ),
        ("/msg_x/redeliver", "", 404, "there is no delivery 'msg_x'"),
        ("/redeliver", {}, 400, "give at least one of state, job, endpoint, plugin, host, since, until"),
        ("/redeliver", {"stat": "dead"}, 400, "'stat' is no filter here; did you mean 'state'?"),
        ("/redeliver", {"state": "sending"}, 400, "deliveries that are sending are on their way already"),
        ("/redeliver", {"plugin": "webhok"}, 400, "did you mean 'webhook'?"),
        ("/redeliver", {"job": "nope"}, 400, "there is no job 'nope'"),
        ("/redeliver", {"plugin": "s3"}, 409, "plugin 's3' has no deliver hook"),
        ("/redeliver", {"state": 5}, 400, "state is '5'; it must be text"),
        ("/redeliver", {"since": True}, 400, "since must be text or a number, not 'True'"),
        ("/redeliver", {"since": 1.5}, 400, "since must be text or a number, not '1.5'"),
        ("/redeliver", {"limit": 5}, 400, "'limit' is no filter here"),
        (
            "/redeliver",
            ["dead"],
            400,
            'the body is an array; send an object of filters such as {"state": "dead"}',
        ),
        ("/redeliver", b"{'state'", 400, "the body is not valid JSON at line 1, column 2"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(
    mistaken: Server, path: str, body: Any, status: int, sentence: str
) -> None:
    answer = mistaken.get(f"/deliveries{path}") if body is None else mistaken.post(f"/deliveries{path}", body)

    assert answer[0] == status
    assert sentence in answer[1]["error"]


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("mistaken"), HANDLER) as server:
        yield server


def test_one_is_sent_again_and_one_on_its_way_is_not(tmp_path: Path, receiver: Receiver) -> None:
    settings = "[plugin.webhook]\nattempts = 2\nretry_delay = 600\n"
    with Server(tmp_path, HANDLER, settings=settings) as server:
        server.submit("echo", webhook=receiver.url)
        [row] = until("it was tried", lambda: [row for row in rows(server) if row["number"] == 1])
        until("it waits", lambda: rows(server, "?state=pending"))
        status, answer = server.post(f"/deliveries/{row['id']}/redeliver")

    assert (status, answer["code"]) == (409, "on_its_way")
    assert answer["error"] == f"delivery {row['id']} is pending; it is on its way already"


def test_many_are_sent_again_at_one_go_and_only_those_that_are_meant(
    server: Server, receiver: Receiver
) -> None:
    for number in range(3):
        server.submit("echo", number, webhook=f"{receiver.url}/{number}")
    settled(server, 3)
    with Receiver(200) as good:
        server.submit("other", webhook=good.url)
        settled(server, 1, "?state=delivered")
        receiver.answer = 200

        assert server.post("/deliveries/redeliver", {"endpoint": "other"}) == (200, {"redelivered": 0})
        assert server.post("/deliveries/redeliver", {"state": "dead", "since": "1h"}) == (
            200,
            {"redelivered": 3},
        )

        delivered = settled(server, 4, "?state=delivered")
        assert sorted(row["number"] for row in delivered) == [1, 2, 2, 2]
        assert len(good.requests) == 1
        assert server.post("/deliveries/redeliver", {"state": "dead"}) == (200, {"redelivered": 0})
        assert server.post("/deliveries/redeliver", {"state": "delivered", "endpoint": "other"}) == (
            200,
            {"redelivered": 1},
        )
        assert len(good.wait(2)) == 2


def test_more_than_a_slice_that_fails_again_at_once_is_sent_again_once_each(tmp_path: Path) -> None:
    (tmp_path / "letters.py").write_text(FAILING)
    settings = '[plugins]\nload = ["letters:Letters"]\n'
    with Server(tmp_path, HANDLER, settings=settings) as server:
        server.run("echo", 450)
        settled(server, 450, "?state=dead&limit=1000")

        assert server.post("/deliveries/redeliver", {"plugin": "letters"}) == (200, {"redelivered": 450})

        until("none is pending", lambda: not rows(server, "?state=pending") + rows(server, "?state=sending"))
        assert {row["number"] for row in rows(server, "?limit=1000")} == {2}


#: Many deliveries an end, each of a lane of its own, which nobody takes.
FAILING = """
from workerkit import Delivery, Receipt, hookimpl

class Letters:
    @hookimpl(inline=True)
    def post_job(self, request, result):
        return [Delivery(target="nobody", lane=str(number)) for number in range(result.value)]

    @hookimpl
    def deliver(self, delivery):
        return Receipt.stop("nobody is at home")
"""


def test_tries_are_told_as_they_are_made(server: Server, receiver: Receiver) -> None:
    place = server.get("/deliveries/attempts")[1]["after"]
    id = server.submit("echo", webhook=f"{receiver.url}/hook?token=hunter2")

    answer = server.get(f"/deliveries/attempts?after={place}&wait=30")[1]

    [told] = answer["attempts"]
    assert (told["job"], told["state"], told["outcome"], told["status"]) == (id, "dead", "retry", 503)
    assert (told["number"], told["attempts"], told["target"]) == (1, 1, f"{receiver.url}/hook?…")
    assert (answer["after"], answer["missed"]) == (place + 1, 0)
    assert server.get(f"/deliveries/attempts?after={place + 1}")[1]["attempts"] == []


def test_deliveries_are_for_operators(tmp_path: Path) -> None:
    settings = f"[server.keys.me]\nsha256 = '{hashlib.sha256(b'me').hexdigest()}'\n"
    with Server(tmp_path, HANDLER, settings=settings, headers={"Authorization": "me"}) as server:
        refused = [
            server.get("/deliveries"),
            server.get("/deliveries/x"),
            server.get("/deliveries/attempts"),
            server.post("/deliveries/x/redeliver"),
            server.post("/deliveries/redeliver", {"state": "dead"}),
        ]

    assert {(status, answer["code"]) for status, answer in refused} == {(403, "wrong_role")}
