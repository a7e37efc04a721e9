"""Jobs that crashed a worker: noticed at once, run again alone, and given up in the end."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import attrs
import pytest

from waiting import alive, until
from workerkit.testing import Server

HANDLERS = """
import asyncio, ctypes, faulthandler, os, signal, time
from workerkit import worker_function

def note(what, job):
    line = f"{what} {job['input']['name']} {job.attempt} {os.getpid()} {time.time()}\\n"
    fd = os.open("notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)

@worker_function(concurrency=3)
async def shared(job):
    note("begin", job)
    for _ in range(1200):
        if job["input"].get("crashes", 0) >= job.attempt and os.path.exists("crash"):
            os.kill(os.getpid(), signal.SIGKILL)
        if os.path.exists("go"):
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(job["input"].get("then", 0))
    note("end", job)
    return os.getpid()

@worker_function
def alone(job):
    note("begin", job)
    if job.attempt == 1:
        time.sleep(60)
    return os.getpid()

@worker_function(max_starts=2)
def segfault(job):
    ctypes.string_at(0)

@worker_function(max_starts=1)
def leave(job):
    print("about to leave")
    os._exit(7)
"""
GATE = """
import os, time
from workerkit import hookimpl

class Gate:
    @hookimpl
    def worker_start(self, worker):
        if os.path.exists("slow"):
            time.sleep(1.5)
        if os.path.exists("closed"):
            open("waits", "w").close()
        while os.path.exists("closed"):
            time.sleep(0.01)
"""
GATED = '[plugins]\nload = ["gate:Gate"]\n[workers]\ncount = "shared=0,alone=1,segfault=0,leave=0"\n'


@attrs.frozen
class Note:
    what: str
    name: str
    attempt: int
    pid: int
    at: float


def notes(server: Server) -> list[Note]:
    path = server.folder / "notes"
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [Note(what, name, int(n), int(pid), float(at)) for what, name, n, pid, at in rows]


def begun(server: Server, name: str, attempt: int = 1) -> Note | None:
    for note in notes(server):
        if (note.what, note.name, note.attempt) == ("begin", name, attempt):
            return note
    return None


def wait_for_run(server: Server, name: str, attempt: int = 1) -> Note:
    note = until(f"run {attempt} of {name}", lambda: begun(server, name, attempt))
    assert note is not None
    return note


def status(server: Server, id: str) -> Any:
    return server.get(f"/v2/alone/status/{id}")[1]["status"]


@pytest.mark.parametrize("workers", [1, 6], ids=["in a new process", "in one that is there"])
def test_a_job_whose_worker_was_killed_runs_again_within_a_moment(tmp_path: Path, workers: int) -> None:
    settings = f'[workers]\ncount = "shared=0,alone={workers},segfault=0,leave=0"\n'
    taken = []
    with Server(tmp_path, HANDLERS, settings=settings) as server:
        for n in range(5):
            until("all are ready", lambda: server.get("/v2/alone/health")[1]["workers"]["ready"] == workers)
            id = server.submit("alone", {"name": f"job{n}"})
            pid = wait_for_run(server, f"job{n}").pid
            killed = time.time()
            os.kill(pid, signal.SIGKILL)
            taken.append(wait_for_run(server, f"job{n}", 2).at - killed)
            assert server.wait("alone", id)["output"] != pid

    print(f"\nfrom SIGKILL to the job's next run: {[f'{seconds * 1000:.0f} ms' for seconds in taken]}")
    assert max(taken) < 5


def test_those_that_ran_beside_a_crash_run_again_each_alone_in_a_fresh_process(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, arguments=["--workers", "shared=1,alone=0,segfault=0,leave=0"]) as server:
        jobs = {"x": {"crashes": 1}, "y": {"then": 0.2}, "z": {"then": 0.2}}
        ids = [server.submit("shared", {"name": name, **extra}) for name, extra in jobs.items()]
        first = {wait_for_run(server, name).pid for name in jobs}
        assert len(first) == 1
        others = [server.submit("shared", {"name": f"other{n}"}) for n in range(6)]
        (server.folder / "crash").touch()
        until("the worker is gone", lambda: not any(map(alive, first)))
        (server.folder / "go").touch()

        ends = [server.wait("shared", id) for id in ids]
        assert [(end["status"], end["retries"]) for end in ends] == [("COMPLETED", 1)] * 3
        assert {server.wait("shared", id)["status"] for id in others} == {"COMPLETED"}
        assert len({end["output"] for end in ends} | first) == 4
        told = notes(server)
        for name, end in zip(jobs, ends, strict=True):
            same = [note for note in told if note.pid == end["output"]]
            assert [(note.what, note.name) for note in same[:2]] == [("begin", name), ("end", name)]


def test_a_job_that_crashes_every_time_is_given_up_and_disturbs_nobody_twice(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, arguments=["--workers", "shared=1,alone=0,segfault=0,leave=0"]) as server:
        poison = server.submit("shared", {"name": "poison", "crashes": 9})
        others = [server.submit("shared", {"name": f"other{n}"}) for n in range(4)]
        pid = wait_for_run(server, "other1").pid
        (server.folder / "crash").touch()
        until("the worker is gone", lambda: not alive(pid))
        (server.folder / "go").touch()
        end = server.wait("shared", poison)
        answers = [server.wait("shared", id) for id in others]

        assert end["status"] == "FAILED"
        error = json.loads(end["error"])
        assert error["error_type"] == "WorkerDied"
        assert "was killed by SIGKILL" in error["error_message"]
        assert "started 3 times" in error["error_message"]
        assert {answer["status"] for answer in answers} == {"COMPLETED"}
        assert max(answer.get("retries", 0) for answer in answers) <= 1
        for note in notes(server):
            if note.name == "poison" and note.attempt > 1:
                assert [other.name for other in notes(server) if other.pid == note.pid] == ["poison"]


def test_the_error_says_how_the_worker_ended_and_where(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, arguments=["--workers", "shared=0,alone=0"]) as server:
        segfault = json.loads(server.run("segfault", {"name": "s"})["error"])
        left = json.loads(server.run("leave", {"name": "l"})["error"])

        assert "the worker was killed by SIGSEGV while it ran this job" in segfault["error_message"]
        assert "started 2 times" in segfault["error_message"]
        assert "Segmentation fault" in segfault["error_traceback"]
        assert "in segfault" in segfault["error_traceback"]
        assert segfault["worker_id"].startswith("worker-")
        assert "the worker exited with code 7 while it ran this job" in left["error_message"]
        assert "started once" in left["error_message"]
        assert left["error_traceback"] == "about to leave"


def test_without_tracebacks_a_crash_leaves_none_either(tmp_path: Path) -> None:
    settings = '[workers]\ntracebacks = false\ncount = "shared=0,alone=0,segfault=1,leave=0"\n'
    with Server(tmp_path, HANDLERS, settings=settings) as server:
        error = json.loads(server.run("segfault", {"name": "s"})["error"])

        assert error["error_type"] == "WorkerDied"
        assert "error_traceback" not in error


@pytest.fixture
def crashed(tmp_path: Path) -> Any:
    """A server with a job that crashed its worker, and no worker that could run it again yet."""
    (tmp_path / "gate.py").write_text(GATE)
    with Server(tmp_path, HANDLERS, settings=GATED) as server:
        id = server.submit("alone", {"name": "job"})
        pid = wait_for_run(server, "job").pid
        (tmp_path / "closed").touch()
        os.kill(pid, signal.SIGKILL)
        until("its replacement starts", (tmp_path / "waits").exists)
        until("the worker has gone", lambda: not alive(pid))
        yield server, id
        (tmp_path / "closed").unlink(missing_ok=True)


def test_a_crashed_job_that_waits_for_its_worker_can_be_cancelled(crashed: tuple[Server, str]) -> None:
    server, id = crashed
    assert server.post(f"/v2/alone/cancel/{id}")[1]["status"] == "CANCELLED"
    (server.folder / "closed").unlink()

    assert server.run("alone", {"name": "next"}, policy={"executionTimeout": 5000})["status"] == "TIMED_OUT"
    assert server.wait("alone", id)["status"] == "CANCELLED"
    assert begun(server, "job", 2) is None


def test_a_host_that_stops_meanwhile_keeps_the_job(crashed: tuple[Server, str]) -> None:
    server, id = crashed
    (server.folder / "closed").unlink()
    server.stop()
    server.start()

    answer = server.wait("alone", id)
    assert answer["status"] == "COMPLETED"


def crash_of_three(server: Server) -> list[str]:
    """Three jobs that ran beside each other when one of them crashed; workers are slow to start from now on."""
    ids = [server.submit("shared", {"name": name, "crashes": name == "x"}) for name in "xyz"]
    for name in "xyz":
        wait_for_run(server, name)
    for file in ("slow", "crash"):
        (server.folder / file).touch()
    return ids


def slow_server(folder: Path, count: str) -> Server:
    (folder / "gate.py").write_text(GATE)
    settings = (
        '[plugins]\nload = ["gate:Gate"]\n[workers]\nscale_delay = 0.5\n'
        f'count = "shared={count},alone=0,segfault=0,leave=0"\n'
    )
    return Server(folder, HANDLERS, settings=settings)


def test_jobs_that_wait_for_fresh_workers_let_the_one_that_starts_get_ready(tmp_path: Path) -> None:
    """It takes longer to start than it takes until they ask again."""
    with slow_server(tmp_path, "1") as server:
        ids = crash_of_three(server)
        wait_for_run(server, "y", 2)
        (tmp_path / "go").touch()

        ends = [server.wait("shared", id) for id in ids]
        assert [(end["status"], end["retries"]) for end in ends] == [("COMPLETED", 1)] * 3
        assert len({end["output"] for end in ends}) == 3
        assert server.log().count("is refreshed: isolation") == 2


def test_jobs_that_wait_for_fresh_workers_count_as_waiting_where_workers_are_a_range(tmp_path: Path) -> None:
    with slow_server(tmp_path, "1..3") as server:
        ids = crash_of_three(server)
        for name in "xyz":
            wait_for_run(server, name, 2)
        assert "shared: jobs wait, so there will be 2 workers" in server.log()
        (tmp_path / "go").touch()

        assert {server.wait("shared", id)["status"] for id in ids} == {"COMPLETED"}
