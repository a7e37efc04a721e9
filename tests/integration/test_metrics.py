"""`/metrics` of a real server, and the dashboard that is drawn from it."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from waiting import until
from workerkit.testing import Receiver, Server

HANDLERS = """
import os, time
from workerkit import Retry, worker_function

@worker_function(max_starts=1)
def work(job):
    wanted = job["input"] or {}
    if wanted.get("die"):
        os._exit(9)
    if wanted.get("fail"):
        raise ValueError("no")
    if wanted.get("again") and job.attempt == 1:
        raise Retry(after=0)
    return wanted
"""
GRAFANA = Path(__file__).parents[2] / "examples/grafana"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(server: Server, **headers: str) -> Samples:
    response = server.http.request("GET", f"{server.url}/metrics", headers=headers)
    assert response.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.data.decode())
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((f"workerkit_{name}", frozenset(labels.items())), 0.0)


def test_what_happens_to_jobs_workers_and_deliveries_is_counted(tmp_path: Path) -> None:
    with Receiver() as receiver, Server(tmp_path, HANDLERS) as server:
        server.run("work", {"refresh_worker": True}, webhook=receiver.url)
        server.run("work", {"fail": True})
        server.run("work", {"again": True})
        server.run("work", {"die": True})
        receiver.wait(1)
        until(
            "the delivery is settled",
            lambda: value(scrape(server), "deliveries_total", plugin="webhook", outcome="delivered"),
        )
        until("a worker is ready", lambda: value(scrape(server), "workers", endpoint="work", state="ready"))
        found = scrape(server)

        assert value(found, "jobs_total", endpoint="work", status="COMPLETED") == 2
        assert value(found, "jobs_total", endpoint="work", status="FAILED") == 2
        assert value(found, "job_returns_total", endpoint="work", blame="failure") == 1
        assert value(found, "worker_refreshes_total", endpoint="work", reason="flag") == 1
        assert value(found, "worker_crashes_total", endpoint="work") == 1
        assert value(found, "job_delay_seconds_count", endpoint="work") == 5
        assert value(found, "job_run_seconds_count", endpoint="work") == 4
        assert value(found, "queue_length", endpoint="work") == 0
        assert value(found, "commit_batch_size_count") > 5


def test_a_queue_without_workers_shows_its_length_and_delay(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, arguments=["--workers", "0"]) as server:
        for _ in range(3):
            server.submit("work")
        until(
            "the first in line has waited",
            lambda: value(scrape(server), "queue_delay_seconds", endpoint="work") > 0,
        )

        assert value(scrape(server), "queue_length", endpoint="work") == 3


def test_metrics_are_for_operators_and_come_in_both_forms(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        assert server.post("/metrics")[0] == 405
        text = server.http.request("GET", f"{server.url}/metrics")
        openmetrics = server.http.request(
            "GET", f"{server.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        )

        assert text.headers["content-type"].startswith("text/plain")
        assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
        assert openmetrics.data.endswith(b"# EOF\n")


def test_each_end_is_a_line_in_the_log_unless_it_is_turned_off(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        id = server.run("work")["id"]
        until(
            "the log says so",
            lambda: re.search(rf"job {id} of work is COMPLETED \(attempt 1, \d+ ms, worker-", server.log()),
        )
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    with Server(quiet, HANDLERS, settings="[logs]\njobs = false\n") as server:
        good, bad = server.run("work")["id"], server.run("work", {"fail": True})["id"]
        until("the log names the bad one", lambda: f"job {bad} of work is FAILED" in server.log())

        assert f"job {good} of work" not in server.log()


def test_every_metric_of_the_dashboard_is_there(tmp_path: Path) -> None:
    dashboard = json.loads((GRAFANA / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    named = {name for expression in expressions for name in re.findall(r"workerkit_\w+", expression)}
    with Server(tmp_path, HANDLERS) as server:
        response = server.http.request("GET", f"{server.url}/metrics")
        families = {
            f"{family.name}{suffix}"
            for family in text_string_to_metric_families(response.data.decode())
            for suffix in ("", "_total", "_bucket", "_sum", "_count")
        }

        assert named
        assert named <= families
        assert families >= {"workerkit_jobs", "workerkit_queue_length"}


def test_many_scrapes_at_a_time_are_answered(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        found: list[Samples] = []
        threads = [threading.Thread(target=lambda: found.append(scrape(server))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert len(found) == 8
        assert {value(one, "workers", endpoint="work", state="ready") for one in found} == {1.0}
