"""Row 17: handlers that take their worker down, and those that leave it worse than they found it.

Handlers that cannot be stopped are in `test_stopping.py`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faulting import NOTES, WatchedServer, gone

MB = 1_000_000
HANDLER = (
    NOTES
    + """
import ctypes, resource, subprocess, threading

@worker_function
def poison(job):
    note("start", job)
    match job["input"]:
        case "exit 0":
            os._exit(0)
        case "exit 1":
            os._exit(1)
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()

@worker_function
def rough(job):
    note("start", job)
    match job["input"]:
        case "memory":
            used = int(open("/proc/self/statm").read().split()[0]) * 4096
            limits = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, limits[1]))
            try:
                hoard = [bytes(10_000_000) for _ in range(100)]
            finally:
                resource.setrlimit(resource.RLIMIT_AS, limits)
        case "threads":
            for _ in range(20):
                threading.Thread(target=time.sleep, args=(3600,)).start()
        case "chdir":
            os.chdir("/")
        case "environ":
            os.environ.clear()
            os.environ["PYTHONPATH"] = "/nowhere"
        case "umask and signals":
            os.umask(0o777)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_IGN)
        case "path":
            sys.path.clear()
            sys.modules.pop("workerkit")
        case "streams":
            sys.stdout = sys.stderr = None
        case "child":
            subprocess.Popen(["sleep", "3600"])
        case "look":
            return [os.getcwd(), dict(os.environ)]
    return os.getpid()

hoard = []

@worker_function
def leak(job):
    note("start", job)
    hoard.append(bytearray(100_000_000))
    return [os.getpid(), int(open("/proc/self/statm").read().split()[1]) * 4096]
"""
)
POISONS = {
    "exit 0": "exited with code 0",
    "exit 1": "exited with code 1",
    "segfault": "was killed by SIGSEGV",
    "abort": "was killed by SIGABRT",
    "killed": "was killed by SIGKILL",
}
ROUGH = ("threads", "chdir", "environ", "umask and signals", "path", "streams", "child")
MOST = 350 * MB
SETTINGS = f"[plugin.refresh]\nmax_rss = {MOST}\n[limits]\noutput = 1_000_000\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    with WatchedServer(tmp_path_factory.mktemp("rough"), HANDLER, settings=SETTINGS) as server:
        yield server
    assert not server.processes()


@pytest.mark.parametrize(("how", "said"), POISONS.items(), ids=POISONS)
def test_a_job_that_kills_its_worker_stops_after_three_starts(
    server: WatchedServer, how: str, said: str
) -> None:
    id = server.submit("poison", how)
    others = [server.submit("poison", "none") for _ in range(3)]

    answer = server.wait("poison", id)

    assert answer["status"] == "FAILED"
    error = json.loads(answer["error"])
    assert error["error_type"] == "WorkerDied"
    assert said in error["error_message"]
    assert server.ids("start")[id] == 3
    assert {server.wait("poison", other)["status"] for other in others} == {"COMPLETED"}
    assert {server.ids("start")[other] for other in others} == {1}


def test_a_handler_that_runs_out_of_memory_fails_and_its_worker_goes_on(server: WatchedServer) -> None:
    pid = server.run("rough")["output"]

    answer = server.run("rough", "memory")

    assert answer["status"] == "FAILED"
    assert "MemoryError" in answer["error"]
    assert server.run("rough")["output"] == pid


@pytest.mark.parametrize("how", ROUGH)
def test_what_a_handler_leaves_behind_holds_up_no_later_job(server: WatchedServer, how: str) -> None:
    assert server.run("rough", how)["status"] == "COMPLETED"

    assert [server.run("rough")["status"] for _ in range(3)] == ["COMPLETED"] * 3


def test_a_new_worker_has_the_folder_and_the_environment_of_the_host(server: WatchedServer) -> None:
    pid = server.run("rough", "environ")["output"]
    server.run("rough", "chdir")

    os.kill(pid, signal.SIGKILL)
    gone([pid])

    folder, environ = server.run("rough", "look")["output"]
    assert Path(folder) == server.folder.resolve()
    assert environ.get("PYTHONPATH") != "/nowhere"
    assert "PATH" in environ


def test_a_leak_of_100_mb_a_job_is_ended_by_max_rss(
    server: WatchedServer, figure: Callable[[str], None]
) -> None:
    outputs = [list(server.run("leak")["output"]) for _ in range(10)]

    pids, sizes = {pid for pid, _ in outputs}, [size for _, size in outputs]
    figure(
        f"row 17: 10 jobs that leak 100 MB each, max_rss {MOST // MB} MB: {len(pids)} workers, "
        f"at most {max(sizes) / MB:.0f} MB"
    )
    assert len(pids) >= 3
    assert max(sizes) < MOST + 110 * MB


def test_all_ends_were_counted_once(server: WatchedServer, figure: Callable[[str], None]) -> None:
    audit = server.audit(list(server.statuses()))
    figure(f"row 17: {len(POISONS)} poison jobs with 3 starts each, {len(ROUGH)} rough ones: {audit}")
    assert audit.clean
