"""Row 3: when the host is killed, its workers and their groups are gone at once, and their jobs are not lost."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from faulting import NOTES, WatchedServer, gone, kill, spread
from waiting import alive, until

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
#: The second process has its environment from nobody; it is known by the first, whose child it is.
STRAYS = """
import subprocess
from workerkit import worker_function

@worker_function
def stray(job):
    script = "echo $$; env -i sleep 600 & echo $!; setsid sleep 600 & echo $!; exec sleep 600"
    process = subprocess.Popen(["sh", "-c", script], start_new_session=True, stdout=subprocess.PIPE, text=True)
    return [int(process.stdout.readline()) for _ in range(3)]
"""


def test_workers_and_what_they_started_die_with_the_host(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    took: list[float] = []
    with WatchedServer(tmp_path, HANDLER, settings="[workers]\nmax_starts = 1\n") as server:
        for number in range(ROUNDS):
            id = server.submit("work", "c loop" if number % 2 else "sleep")
            until("it runs", lambda job=id: [e for e in server.effects() if (e.what, e.id) == ("start", job)])
            pids = {effect.pid for effect in server.effects() if effect.id == id} | server.processes()
            seconds = kill(server.pid, pids)
            if late := server.processes():  # started since they were listed
                seconds += gone(late)
            took.append(seconds)
            server.kill()
            server.start()
            answer = server.wait("work", id)
            assert (answer["status"], answer["output"]) == ("COMPLETED", 2)

    figure(f"row 3: {ROUNDS} kills of the host: workers and their groups gone after {spread(took)}")
    # An idle machine takes a tenth of it; a worker that does not know before it has loaded, twice as long.
    assert statistics.median(took) < 0.05
    assert max(took) < 1


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_what_a_job_took_out_of_its_group_is_ended_by_the_next_host_of_its_queue(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("killed", "other")]
    for folder in folders:
        folder.mkdir()
    killed, other = (WatchedServer(folder, STRAYS) for folder in folders)
    with killed, other:
        strays = [server.run("stray")["output"] for server in (killed, other)]
        assert all(alive(pid) for group in strays for pid in group)

        killed.kill()
        until("the worker has gone", lambda: killed.processes() <= set(strays[0]))
        assert all(alive(pid) for pid in strays[0]), "so that there is something to be ended"
        killed.start()

        assert not any(alive(pid) for pid in strays[0])
        assert all(alive(pid) for pid in strays[1])
        assert "an earlier run had left, and that were killed: 3" in killed.log()
        assert "an earlier run" not in other.log()
