"""Why a run came to nothing: in the server's log without a word of the input, and whole in the job's own log."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import until
from workerkit.testing import Server

HANDLER = """
import os, signal, time
from pathlib import Path
from workerkit import worker_function

@worker_function(retries=1, retry_delay=0.05)
def unlucky(job):
    print("at work")
    raise ValueError(f"no luck with {job['input']}")

@worker_function
def crashing(job):
    os.kill(os.getpid(), signal.SIGKILL)

@worker_function(timeout=5)
def held(job):
    Path(job["input"]).touch()
    time.sleep(60)

@worker_function
def telling(job):
    raise ValueError(job["s3Config"]["accessSecret"])
"""
#: Where it is raised.
LINE = HANDLER.splitlines().index("    raise ValueError(f\"no luck with {job['input']}\")") + 1
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("reasons"), HANDLER) as running:
        yield running


def printed(server: Server, id: str, attempt: int) -> str:
    def whole() -> bool:
        return bool(server.get(f"/jobs/{id}/logs?attempt={attempt}")[1]["over"])

    until("all of it is there", whole)
    command = [sys.executable, "-m", "workerkit", "jobs", "logs", id, "--attempt", str(attempt)]
    done = subprocess.run(command, cwd=server.folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_that_raises_leaves_type_and_line_in_the_log_and_its_traceback_with_the_job(
    server: Server,
) -> None:
    id = server.submit("unlucky", "my private words")
    assert server.wait("unlucky", id)["status"] == "FAILED"

    until("it is logged", lambda: f"job {id} of unlucky is FAILED" in server.log())
    log = server.log()
    place = rf"ValueError at handler\.py:{LINE}"
    assert re.search(rf"job {id} of unlucky has failed \({place}\), and runs again in .* retry 1 of 1", log)
    assert re.search(rf"job {id} of unlucky is FAILED: {place} \(attempt 2, \d+ ms, worker-", log)
    assert "my private words" not in log
    for attempt in (1, 2):
        lines = printed(server, id, attempt).splitlines()
        assert lines[:2] == ["at work", "Traceback (most recent call last):"]
        assert lines[-1] == "ValueError: no luck with my private words"


def test_secrets_are_masked_in_the_traceback_that_is_kept(server: Server) -> None:
    bucket = {"accessId": "AKIAIOSFODNN7EXAMPLE", "bucketName": "b", "endpointUrl": "http://127.0.0.1:9"}
    id = server.submit("telling", s3Config={**bucket, "accessSecret": SECRET})
    server.wait("telling", id)

    assert printed(server, id, 1).endswith("\nValueError: ***\n")
    assert SECRET not in server.log()


def test_a_crash_says_what_becomes_of_its_job(server: Server) -> None:
    id = server.submit("crashing")
    assert server.wait("crashing", id)["status"] == "FAILED"

    last = (
        f"job {id} of crashing is FAILED: its worker was killed by SIGKILL, for the last time that it may ("
    )
    until("the log says so", lambda: last in server.log())
    log = server.log()
    died = r"its worker worker-\w+ was killed by SIGKILL"
    for number in (1, 2):
        back = (
            rf"job {id} of crashing goes back to the queue \(crash {number} of 3; alone from now on\): {died}"
        )
        assert re.search(back, log)


def test_in_json_a_line_about_a_worker_or_a_job_says_which(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER, arguments=("--log-format", "json")) as server:
        raised, crashed = server.submit("unlucky"), server.submit("crashing")
        server.wait("unlucky", raised)
        server.wait("crashing", crashed)
        until("it is logged", lambda: server.log().count(" is FAILED") == 2)
        lines = [json.loads(line) for line in server.log().splitlines()]

    for said, known in {
        " is ready for ": {"worker", "endpoint"},
        " is refreshed: isolation": {"worker", "endpoint"},
        " was killed by SIGKILL": {"worker", "endpoint"},
        " has failed (": {"worker", "job", "endpoint"},
        " goes back to the queue": {"worker", "job", "endpoint"},
        " is FAILED": {"worker", "job", "endpoint"},
    }.items():
        about = [known <= {*line} for line in lines if said in line["message"]]
        assert all(about), said
        assert about or "isolation" in said


@pytest.mark.parametrize("how", ["CANCELLED", "TIMED_OUT"])
def test_a_running_job_that_is_ended_names_its_worker(server: Server, how: str) -> None:
    begun = server.folder / how
    id = server.submit("held", str(begun))
    until("it runs", begun.exists)
    if how == "CANCELLED":
        server.post(f"/v2/held/cancel/{id}")
    answer = server.wait("held", id)

    worker = answer["workerId"]
    assert (answer["status"], worker[:7]) == (how, "worker-")
    until("it is logged", lambda: f"job {id} of held is {how}" in server.log())
    reason = "" if how == "CANCELLED" else ": the job ran longer than its execution timeout of 5000 ms"
    assert re.search(rf"job {id} of held is {how}{reason} \(attempt 1, \d+ ms, {worker}\)", server.log())
