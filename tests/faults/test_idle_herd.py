"""Row 22: many idle workers and one job. One of them runs it, and the others cost nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from faulting import NOTES, WatchedServer, memory, processor_time, spread
from waiting import until

HANDLER = (
    NOTES
    + """
@worker_function
def step(job):
    note("start", job)
    return os.getpid()
"""
)
#: Seconds that their idleness is watched.
WATCHED = 5.0


def test_of_many_idle_workers_one_runs_a_job_and_none_computes(
    tmp_path: Path, soak: bool, figure: Callable[[str], None]
) -> None:
    workers = 200 if soak else 40
    with WatchedServer(tmp_path, HANDLER, arguments=["--workers", str(workers)]) as server:

        def idle() -> bool:
            return bool(server.get("/v2/step/health")[1]["workers"]["idle"] == workers)

        begin = time.monotonic()
        until("all workers are idle", idle, seconds=workers)
        ready = time.monotonic() - begin
        pids = server.processes() - {server.pid}
        before = {pid: processor_time(pid) for pid in (server.pid, *pids)}
        threading.Event().wait(WATCHED)
        busy = {pid: (processor_time(pid) - seconds) / WATCHED for pid, seconds in before.items()}
        host = busy.pop(server.pid)

        begun = []
        for _ in range(20):
            submitted = time.monotonic()
            id = server.submit("step")
            assert server.wait("step", id)["status"] == "COMPLETED"
            [start] = [effect for effect in server.effects() if effect.id == id]
            begun.append(start.at - submitted)

        size = sum(map(memory, pids)) / len(pids)
        figure(
            f"row 22: {workers} idle workers, ready after {ready:.0f} s, {size / 1e6:.0f} MB each, "
            f"{100 * max(busy.values()):.2f} % of a processor at most, host {100 * host:.2f} %; "
            f"a job begins after {spread(begun)} and runs once"
        )
        assert len(pids) >= workers
        assert max(busy.values()) < 0.01
        assert host < 0.05
        assert server.query("SELECT max(attempt), count(*) FROM job") == [(1, 20)]
        assert set(server.ids("start").values()) == {1}
    assert not server.processes()
