"""The receiver of `examples/receiver/`, as a process of its own, and what it has after being away."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path

import pytest
import urllib3
from standardwebhooks import Webhook

from waiting import until
from workerkit.signing import new_secret
from workerkit.testing import Server

RECEIVER = Path(__file__).parents[2] / "examples" / "receiver" / "receiver.py"
HANDLER = """
from workerkit import worker_function

@worker_function
def hello(job):
    return job["input"]
"""
BODY = b'{"id":"job-1","status":"FAILED"}'
SETTINGS = '[plugin.webhook]\nattempts = 1\nsecrets = ["env:WEBHOOK_SECRET"]\n'


class Receiving:
    """A receiver that is killed and started again at the same address."""

    def __init__(self, folder: Path, server: str, secret: str) -> None:
        self.database, self.log_path = folder / "finished.db", folder / "receiver.log"
        self.port = 0
        self._server, self._secret = server, secret

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its URL while it runs; then it is killed."""
        command = [sys.executable, str(RECEIVER), "--server", self._server, "--database", str(self.database)]
        environ = {**os.environ, "WEBHOOK_SECRET": self._secret}
        before = len(self.log())
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(
                [*command, "--port", str(self.port)], env=environ, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            url = re.compile(r"receiving at (http://127\.0\.0\.1:(\d+)/webhook)")
            found = until("it listens", lambda: url.search(self.log(), before))
            self.port = int(found[2])
            yield found[1]
        finally:
            process.kill()
            process.wait()

    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    def jobs(self) -> list[str]:
        """The jobs that it has, a row for each."""
        with closing(sqlite3.connect(self.database)) as db:
            return [json.loads(job)["id"] for (job,) in db.execute("SELECT job FROM finished")]


def in_state(server: Server, state: str) -> int:
    """How many deliveries are in it."""
    return len(server.get(f"/deliveries?state={state}")[1]["deliveries"])


@pytest.fixture
def secret() -> str:
    return new_secret()


def test_after_being_killed_it_has_every_job_exactly_once(tmp_path: Path, secret: str) -> None:
    with Server(tmp_path, HANDLER, settings=SETTINGS, environ={"WEBHOOK_SECRET": secret}) as server:
        receiving = Receiving(tmp_path, server.url, secret)
        with receiving.running() as url:
            ids = [server.submit("hello", number, webhook=url) for number in range(5)]
            until("they are delivered", lambda: in_state(server, "delivered") == len(ids))
            assert sorted(receiving.jobs()) == sorted(ids)

        missed = [server.submit("hello", number, webhook=url) for number in range(5, 9)]
        until("their webhooks are given up", lambda: in_state(server, "dead") == len(missed))
        assert not set(missed) & set(receiving.jobs())

        with receiving.running():
            until("it has caught up", lambda: "caught up" in receiving.log().rpartition("receiving at")[2])
            assert sorted(receiving.jobs()) == sorted(ids + missed)
            server.post("/deliveries/redeliver", {"state": "dead"})
            until("all have come", lambda: in_state(server, "delivered") == len(ids + missed))
            after = server.submit("hello", "after", webhook=url)
            until("what comes later comes, too", lambda: after in receiving.jobs())

        assert sorted(receiving.jobs()) == sorted([*ids, *missed, after])


def test_what_is_not_signed_by_the_secret_is_refused_and_not_stored(tmp_path: Path, secret: str) -> None:
    receiving = Receiving(tmp_path, "http://127.0.0.1:9", secret)
    good, bad = signed(secret, "msg_1"), signed(new_secret(), "msg_2")
    with receiving.running() as url, urllib3.PoolManager(retries=False) as http:

        def post(headers: dict[str, str], body: bytes = BODY) -> int:
            return http.request("POST", url, body=body, headers=headers).status

        assert post(bad) == 401
        assert post({}) == 401
        assert post({**good, "webhook-signature": "nonsense"}) == 401
        assert post({**good, "webhook-signature": "v1,***"}) == 401
        assert post(good, BODY.replace(b"FAILED", b"COMPLETED")) == 401
        assert post(signed(secret, "msg_3", age=600)) == 401
        assert receiving.jobs() == []

        assert [post(good), post(good)] == [200, 200]
        assert receiving.jobs() == ["job-1"]


def test_what_is_an_end_is_told_by_the_signed_body_and_not_by_a_header(tmp_path: Path, secret: str) -> None:
    receiving = Receiving(tmp_path, "http://127.0.0.1:9", secret)
    running = b'{"id":"job-2","status":"IN_PROGRESS"}'
    with receiving.running() as url, urllib3.PoolManager(retries=False) as http:
        for id, body, event in (("msg_1", BODY, "output"), ("msg_2", running, "completed")):
            headers = {**signed(secret, id, body=body), "workerkit-event": event}
            assert http.request("POST", url, body=body, headers=headers).status == 200

        assert receiving.jobs() == ["job-1"]


def test_without_a_secret_it_says_how_to_get_one() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "WEBHOOK_SECRET"}
    done = subprocess.run(
        [sys.executable, str(RECEIVER)], env=environ, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1
    assert "`workerkit webhook secret`" in done.stderr


def signed(secret: str, id: str, age: float = 0, body: bytes = BODY) -> dict[str, str]:
    """The headers of a webhook that carries `body`, as the package itself makes them."""
    at = datetime.fromtimestamp(time.time() - age, timezone.utc)
    signature = Webhook(secret).sign(id, at, body.decode())
    return {"webhook-id": id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
