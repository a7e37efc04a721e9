"""Receivers that failed too often: lists, cards and metrics say that nothing is sent there for now."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from waiting import until
from workerkit.testing import Receiver, Server

HANDLER = """
from workerkit import worker_function

@worker_function
def echo(job):
    return job["input"]
"""
#: Whatever fails is due again at once, for as long as a test lasts.
SETTINGS = "[plugin.webhook]\nattempts = 100\nretry_delay = 0\n"


@pytest.fixture
def resting(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A server with a delivery whose receiver is let rest, and that receiver."""
    with Receiver(503) as receiver, Server(tmp_path, HANDLER, settings=SETTINGS) as server:
        server.run("echo", webhook=f"{receiver.url}/hook?token=hunter2")
        until("it is let rest", lambda: server.get("/deliveries")[1]["resting"])
        until("its outcome is stored", lambda: server.get("/deliveries?state=pending")[1]["deliveries"])
        yield server, receiver.url.removeprefix("http://")


def printed(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workerkit", "deliveries", *arguments]
    return subprocess.run(command, cwd=server.folder, capture_output=True, text=True, timeout=60)


def test_a_receiver_that_rests_is_in_the_list_and_on_the_card(resting: tuple[Server, str]) -> None:
    server, host = resting
    [told] = server.get("/deliveries")[1]["resting"]
    [row] = server.get("/deliveries?state=pending")[1]["deliveries"]
    card = server.get(f"/deliveries/{row['id']}")[1]
    listed, shown = printed(server, "list"), printed(server, "show", row["id"])

    assert told["host"] == host
    assert 0 < told["until"] / 1000 - time.time() <= 30
    assert abs(card["resting_until"] - told["until"]) < 100
    assert re.search(r"the next one in \d+ s, when its receiver has rested", listed.stdout)
    assert re.search(r"the next one in \d+ s, when its receiver has rested", shown.stdout)
    assert re.fullmatch(
        rf"nothing is sent to {host} until \d\d:\d\d:\d\d, because it has failed too often\n", listed.stderr
    )
    assert printed(server, "list", "--json").stderr == ""


def test_what_waits_is_in_the_metrics(resting: tuple[Server, str]) -> None:
    server, _ = resting
    with Receiver() as good:
        server.run("echo", webhook=good.url)
        until("it is delivered", lambda: server.get("/deliveries?state=delivered")[1]["deliveries"])
    text = server.http.request("GET", f"{server.url}/metrics").data.decode()
    found = {
        (sample.name, sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    states = {state: value for (name, state), value in found.items() if name == "workerkit_undelivered"}
    assert states == {"pending": 1, "sending": 0, "held": 0, "dead": 0}
    assert 0 < found["workerkit_delivery_delay_seconds", ""] < 60
    assert found["workerkit_receivers_resting", ""] == 1
