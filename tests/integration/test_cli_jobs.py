from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from waiting import until
from workerkit.testing import Server

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
    with Server(tmp_path, HANDLER) as server:
        first = server.post("/v2/echo/runsync", {"input": {"n": 1}})[1]["id"]
        server.post("/v2/echo/runsync", {"input": {"n": 2}})
        listed = rows(tmp_path, "jobs", "list")
        shown = json.loads(workerkit(tmp_path, "jobs", "show", first, "--json").stdout)

    assert [row["status"] for row in listed] == ["COMPLETED", "COMPLETED"]
    assert listed[1]["id"] == first
    assert shown["job"]["output"] == {"n": 1}
    assert rows(tmp_path, "jobs", "list") == listed
    assert json.loads(workerkit(tmp_path, "jobs", "show", first, "--json").stdout) == shown
    assert rows(tmp_path, "jobs", "list", "--status", "FAILED") == []
    assert rows(tmp_path, "jobs", "list", "--after", str(listed[0]["seq"])) == listed[1:]


def test_a_job_is_shown_to_people_with_the_lines_of_its_error(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        failed = server.post("/v2/gated/runsync", {"input": {}, "webhook": FAR})[1]["id"]
        done = server.post("/v2/echo/runsync", {"input": {"n": "ü"}})[1]["id"]
        lines = workerkit(tmp_path, "jobs", "show", failed).stdout.splitlines()
        shown = workerkit(tmp_path, "jobs", "show", done).stdout

    assert lines[:4] == [
        f"job       {failed}",
        "function  gated",
        "attempt   1",
        "status    FAILED",
    ]
    error = lines.index("error:")
    assert lines[error + 1] == "  Traceback (most recent call last):"
    assert "  KeyError: 'gate'" in lines[error:]
    assert f'    "target": "{FAR}",' in lines[lines.index("delivery:") :]
    assert shown.endswith('\noutput:\n  {\n    "n": "ü"\n  }\n')


def test_the_table_shows_whole_ids(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        id = server.post("/v2/echo/run", {"input": 1})[1]["id"]

        done = workerkit(tmp_path, "jobs", "list")

    assert done.returncode == 0
    assert id in done.stdout
    assert "submitted" in done.stdout


def test_a_waiting_job_is_cancelled_through_the_server(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        held, waiting = hold_the_worker(server, tmp_path)

        done = workerkit(tmp_path, "jobs", "cancel", waiting)

        assert done.stdout == f"{waiting} is CANCELLED\n"
        assert server.get(f"/v2/gated/status/{waiting}")[1]["status"] == "CANCELLED"
        assert server.get(f"/v2/gated/status/{held}")[1]["status"] == "IN_PROGRESS"
        workerkit(tmp_path, "jobs", "cancel", held)


def test_without_a_server_a_job_is_cancelled_in_the_file_and_its_webhook_is_stored(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        _, waiting = hold_the_worker(server, tmp_path)
        server.kill()

    done = workerkit(tmp_path, "jobs", "cancel", waiting)

    assert done.stdout == f"{waiting} is CANCELLED\n", done.stderr
    assert done.stderr == "1 delivery waits for the next `workerkit serve`\n"
    assert [row["status"] for row in rows(tmp_path, "jobs", "list")] == ["CANCELLED", "IN_QUEUE"]
    [delivery] = rows(tmp_path, "deliveries", "list", "--job", waiting)
    assert (delivery["state"], delivery["target"]) == ("pending", FAR)
    again = workerkit(tmp_path, "jobs", "cancel", waiting)
    assert again.returncode == 1
    assert "it cannot be cancelled any more" in again.stderr


def test_dead_deliveries_are_listed_with_the_reason(tmp_path: Path) -> None:
    settings = "[plugin.webhook]\nretry_delay = 0.05\n"
    with Server(tmp_path, HANDLER, settings=settings) as server:
        id = server.post("/v2/echo/runsync", {"input": 1, "webhook": FAR})[1]["id"]
        dead = dead_deliveries(tmp_path, 1)
        shown = workerkit(tmp_path, "deliveries", "list").stdout
        job = json.loads(workerkit(tmp_path, "jobs", "show", id, "--json").stdout)

    assert [(row["job"], row["number"], row["attempts"]) for row in dead] == [(id, 2, 2)]
    assert dead[0]["detail"]
    assert re.search(rf"of job {id}, \d+ s ago\n", shown)
    made = datetime.fromisoformat(job["deliveries"][0]["created_at"])
    assert made.timestamp() * 1000 == dead[0]["created_at"]
    assert f"webhook to {FAR}: dead after 2 of 2 tries" in shown


def test_a_failed_job_and_its_webhook_are_repeated_through_the_server_and_in_the_file(tmp_path: Path) -> None:
    settings = "[plugin.webhook]\nattempts = 1\nretry_delay = 0.05\n"
    with Server(tmp_path, HANDLER, settings=settings) as server:
        id = server.post("/v2/gated/runsync", {"input": {}, "webhook": FAR})[1]["id"]
        [dead] = dead_deliveries(tmp_path, 1)
        again = workerkit(tmp_path, "deliveries", "redeliver", dead["id"])
        assert again.stdout == f"{dead['id']} is pending\n", again.stderr
        until("it was tried again", lambda: dead_deliveries(tmp_path, 1)[0]["number"] == 2)
        retried = workerkit(tmp_path, "jobs", "retry", id)
        assert retried.stdout == f"{id} is IN_QUEUE\n", retried.stderr
        assert server.get(f"/v2/gated/status-sync/{id}")[1]["status"] == "FAILED"
        assert [row["number"] for row in dead_deliveries(tmp_path, 2)] == [1, 2]

    again = workerkit(tmp_path, "deliveries", "redeliver", dead["id"])
    retried = workerkit(tmp_path, "jobs", "retry", id)
    refused = workerkit(tmp_path, "jobs", "retry", id)

    assert again.stdout == f"{dead['id']} is pending\n", again.stderr
    assert retried.stdout == f"{id} is IN_QUEUE\n", retried.stderr
    assert "the job is IN_QUEUE; only FAILED and TIMED_OUT jobs can be retried" in refused.stderr
    assert "no delivery 'x'" in workerkit(tmp_path, "deliveries", "redeliver", "x").stderr


def test_a_queue_that_a_plugin_opens_is_told_apart_from_one_that_is_missing(tmp_path: Path) -> None:
    done = workerkit(tmp_path, "jobs", "list", "--queue", "redis://me:hunter2@here/0")

    assert done.returncode == 1
    assert "the queue redis://… is a plugin's" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_server_for_everyone_tells_an_address_and_a_line_that_work(tmp_path: Path) -> None:
    key = f"[server.keys.me]\nsha256 = '{hashlib.sha256(b'open sesame').hexdigest()}'\n"
    with Server(tmp_path, HANDLER, settings=key, arguments=("--host", "0.0.0.0")) as server:
        listed = workerkit(tmp_path, "jobs", "list")
        until("it says how it is called", lambda: "curl" in server.log())
        log = server.log()

    assert f"{server.url} and every other address of this machine" in log
    assert listed.returncode == 0, listed.stderr
    assert (
        f"""curl -H "Authorization: Bearer $KEY" -d '{{"input": {{"prompt": "hello"}}}}' {server.url}/v2/echo/runsync"""
        in log
    )


def dead_deliveries(folder: Path, count: int) -> list[dict[str, Any]]:
    """Wait for as many."""
    dead: list[dict[str, Any]] = []
    end = time.monotonic() + 30
    while len(dead) < count and time.monotonic() < end:
        dead = rows(folder, "deliveries", "list", "--state", "dead")
    return dead


def test_an_unknown_job_is_a_sentence_with_and_without_a_server(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER):
        online = workerkit(tmp_path, "jobs", "show", "nonsense")
    offline = workerkit(tmp_path, "jobs", "cancel", "nonsense")

    assert (online.returncode, offline.returncode) == (1, 1)
    assert "there is no job 'nonsense'" in online.stderr
    assert "there is no job 'nonsense'" in offline.stderr


def hold_the_worker(server: Server, folder: Path) -> tuple[str, str]:
    """The only worker waits at a gate with one job, and a second one waits behind it."""
    gate = folder / "gate"
    os.mkfifo(gate)
    body = {"input": {"gate": str(gate)}, "webhook": FAR}
    held = server.post("/v2/gated/run", body)[1]["id"]
    waiting = server.post("/v2/gated/run", body)[1]["id"]
    until("it runs", lambda: server.get(f"/v2/gated/status/{held}")[1]["status"] == "IN_PROGRESS")
    return held, waiting
