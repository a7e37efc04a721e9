"""The server as process 1 of a container: it stops in good order, and buries what is left to it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faulting import proc_file, zombies
from waiting import until
from workerkit.testing import Server

HANDLER = """
import subprocess, sys, time
from workerkit import worker_function

@worker_function
def work(job):
    if job["input"] == "daemon":
        subprocess.run(["sh", "-c", "setsid sleep 0.2 & setsid sleep 600 &"], check=True)
    if job["input"] == "long":
        open("began", "w").close()
        time.sleep(1)
    return "done"
"""


@pytest.mark.root
def test_as_process_1_it_reaps_what_others_leave_and_ends_on_sigterm(tmp_path: Path) -> None:
    inside = tmp_path / "as-pid-1"
    inside.write_text(
        f'#!/bin/sh\nexec unshare --pid --fork --kill-child --mount-proc "{sys.executable}" -m workerkit "$@"\n'
    )
    inside.chmod(0o755)
    with Server(tmp_path, HANDLER, program=inside) as server:
        [host] = children(server.pid)
        assert server.run("work", "daemon")["output"] == "done"
        until("no zombie is left", lambda: not zombies(host))
        id = server.submit("work", "long")
        until("it runs", (tmp_path / "began").exists)
        subprocess.run(["kill", "-TERM", str(host)], check=True)

        assert server.process is not None
        assert server.process.wait(30) == 0
        assert not Path(f"/proc/{host}").exists()
        server.start()
        assert server.wait("work", id)["status"] == "COMPLETED"
        [host] = children(server.pid)
        subprocess.run(["kill", f"-{signal.SIGTERM.value}", str(host)], check=True)
        assert server.process.wait(30) == 0


def children(pid: int) -> list[int]:
    return [int(child) for child in proc_file(f"/proc/{pid}/task/{pid}/children").split()]
