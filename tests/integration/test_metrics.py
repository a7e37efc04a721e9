"""`/metrics` of a real server, and the dashboard that is drawn from it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
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
ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "examples/grafana"
NAME = re.compile(r"\b(?:workerkit|process)_\w+")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(server: Server, **headers: str) -> Samples:
    response = server.http.request("GET", f"{server.url}/metrics", headers=headers)
    assert response.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.data.decode())
        for sample in family.samples
    }


def series(families: Iterable[Metric]) -> set[str]:
    return {sample.name for family in families for sample in family.samples}


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
        until("a worker is idle", lambda: value(scrape(server), "workers", endpoint="work", state="idle"))
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
        assert value(found, "stale_frames_total", endpoint="work") == 0
        assert not [name for name, _ in found if name.endswith("_created")]


def test_a_queue_without_workers_shows_its_length_and_delay(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, arguments=["--workers", "0"]) as server:
        for _ in range(3):
            server.submit("work")
        until(
            "the first in line has waited",
            lambda: value(scrape(server), "queue_delay_seconds", endpoint="work") > 0,
        )

        assert value(scrape(server), "queue_length", endpoint="work") == 3


def test_metrics_come_in_both_forms_and_to_head(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        url = f"{server.url}/metrics"
        text = server.http.request("GET", url)
        modern = server.http.request(
            "GET", url, headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        )
        head = server.http.request("HEAD", url)

        assert text.headers["content-type"].startswith("text/plain")
        assert modern.headers["content-type"].startswith("application/openmetrics-text")
        assert series(openmetrics_families(modern.data.decode())) == series(  # type: ignore[no-untyped-call]
            text_string_to_metric_families(text.data.decode())
        )
        assert (head.status, head.data) == (200, b"")
        assert server.post("/metrics")[0] == 405


def test_with_keys_metrics_are_for_operators_only(tmp_path: Path) -> None:
    sections = [
        f'[server.keys.{role}]\nsha256 = "{hashlib.sha256(role.encode()).hexdigest()}"\nrole = "{role}"\n'
        for role in ("client", "worker", "operator")
    ]
    with Server(tmp_path, HANDLERS, settings="".join(sections)) as server:

        def status(**headers: str) -> int:
            return server.http.request("GET", f"{server.url}/metrics", headers=headers).status

        assert status() == 401
        assert status(Authorization="Bearer nobody") == 401
        assert status(Authorization="Bearer client") == 403
        assert status(Authorization="Bearer worker") == 403
        assert status(Authorization="Bearer operator") == 200


@pytest.mark.parametrize("there", [True, False])
def test_the_files_in_which_a_handlers_own_metrics_are_gathered_are_left_alone(
    tmp_path: Path, there: bool
) -> None:
    gathered = tmp_path / "gathered"
    if there:
        gathered.mkdir()
    environ = {"PROMETHEUS_MULTIPROC_DIR": str(gathered)}
    with Server(tmp_path, HANDLERS, environ=environ) as server:
        server.run("work")

        assert value(scrape(server), "jobs_total", endpoint="work", status="COMPLETED") == 1
    assert (os.listdir(gathered) if there else gathered.exists()) == ([] if there else False)


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


def test_every_metric_is_in_the_dashboard_and_the_documentation_and_nothing_else_is(tmp_path: Path) -> None:
    dashboard = json.loads((GRAFANA / "dashboard.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    drawn = {name for expression in expressions for name in NAME.findall(expression)}
    page = (ROOT / "docs/how-to/metrics.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(workerkit_\w+)`", page))
    with Server(tmp_path, HANDLERS) as server:
        text = server.http.request("GET", f"{server.url}/metrics").data.decode()
        there = series(text_string_to_metric_families(text))
        there |= {"workerkit_worker_refreshes_total", "workerkit_deliveries_total"}  # once there was one

        assert drawn <= there
        ours = {re.sub("_(bucket|sum|count)$", "", name) for name in there if name.startswith("workerkit_")}
        assert {re.sub("_(bucket|sum|count)$", "", name) for name in drawn} >= ours
        assert documented == ours


def test_many_scrapes_at_a_time_are_answered(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        found: list[Samples] = []
        threads = [threading.Thread(target=lambda: found.append(scrape(server))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert len(found) == 8
        assert {value(one, "workers", endpoint="work", state="idle") for one in found} == {1.0}
