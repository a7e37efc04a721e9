"""`jobs logs -f` when there is nobody who could tell that the job ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from waiting import until
from workerkit.testing import Server

HANDLER = """
import time
from workerkit import worker_function

@worker_function
def held(job):
    print("begun")
    time.sleep(60)
"""
NOBODY = "workerkit: no server runs now, and the job is {}, not over; follow it again once `workerkit serve` runs\n"


def test_a_server_that_stops_ends_it_with_what_it_knew_last(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        id = server.submit("held")
        command = [sys.executable, "-m", "workerkit", "jobs", "logs", "-f", id]
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as following:
            assert following.stdout is not None
            first = following.stdout.readline()
            assert server.process is not None
            server.process.terminate()
            until("it stops", lambda: "stopping: 1 running job" in server.log())
            server.process.terminate()
            rest, complaint = following.communicate(timeout=30)

    assert (first, rest, following.returncode) == ("begun\n", "", 1)
    assert complaint in (NOBODY.format("IN_PROGRESS"), NOBODY.format("IN_QUEUE"))


def test_without_a_server_a_job_that_is_not_over_is_said_to_wait(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        server.submit("held")
        id = server.submit("held")
        server.kill()
    command = [sys.executable, "-m", "workerkit", "jobs", "logs", id]
    plain, followed = (
        subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        for more in ((), ("-f",))
    )

    silence = "the job is IN_QUEUE and has not run yet\n"
    assert (plain.returncode, plain.stderr) == (0, silence)
    assert (followed.returncode, followed.stderr) == (1, silence + NOBODY.format("IN_QUEUE"))
