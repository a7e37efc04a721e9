"""How `workerkit serve` stops, and what it says meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import urllib3

from faulting import WatchedServer
from waiting import alive, until
from workerkit.testing import Server

HANDLER = """
import atexit, os, threading, time
from pathlib import Path
from workerkit import worker_function

@worker_function
def gated(job):
    Path(job["input"]).read_bytes()  # a FIFO: waits until somebody opens it

@worker_function(max_starts=1)
def held(job):
    Path("held").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    return "done"

@worker_function
def leaves(job):
    if job["input"] == "thread":
        threading.Thread(target=time.sleep, args=(3600,)).start()
    elif job["input"] == "exit function":
        atexit.register(time.sleep, 3600)
    elif job["input"] == "abort":
        atexit.register(os.abort)
    return {"pid": os.getpid(), "refresh_worker": True}

@worker_function
def chatty(job):
    for _ in range(job["input"]):
        print("x" * 1000)
    return "said"
"""


def test_an_idle_server_stops_in_two_words(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        server.stop()

    assert "stopping" not in server.log()
    assert "stopped; 0 jobs wait in the queue" in server.log()


def test_running_jobs_are_counted_and_a_second_signal_puts_them_back_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    with Server(tmp_path, HANDLER) as server:
        id = server.post("/v2/gated/run", {"input": str(tmp_path / "gate")})[1]["id"]
        until("it runs", lambda: server.get(f"/v2/gated/status/{id}")[1]["status"] == "IN_PROGRESS")
        answers: list[str] = []
        held = threading.Thread(
            target=lambda: answers.append(server.get(f"/v2/gated/status-sync/{id}")[1]["status"])
        )
        held.start()

        os.kill(server.pid, signal.SIGINT)
        until("it says what runs", lambda: "stopping: 1 running job has 30 s; Ctrl-C again" in server.log())
        assert server.get("/readyz") == (
            503,
            {"ready": False, "stopping": True, "waiting_for": [], "failing": []},
        )
        server.stop()
        held.join(30)

    assert answers == ["IN_QUEUE"]
    assert "stopped; 1 job waits in the queue" in server.log()


def test_without_workers_the_start_says_that_jobs_only_wait(tmp_path: Path) -> None:
    (tmp_path / "test_input.json").write_text(
        '{"input": "it\'s",\n "webhook": "http://127.0.0.1:9/?token=secret"}'
    )
    with Server(tmp_path, HANDLER, arguments=("--workers", "chatty=0"), ready=False) as server:
        until("it says how it is called", lambda: "Try it" in server.log())

    assert "/v2/chatty  chatty(Job)  no workers: jobs only wait\n" in server.log()
    assert "/v2/gated   gated(Job)\n" in server.log()
    assert """curl -d '{"input": "it'"'"'s"}' http""" in server.log()


def test_nobody_who_reads_the_log_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(HANDLER)
    command = [sys.executable, "-m", "workerkit", "serve", "handler.py", "--port", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        url = next(line.split()[1] for line in process.stderr if line.split()[:1] == ["API"])

        body = b'{"input": 12000}'
        with urllib3.PoolManager(timeout=60, retries=False) as http:
            answer = http.request("POST", f"{url}/v2/chatty/runsync", body=body).json()
            again = http.request("POST", f"{url}/v2/chatty/runsync", body=b'{"input": 1}').json()
        process.send_signal(signal.SIGTERM)

        assert (answer["status"], again["status"]) == ("COMPLETED", "COMPLETED")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_signal_to_every_process_of_the_server_ends_it_as_one_to_the_host_does(tmp_path: Path) -> None:
    """As systemd sends it, unless it is told otherwise."""
    with WatchedServer(tmp_path, HANDLER) as server:
        id = server.submit("held")
        until("it runs", (tmp_path / "held").exists)
        for pid in sorted(server.processes(), reverse=True):
            os.kill(pid, signal.SIGTERM)
        until("it stops", lambda: "stopping: 1 running job" in server.log())
        (tmp_path / "go").touch()
        assert server.process is not None
        assert server.process.wait(30) == 0

        assert server.statuses() == {id: "COMPLETED"}


def test_a_thread_that_a_handler_left_holds_up_no_refresh_and_what_does_is_in_the_log(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER, arguments=("--workers", "leaves=1")) as server:

        def seconds(how: str) -> float:
            pid = server.run("leaves", how)["output"]["pid"]
            begin = time.monotonic()
            until("the worker has gone", lambda: not alive(pid))
            return time.monotonic() - begin

        assert [seconds(how) > 5 for how in ("thread", "abort", "exit function")] == [False, False, True]
        until("it is said", lambda: "did not leave within 10 s and is killed" in server.log())

        assert server.log().count("was killed by SIGABRT as it left") == 1
        assert server.log().count("WARNING") == 2
