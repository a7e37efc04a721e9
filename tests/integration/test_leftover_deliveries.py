"""Deliveries whose plugin went between two runs of a server: told, held, and sent when it is back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from workerkit.testing.receiver import Receiver
from workerkit.testing.server import Server
from workerkit.testing.waiting import until

HANDLER = (
    "from workerkit import worker_function\n\n@worker_function\ndef hello(job):\n    return job['input']\n"
)
#: Nothing is tried again while a test lasts.
PATIENT = "[plugin.webhook]\nattempts = 5\nretry_delay = 600\n"
WITHOUT = '[plugins]\ndisable = ["webhook"]\n'
WHY = "plugin 'webhook' is not active; install or enable it, then restart"


def listed(server: Server, *arguments: str) -> str:
    """What `workerkit deliveries list` prints."""
    command = [sys.executable, "-m", "workerkit", "deliveries", "list", *arguments]
    return subprocess.run(
        command, cwd=server.folder, capture_output=True, text=True, timeout=60, check=True
    ).stdout


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


def test_what_is_redelivered_while_the_plugin_is_gone_is_held_again_with_the_reason(tmp_path: Path) -> None:
    with Receiver() as receiver, Server(tmp_path, HANDLER, settings=PATIENT) as server:
        id = server.submit("hello", webhook=receiver.url)
        until("it was delivered", lambda: "delivered after 1 of 5 tries" in listed(server))
        restarted(server, WITHOUT)

        assert server.post(f"/deliveries/msg_{id}_1/redeliver")[0] == 200

        shown = until("it is held", lambda: listed(server, "--state", "held"))
        assert f"held after 1 of 2 tries\n    {WHY}\n" in shown
