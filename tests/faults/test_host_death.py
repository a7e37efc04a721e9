"""Row 3: when the host is killed, its workers and their groups are gone at once, and their jobs are not lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from faulting import NOTES, WatchedServer, gone, spread
from waiting import until

ROUNDS = 8
HANDLER = (
    NOTES
    + """
import subprocess, sys

@worker_function
def work(job):
    wanted = job["input"]
    if job.attempt == 1 and wanted:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        descriptor = os.open("effects.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"child {job.id} {job.attempt} {child.pid} {time.monotonic_ns()}\\n".encode())
        os.close(descriptor)
        note("start", job)
        if wanted == "c loop":
            sum(range(10**12))
        time.sleep(600)
    return job.attempt
"""
)


def test_workers_and_what_they_started_die_with_the_host(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    took: list[float] = []
    with WatchedServer(tmp_path, HANDLER, settings="[workers]\nmax_starts = 1\n") as server:
        for number in range(ROUNDS):
            id = server.submit("work", "c loop" if number % 2 else "sleep")
            until("it runs", lambda job=id: [e for e in server.effects() if (e.what, e.id) == ("start", job)])
            pids = {effect.pid for effect in server.effects() if effect.id == id} | server.processes()
            pids.discard(server.pid)
            begin = time.monotonic()
            os.kill(server.pid, signal.SIGKILL)
            gone(pids)
            took.append(time.monotonic() - begin)
            server.kill()
            server.start()
            answer = server.wait("work", id)
            assert (answer["status"], answer["output"]) == ("COMPLETED", 2)

    figure(f"row 3: {ROUNDS} kills of the host: workers and their groups gone after {spread(took)}")
    assert max(took) < 1
