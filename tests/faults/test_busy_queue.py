"""Row 11: another process holds the queue's write lock. Clients wait, and hear of it only past the deadline."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from faulting import NOTES, WatchedServer
from waiting import until

CLIENTS = 8
HANDLER = (
    NOTES
    + """
@worker_function
def step(job):
    note("start", job)
    while os.path.exists("wait"):
        time.sleep(0.01)
    note("done", job)
"""
)
#: Says when it has the lock, and gives it back when its input ends.
HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
db.execute("ROLLBACK")
db.close()
"""
#: Submits one job after the other; writes each answer's status, what went wrong, and its seconds.
CLIENT = """
import json, sys, time, urllib3
url, count = sys.argv[1], int(sys.argv[2])
told = []
with urllib3.PoolManager(timeout=60, retries=False) as http:
    for number in range(count):
        begin = time.monotonic()
        answer = http.request("POST", url, body=json.dumps({"input": number}))
        told.append((answer.status, answer.json().get("error"), time.monotonic() - begin))
json.dump(told, sys.stdout)
"""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process has the write lock while the block runs."""
    command = [sys.executable, "-c", HOLDER, str(folder / ".workerkit" / "queue.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield
        finally:
            holder.communicate("", timeout=10)
    assert holder.returncode == 0


def clients(url: str, count: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CLIENT, url, str(count)]
    return [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(CLIENTS)]


def answers(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str | None, float]]:
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    return [tuple(answer) for output in outputs for answer in json.loads(output)]


def test_clients_do_not_hear_of_a_lock_that_is_held_for_three_seconds(
    tmp_path: Path, soak: bool, figure: Callable[[str], None]
) -> None:
    each = 2_000 if soak else 200
    with WatchedServer(tmp_path, HANDLER) as server:
        submitting = clients(f"{server.url}/v2/step/run", each)
        until("many jobs are submitted", lambda: len(server.statuses()) >= each)
        with locked(tmp_path):
            begin, jobs = time.monotonic(), len(server.statuses())
            until("three seconds are over", lambda: time.monotonic() - begin > 3)
            assert len(server.statuses()) == jobs, "somebody else has written"
        told = answers(submitting)
        until("all jobs have ended", lambda: server.ended() == CLIENTS * each, seconds=60)

        slowest = max(seconds for _, _, seconds in told)
        refused = [error for status, error, _ in told if status != 200]
        audit = server.audit(list(server.statuses()))
        figure(
            f"row 11: {CLIENTS} clients with {each} submits each, the queue locked for 3 s: refused "
            f"{len(refused)}, slowest answer {slowest:.1f} s, {audit}"
        )
        assert not refused
        assert 2 < slowest < 8
        assert audit.clean
        assert set(server.ids("start").values()) == {1}


def test_past_the_deadline_a_submit_is_told_to_come_again_and_a_run_keeps_its_end(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with WatchedServer(tmp_path, HANDLER) as server:
        (tmp_path / "wait").touch()
        id = server.submit("step")
        until("it runs", lambda: server.ids("start")[id])
        with locked(tmp_path):
            (tmp_path / "wait").unlink()
            told = answers(clients(f"{server.url}/v2/step/run", 1))
        assert server.wait("step", id)["status"] == "COMPLETED"

        figure(
            f"row 11: the queue locked for longer: {len(told)} submits answered "
            f"{sorted({status for status, _, _ in told})} after at most "
            f"{max(seconds for _, _, seconds in told):.1f} s; a run that ended meanwhile is stored"
        )
        assert {status for status, _, _ in told} == {503}
        assert all("another process" in str(error) for _, error, _ in told)
        assert max(seconds for _, _, seconds in told) < 12
        assert server.ids("start") == {id: 1}
        assert server.run("step")["status"] == "COMPLETED"
