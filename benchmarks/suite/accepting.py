"""How fast a server takes jobs that have to wait: the only slot has a long one, so none of them runs meanwhile."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import urllib3

from suite import http
from suite.environments import PEERS
from suite.plan import Plan
from suite.processes import Failed, free_port, running, until
from suite.results import Figures
from suite.sides import HttpSide

WAITING, AT_MOST = 100_000, 20  # jobs, and seconds to send them
CONNECTIONS = 64
LONG = 3_600_000  # milliseconds; the server is stopped before


def measured(side: HttpSide, plan: Plan) -> Figures:
    """With nothing that waits at first; and when so many do, or as many as it takes in time."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port, log = Path(name), free_port(), Path(name) / "log"
        url = f"http://127.0.0.1:{port}{side.path}"
        with running(http.command(side, folder, port), log, http.environment(side, port), PEERS) as process:
            until(lambda: http.echoes(f"{url}sync"), process, log, side.name)
            take_slot(url)
            figures = offered(side, url, "at first", plan)
            jobs, seconds = int(WAITING * plan.share), int(AT_MOST * plan.share)
            fill(side, url, jobs, seconds)
            return figures | offered(side, url, f"with {jobs:,} waiting or after {seconds} s", plan)


def fill(side: HttpSide, url: str, jobs: int, seconds: int) -> None:
    end = time.monotonic() + seconds
    while jobs > 0 and time.monotonic() < end:
        jobs -= int(http.offer(side, url, CONNECTIONS, 0, 1)["answers"])


def take_slot(url: str) -> None:
    with urllib3.PoolManager(retries=False, timeout=10) as pool:
        answer = pool.request("POST", url, body=http.body(LONG), headers={"Content-Type": "application/json"})
    if answer.status != 200 or "id" not in answer.json():
        raise Failed(f"{url} answered {answer.status}: {answer.data.decode(errors='replace')[:500]}")


def offered(side: HttpSide, url: str, variant: str, plan: Plan) -> Figures:
    return http.seen(
        "", f"{CONNECTIONS} connections, {variant}", http.offer(side, url, CONNECTIONS, 0, plan.seconds)
    )
