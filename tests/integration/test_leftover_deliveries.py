"""Deliveries whose plugin went, or gave its place to another, between two runs of a server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workerkit.testing.receiver import Receiver
from workerkit.testing.server import Server
from workerkit.testing.waiting import until

HANDLER = (
    "from workerkit import worker_function\n\n@worker_function\ndef hello(job):\n    return job['input']\n"
)
#: Nothing is tried again while a test lasts.
PATIENT = "[plugin.webhook]\nattempts = 5\nretry_delay = 600\n"
WITHOUT = '[plugins]\ndisable = ["webhook"]\n'
#: A plugin in the built-in's place, whose targets only it understands.
MAIL = """
from pathlib import Path
from workerkit import Delivery, Field, Receipt, hookimpl

class Mail:
    fields = {"webhook": Field(str)}

    @hookimpl(inline=True)
    def post_job(self, request):
        return Delivery(target=f"mailto:{request.fields['webhook']}", attempts=5, delays=(600.0,))

    @hookimpl
    def deliver(self, delivery):
        if not Path("open").exists():
            return Receipt.retry("the post office is closed")
        return Receipt.delivered(f"sent to {delivery.target}")

class Courier(Mail):
    takes_over = True
"""
WHY = "plugin 'webhook' is not active; install or enable it, then restart"


def listed(server: Server, *arguments: str) -> str:
    """What `workerkit deliveries list` prints."""
    done = deliveries(server, "list", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def deliveries(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `workerkit deliveries` in the server's folder."""
    command = [sys.executable, "-m", "workerkit", "deliveries", *arguments]
    return subprocess.run(command, cwd=server.folder, capture_output=True, text=True, timeout=60)


def restarted(server: Server, settings: str) -> str:
    """The server's log since it was killed and started again with these settings."""
    server.kill()
    (server.folder / "workerkit.toml").write_text(settings)
    before = len(server.log())
    server.start()
    return server.log()[before:]


def test_webhooks_wait_while_the_plugin_is_disabled_and_are_sent_when_it_is_back(tmp_path: Path) -> None:
    with Receiver(503) as receiver, Server(tmp_path, HANDLER, settings=PATIENT) as server:
        ids = [server.submit("hello", n, webhook=f"{receiver.url}/{n}") for n in range(3)]
        until("each was tried once", lambda: server.log().count("try 1 of 5: pending") == 3)

        log = restarted(server, WITHOUT)

        assert log.count("'webhook'") == 1
        assert f"WARNING deliveries that are held: 3, because {WHY}; `workerkit deliveries list" in log
        rows = [json.loads(line) for line in listed(server, "--state", "held", "--json").splitlines()]
        assert {row["job"] for row in rows} == set(ids)
        assert f"held after 1 of 5 tries\n    {WHY}\n" in listed(server, "--job", ids[0])
        assert len(receiver.requests) == 3

        receiver.answer = 200
        log = restarted(server, PATIENT)

        sent = receiver.wait(6)[3:]
        assert {json.loads(request.body)["id"] for request in sent} == set(ids)
        until("all are settled", lambda: listed(server, "--state", "delivered").count("2 of 5 tries") == 3)
        assert "deliveries that are held" not in log


def test_what_is_redelivered_while_the_plugin_is_gone_is_refused_with_the_reason(tmp_path: Path) -> None:
    with Receiver() as receiver, Server(tmp_path, HANDLER, settings=PATIENT) as server:
        id = server.submit("hello", webhook=receiver.url)
        until("it was delivered", lambda: "delivered after 1 of 5 tries" in listed(server))
        restarted(server, WITHOUT)

        one = server.post(f"/deliveries/msg_{id}_1/redeliver")
        many = server.post("/deliveries/redeliver", {"plugin": "webhook", "state": "delivered"})
        online = deliveries(server, "redeliver", f"msg_{id}_1")
        server.stop()
        offline = deliveries(server, "redeliver", f"msg_{id}_1")
        all_offline = deliveries(server, "redeliver", "--plugin", "webhook", "--state", "delivered", "--yes")

        assert one == many == (409, {"code": "no_plugin", "error": WHY})
        for refused in (online, offline, all_offline):
            assert (refused.returncode, refused.stderr) == (1, f"workerkit: {WHY}\n")
        assert "delivered after 1 of 5 tries" in listed(server)


def swapped(plugin: str) -> str:
    """Settings in which a plugin has the place of the built-in webhook."""
    return f'[plugins]\nuse = {{ webhook = "{plugin}" }}\n'


def in_state(server: Server, state: str) -> list[dict[str, Any]]:
    """The deliveries in one state, as an operator is shown them."""
    rows: list[dict[str, Any]] = server.get(f"/deliveries?state={state}")[1]["deliveries"]
    return rows


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Server]:
    """A server, and a delivery of `Mail` that is pending after its first try."""
    (tmp_path / "letters.py").write_text(MAIL)
    with Server(tmp_path, HANDLER, settings=swapped("letters:Mail")) as server:
        server.submit("hello", webhook="ann@example.com")
        until("it was tried once", lambda: "try 1 of 5: pending: the post office is closed" in server.log())
        yield server


def test_what_a_swapped_plugin_left_waits_until_its_maker_is_back(left: Server) -> None:
    log = restarted(left, PATIENT)

    [told] = [line for line in log.splitlines() if "deliveries that are held" in line]
    assert "deliveries that are held: 1, because plugin 'webhook'" in told
    assert "letters:Mail" in told
    [held] = in_state(left, "held")
    assert (held["plugin"], held["target"]) == ("webhook", "mailto:ann@example.com")
    assert (held["number"], held["attempts"]) == (1, 5)
    assert held["detail"] in told

    (left.folder / "open").touch()
    log = restarted(left, swapped("letters:Mail"))

    [sent] = until("it is delivered", lambda: in_state(left, "delivered"))
    assert (sent["number"], sent["detail"]) == (2, "sent to mailto:ann@example.com")
    assert "deliveries that are held" not in log


def test_what_is_redelivered_while_another_has_the_place_is_held_again(left: Server) -> None:
    restarted(left, PATIENT)
    [held] = in_state(left, "held")

    assert left.post(f"/deliveries/{held['id']}/redeliver")[0] == 200

    until("it was claimed", lambda: f"delivery {held['id']}, try 2 of 5: held" in left.log())
    [again] = until("it is held", lambda: in_state(left, "held"))
    assert (again["number"], again["detail"]) == (1, held["detail"])


def test_a_successor_that_takes_over_delivers_what_was_held(left: Server) -> None:
    restarted(left, PATIENT)
    (left.folder / "open").touch()

    log = restarted(left, swapped("letters:Courier"))

    [sent] = until("it is delivered", lambda: in_state(left, "delivered"))
    assert (sent["number"], sent["detail"]) == (2, "sent to mailto:ann@example.com")
    assert "deliveries that are held" not in log
