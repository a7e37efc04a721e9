from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from serving import Served

HANDLER = """
from pathlib import Path
from workerkit import worker_function

@worker_function
def echo(job):
    return job["input"]

@worker_function
def gated(job):
    Path(job["input"]["gate"]).read_bytes()  # a FIFO: waits until somebody opens it
"""
FAR = "http://127.0.0.1:9/nobody"


def workerkit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workerkit", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def rows(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    done = workerkit(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_jobs_are_listed_and_shown_alike_through_the_server_and_from_the_file(tmp_path: Path) -> None:
    with Served(tmp_path, HANDLER) as server:
        first = server.post("/v2/echo/runsync", {"input": {"n": 1}})[1]["id"]
        server.post("/v2/echo/runsync", {"input": {"n": 2}})
        listed = rows(tmp_path, "jobs", "list")
        shown = json.loads(workerkit(tmp_path, "jobs", "show", first).stdout)

    assert [row["status"] for row in listed] == ["COMPLETED", "COMPLETED"]
    assert listed[0]["id"] == first
    assert shown["job"]["output"] == {"n": 1}
    assert rows(tmp_path, "jobs", "list") == listed
    assert json.loads(workerkit(tmp_path, "jobs", "show", first).stdout) == shown
    assert rows(tmp_path, "jobs", "list", "--status", "FAILED") == []
    assert rows(tmp_path, "jobs", "list", "--after", str(listed[0]["seq"])) == listed[1:]


def test_the_table_shows_whole_ids(tmp_path: Path) -> None:
    with Served(tmp_path, HANDLER) as server:
        id = server.post("/v2/echo/run", {"input": 1})[1]["id"]

        done = workerkit(tmp_path, "jobs", "list")

    assert done.returncode == 0
    assert id in done.stdout
    assert "submitted" in done.stdout


def test_a_waiting_job_is_cancelled_through_the_server(tmp_path: Path) -> None:
    with Served(tmp_path, HANDLER) as server:
        held, waiting = hold_the_worker(server, tmp_path)

        done = workerkit(tmp_path, "jobs", "cancel", waiting)

        assert done.stdout == f"{waiting} is CANCELLED\n"
        assert server.get(f"/v2/gated/status/{waiting}")[1]["status"] == "CANCELLED"
        assert server.get(f"/v2/gated/status/{held}")[1]["status"] == "IN_PROGRESS"
        workerkit(tmp_path, "jobs", "cancel", held)


def test_without_a_server_a_job_is_cancelled_in_the_file_and_its_webhook_is_stored(tmp_path: Path) -> None:
    with Served(tmp_path, HANDLER) as server:
        _, waiting = hold_the_worker(server, tmp_path)
        server.kill()

    done = workerkit(tmp_path, "jobs", "cancel", waiting)

    assert done.stdout == f"{waiting} is CANCELLED\n", done.stderr
    assert [row["status"] for row in rows(tmp_path, "jobs", "list")] == ["IN_QUEUE", "CANCELLED"]
    [delivery] = rows(tmp_path, "deliveries", "list", "--job", waiting)
    assert (delivery["state"], delivery["target"]) == ("pending", FAR)
    again = workerkit(tmp_path, "jobs", "cancel", waiting)
    assert again.returncode == 1
    assert "it cannot be cancelled any more" in again.stderr


def test_dead_deliveries_are_listed_with_the_reason(tmp_path: Path) -> None:
    settings = "[plugin.webhook]\nretry_delay = 0.05\n"
    with Served(tmp_path, HANDLER, settings=settings) as server:
        id = server.post("/v2/echo/runsync", {"input": 1, "webhook": FAR})[1]["id"]
        dead: list[dict[str, Any]] = []
        until = time.monotonic() + 30
        while not dead and time.monotonic() < until:
            dead = rows(tmp_path, "deliveries", "list", "--state", "dead")
        shown = workerkit(tmp_path, "deliveries", "list").stdout

    assert [(row["job"], row["attempts"], row["limit"]) for row in dead] == [(id, 2, 2)]
    assert dead[0]["detail"]
    assert f"webhook to {FAR}: dead after 2 of 2 tries" in shown


def test_an_unknown_job_is_a_sentence_with_and_without_a_server(tmp_path: Path) -> None:
    with Served(tmp_path, HANDLER):
        online = workerkit(tmp_path, "jobs", "show", "nonsense")
    offline = workerkit(tmp_path, "jobs", "cancel", "nonsense")

    assert (online.returncode, offline.returncode) == (1, 1)
    assert "there is no job 'nonsense'" in online.stderr
    assert "there is no job 'nonsense'" in offline.stderr


def hold_the_worker(server: Served, folder: Path) -> tuple[str, str]:
    """The only worker waits at a gate with one job, and a second one waits behind it."""
    gate = folder / "gate"
    os.mkfifo(gate)
    body = {"input": {"gate": str(gate)}, "webhook": FAR}
    held = server.post("/v2/gated/run", body)[1]["id"]
    waiting = server.post("/v2/gated/run", body)[1]["id"]
    until = time.monotonic() + 30
    while server.get(f"/v2/gated/status/{held}")[1]["status"] != "IN_PROGRESS":
        assert time.monotonic() < until
    return held, waiting
