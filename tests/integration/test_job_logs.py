"""What handlers print: in the log, through the API and the command line, live and afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from waiting import until
from workerkit.testing import Server

HANDLER = """
import asyncio, contextvars, logging, os, signal, subprocess, sys, threading, time
from pathlib import Path
from workerkit import worker_function

def pause(gate):
    Path(gate).read_bytes()  # a FIFO: waits until somebody opens it

@worker_function
def chatty(job):
    print("on stdout")
    print("on stderr", file=sys.stderr)
    logging.getLogger("handler").warning("logged")
    os.write(1, b"from C\\n")
    subprocess.run(["echo", "from a child"], check=True)
    print("begun ", end="")
    return "done"

@worker_function
def unended(job):
    os.write(1, f"of {job['input']}".encode())

@worker_function
def silent(job):
    return "done"

@worker_function
def gated(job):
    print("before")
    pause(job["input"]["gate"])
    print("after")

@worker_function(concurrency=4)
async def several(job):
    for n in range(20):
        print(job["input"], n)
        await asyncio.sleep(0)
    await asyncio.to_thread(print, job["input"], "in a thread")

@worker_function(concurrency=4)
def slots(job):
    for n in range(10):
        print(job["input"] * 5000, n)
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(print, "in a thread"))
    thread.start()
    thread.join()

@worker_function
def crashing(job):
    print(f"attempt {job.attempt}")
    if job.attempt == 1 and job["input"]:
        pause(job["input"]["gate"])
    if job.attempt < 3:
        os.kill(os.getpid(), signal.SIGKILL)

@worker_function
def telling(job):
    print("the secret is", job["s3Config"]["accessSecret"])
    os.write(1, f"again: {job['s3Config']['accessSecret']}\\n".encode())

@worker_function
def endless(job):
    for n in range(3000):
        print(n, "x" * 4000)
    print("the end")
"""
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def workerkit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workerkit", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


class Operator:
    """Asks for logs over HTTP; without keys, everybody on this machine may."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def logs(self, id: str, **query: int) -> dict[str, Any]:
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        status, answer = self._server.get(f"/jobs/{id}/logs?{parameters}")
        assert status == 200, answer
        found: dict[str, Any] = answer
        return found

    def whole(self, id: str, **query: int) -> dict[str, Any]:
        """Once nothing more will come of the attempt."""
        until("all of it is there", lambda: self.logs(id, **query)["over"])
        return self.logs(id, **query)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("logs"), HANDLER) as running:
        yield running


def gate(folder: Path) -> Path:
    """A FIFO that a job waits at until it is opened."""
    fifo = folder / f"gate-{time.monotonic_ns()}"
    os.mkfifo(fifo)
    return fifo


def open_gate(fifo: Path) -> None:
    with fifo.open("wb"):
        pass


def ended(server: Server, endpoint: str, input: Any = None, **fields: Any) -> str:
    id = server.submit(endpoint, input, **fields)
    server.wait(endpoint, id)
    return id


def test_all_that_a_run_prints_is_its_own_when_it_is_the_only_one(server: Server) -> None:
    id = ended(server, "chatty")

    found = Operator(server).whole(id)

    lines = ["on stdout", "on stderr", "logged", "from C", "from a child", "begun "]
    text = "".join(f"{line}\n" for line in lines)
    assert found == {
        "id": id,
        "attempt": 1,
        "attempts": [1],
        "status": "COMPLETED",
        "text": text,
        "after": len(text),
        "dropped": 0,
        "over": True,
    }
    assert [line for line in lines if f" {id} | {line}\n" not in server.log()] == []
    assert "\x1e" not in server.log()


def test_a_line_without_an_end_does_not_reach_the_next_job(server: Server) -> None:
    first, second = server.submit("unended", "the first"), server.submit("unended", "the second")
    server.wait("unended", second)

    until("the first has its line", lambda: Operator(server).logs(first)["text"] == "of the first\n")
    assert Operator(server).logs(second)["text"] == ""


@pytest.mark.parametrize("endpoint", ["several", "slots"])
def test_runs_beside_each_other_do_not_mix(server: Server, endpoint: str) -> None:
    ids = {name: server.submit(endpoint, name) for name in "abcdefgh"}

    for name, id in ids.items():
        server.wait(endpoint, id)
        lines = Operator(server).whole(id)["text"].splitlines()
        if endpoint == "several":
            assert lines == [*(f"{name} {n}" for n in range(20)), f"{name} in a thread"]
        else:
            assert lines == [*(f"{name * 5000} {n}" for n in range(10)), "in a thread"]


def test_every_attempt_keeps_its_own_those_that_crashed_too(server: Server) -> None:
    id = ended(server, "crashing")

    texts = {n: Operator(server).whole(id, attempt=n)["text"] for n in (1, 2, 3)}
    status, answer = server.get(f"/jobs/{id}/logs?attempt=4")

    assert texts == {n: f"attempt {n}\n" for n in (1, 2, 3)}
    assert Operator(server).logs(id)["attempts"] == [1, 2, 3]
    assert (status, answer["error"]) == (404, "the job has no attempt 4; its latest is 3")


def test_secrets_of_the_request_are_masked_everywhere(server: Server) -> None:
    fields = {"accessId": "AKIAIOSFODNN7EXAMPLE", "accessSecret": SECRET}
    id = ended(server, "telling", s3Config={**fields, "bucketName": "b", "endpointUrl": "http://127.0.0.1:9"})

    assert Operator(server).whole(id)["text"] == "the secret is ***\nagain: ***\n"
    assert SECRET not in server.log()


def test_of_a_run_that_prints_without_end_the_end_is_kept(server: Server) -> None:
    id = ended(server, "endless")

    found = Operator(server).whole(id)
    resumed = Operator(server).logs(id, after=found["after"] - len("the end\n"))

    assert found["text"].endswith("\nthe end\n")
    assert len(found["text"]) <= 65_536
    assert found["dropped"] + len(found["text"]) == found["after"]
    assert (resumed["text"], resumed["dropped"]) == ("the end\n", 0)
    assert len(server.log()) < 11_000_000


def test_a_caller_who_waits_is_told_while_the_job_runs_and_when_it_ends(server: Server) -> None:
    fifo = gate(server.folder)
    id = server.submit("gated", {"gate": str(fifo)})
    until("it has begun", lambda: bool(Operator(server).logs(id, wait=20)["text"]))
    live = Operator(server).logs(id)
    nothing = Operator(server).logs(id, after=live["after"])
    open_gate(fifo)
    later = Operator(server).logs(id, attempt=1, after=live["after"], wait=20)
    last = Operator(server).logs(id, attempt=1, after=later["after"], wait=20)

    assert (live["text"], live["status"], live["over"]) == ("before\n", "IN_PROGRESS", False)
    assert (nothing["text"], nothing["over"]) == ("", False)
    assert later["text"] == "after\n"
    assert (last["text"], last["status"], last["over"]) == ("", "COMPLETED", True)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("attempt=x", "attempt is 'x'; it must be a whole number"),
        ("after=-1", "after is '-1'; it must be a whole number"),
        ("wait=61", "wait is '61'; it must be a whole number from 0 to 60"),
        ("atempt=1", "'atempt' is no filter here; did you mean 'attempt'?"),
    ],
)
def test_a_wrong_query_is_answered_with_a_sentence(server: Server, query: str, sentence: str) -> None:
    status, answer = server.get(f"/jobs/nonsense/logs?{query}")

    assert (status, answer["code"]) == (400, "bad_query")
    assert sentence in answer["error"]


def test_the_command_shows_them_with_and_without_a_server(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        id, quiet = ended(server, "crashing"), ended(server, "silent")
        online = [workerkit(tmp_path, "jobs", "logs", id, *more) for more in ((), ("--attempt", "1"))]
        nothing = workerkit(tmp_path, "jobs", "logs", quiet, "--follow")
        unknown = workerkit(tmp_path, "jobs", "logs", "nonsense")
    offline = [workerkit(tmp_path, "jobs", "logs", id, *more) for more in (("-f",), ("--attempt", "1"))]
    nothing_offline = workerkit(tmp_path, "jobs", "logs", quiet)
    unknown_offline = workerkit(tmp_path, "jobs", "logs", "nonsense")
    wrong = workerkit(tmp_path, "jobs", "logs", id, "--attempt", "9")

    assert [done.stdout for done in (*online, *offline)] == ["attempt 3\n", "attempt 1\n"] * 2
    for done in (nothing, nothing_offline):
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "attempt 1 has printed nothing\n")
    for done in (unknown, unknown_offline):
        assert done.returncode == 1
        assert done.stderr.startswith("workerkit: there is no job 'nonsense'")
    assert (wrong.returncode, wrong.stderr) == (1, "workerkit: the job has no attempt 9; its latest is 3\n")


def test_following_goes_from_attempt_to_attempt_and_ends_with_the_job(server: Server) -> None:
    fifo = gate(server.folder)
    held = server.submit("crashing", {"gate": str(fifo)})
    command = [sys.executable, "-m", "workerkit", "jobs", "logs", "-f", held]
    with subprocess.Popen(
        command, cwd=server.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        first = following.stdout.readline()
        open_gate(fifo)
        rest, complaint = following.communicate(timeout=30)

    assert first == "attempt 1\n"
    assert (following.returncode, rest, complaint) == (0, "attempt 2\nattempt 3\n", "")


def test_what_was_printed_last_is_stored_when_the_server_stops(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        fifo = gate(tmp_path)
        id = server.submit("gated", {"gate": str(fifo)})
        until("it has begun", lambda: bool(Operator(server).logs(id)["text"]))
        assert server.process is not None
        server.process.terminate()
        open_gate(fifo)
        server.process.wait(30)

    assert workerkit(tmp_path, "jobs", "logs", id).stdout == "before\nafter\n"


def test_settings_turn_off_what_is_logged_and_what_is_kept(tmp_path: Path) -> None:
    def came(logs: Mapping[str, Any]) -> tuple[bool, str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        with Server(folder, HANDLER, settings={"logs": logs}) as server:
            id = ended(server, "chatty")
            text = Operator(server).whole(id)["text"]
            return "on stdout" in server.log(), text

    logged, kept = came({"output": False})
    assert (logged, kept[:10]) == (False, "on stdout\n")
    assert came({"tail": 0}) == (True, "")
    assert came({"tail": 8})[1] == "begun \n"


def test_the_servers_log_as_json(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER, arguments=("--log-format", "json")) as server:
        id = ended(server, "chatty")
        until("it is logged", lambda: "from a child" in server.log())
    wrong = workerkit(tmp_path, "serve", "handler.py", "--log-format", "xml")

    lines = [json.loads(line) for line in server.log().splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, lines))
    [told] = [line for line in lines if line["message"].endswith(" | on stdout")]
    assert (told["job"], told["endpoint"]) == (id, "chatty")
    assert told["message"] == f"{told['worker']} {id} | on stdout"
    assert (wrong.returncode, "there is no 'xml'" in wrong.stderr) == (2, True)
