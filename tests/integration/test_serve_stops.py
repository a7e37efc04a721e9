"""How `workerkit serve` stops, and what it says meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import urllib3

from waiting import until
from workerkit.testing import Server

HANDLER = """
from pathlib import Path
from workerkit import worker_function

@worker_function
def gated(job):
    Path(job["input"]).read_bytes()  # a FIFO: waits until somebody opens it

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
